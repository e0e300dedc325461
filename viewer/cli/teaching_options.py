"""What the commands share that teach by marks: slides with their marks, and what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import fail, origin_named, say

if TYPE_CHECKING:
    from types import TracebackType

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.teaching.marked_slides import MarkedSlides

Slides = Annotated[list[Path], typer.Argument(metavar="SLIDE...", help="The slides.")]
MarksFiles = Annotated[
    list[Path],
    typer.Option(
        "--marks",
        help="Points or areas with classes, in any known format of annotations: one file for each "
        "slide in its order, or a folder with a file of each slide's name.",
    ),
]
OutFolder = Annotated[Path, typer.Option("-o", "--out", help="A new folder for the model.")]
ModelName = Annotated[
    str | None, typer.Option("--name", help="Of the model; that of its folder by default.")
]
ReaderName = Annotated[
    str | None,
    typer.Option("--by", help="Your pseudonym, for the model's card; that of the settings."),
]


class Refusals:
    """Ends the command, with the one sentence that says why, where teaching is refused."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        from viewer.annotations.formats.problems import AnnotationFileError
        from viewer.inference.models.bundle import BundleError
        from viewer.inference.runs.running import RunError
        from viewer.inference.teaching.errors import TeachingError
        from viewer.slides import SlideError

        if isinstance(
            error, SlideError | AnnotationFileError | BundleError | RunError | TeachingError
        ):
            fail(str(error))


def slides_with_marks(slides: list[Path], marks: list[Path], origin: str | None) -> MarkedSlides:
    """Read the marks of slides; what teaches nothing ends the command, the rest is said."""
    from viewer.audit_log import trail
    from viewer.inference.teaching.marked_slides import marked_slides

    with Refusals():
        marked = marked_slides(slides, marks, origin_named(origin))
    for slide in marked.slides:
        trail.note("opened", slide.path.absolute(), "train by marks")
    for note in marked.notes:
        say(note)
    return marked


def reader_named(name: str | None) -> str:
    """Return the pseudonym that is given, or that of the settings; "" for none."""
    from viewer.folders import config_folder
    from viewer.settings import load_settings

    return name if name is not None else load_settings(config_folder()).reader


def name_of(name: str | None, out: Path) -> str:
    """Return what a model is called that is written to a folder."""
    return name or out.absolute().name


def taught_record(bundle: ModelBundle) -> dict[str, object]:
    """Return what is printed of a model that was taught."""
    card = bundle.description.teaching
    assert card is not None
    held = card.held_out
    return {
        "model": bundle.name,
        "version": bundle.version,
        "folder": str(bundle.folder),
        "by": card.by,
        "marks": card.marks,
        "held_out_by": held.by or "not enough to estimate",
        "held_out_regions": held.regions,
        "held_out_error": held.error,
        "calibration_error": held.calibration_error,
        "about": held.sentence,
    }
