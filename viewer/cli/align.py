"""`coverslip align`: where places of one slide lie on another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.opening import opened_slide
from viewer.cli.output import (
    EXIT_INCOMPLETE,
    FileMppOption,
    JsonOption,
    check_writable,
    fail,
    print_record,
    say,
)
from viewer.files.atomic_write import unwritable

if TYPE_CHECKING:
    from viewer.slides.alignment.automatic import SlideOverview


def align(
    slide: Annotated[Path, typer.Argument(metavar="SLIDE", help="A slide.")],
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="A slide of the same tissue, such as a section.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write the alignment as JSON."),
    ] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Pairs of places instead of what the slides show: a CSV of x, y on the first "
            "slide and x, y on the other, level-0 pixels; three pairs at least."
        ),
    ] = None,
    mpp: FileMppOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep it: the window moves both slides together by it.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Align two slides of the same tissue: turned, mirrored, scaled and stained as they may be.

    Exit code 1 where they cannot be aligned surely; the sentence tells how many places agree.
    """
    from viewer.slides import SlideError
    from viewer.slides.alignment.automatic import align_automatically, overview_of
    from viewer.slides.alignment.files import keep_alignment, read_landmarks, write_alignment
    from viewer.slides.alignment.landmarks import align_by_landmarks
    from viewer.slides.alignment.transform import AlignedSlide, AlignmentError
    from viewer.slides.calibration import remembered_mpp_um

    if out is not None:
        check_writable(out)
    try:
        pairs = read_landmarks(landmarks) if landmarks is not None else None
    except AlignmentError as error:
        fail(str(error))
    sources = [opened_slide(path) for path in (slide, other)]
    try:
        overviews: list[AlignedSlide] = []
        pictures: list[SlideOverview] = []
        for source in sources:
            key, base = source.info.identity, source.levels[0]
            own = source.info.optics.mpp_um or remembered_mpp_um(key)
            mpp_um = own or ((mpp, mpp) if mpp is not None else None)
            if pairs is None:
                pictures.append(overview_of(source, mpp_um))
            overviews.append(AlignedSlide(key, base.width_px, base.height_px, mpp_um))
    except SlideError as error:
        fail(str(error))
    finally:
        for source in sources:
            source.close()
    try:
        if pairs is None:
            found = align_automatically(pictures[0], pictures[1])
        else:
            found = align_by_landmarks(overviews[0], overviews[1], pairs)
    except AlignmentError as error:
        say(str(error))
        raise typer.Exit(EXIT_INCOMPLETE) from error
    try:
        if out is not None:
            write_alignment(out, found)
        if keep:
            keep_alignment(found)
    except AlignmentError as error:
        fail(str(error))
    except OSError as error:
        fail(unwritable(Path(error.filename or ""), error))
    k = found.affine
    say(found.text)
    record: dict[str, object] = {
        "residual": found.residual, "unit": found.unit, "matched": found.matched,
        "tried": found.tried, "method": found.method,
        "matrix": [[k.a, k.b, k.tx], [k.c, k.d, k.ty]], "out": str(out) if out else "",
    }  # fmt: skip
    print_record(record, json=json)
