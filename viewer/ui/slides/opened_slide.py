"""A slide from the reader, with all that was kept of it from earlier openings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.audit_log import trail
from viewer.slides.calibration import remembered_mpp_um, typed_on
from viewer.slides.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.geometry import Optics, View
    from viewer.slides.source import SlideSource
    from viewer.tiles.display import DisplaySettings

_log = logging.getLogger(__name__)


class OpenedSlide(msgspec.Struct, frozen=True):
    """A slide from the reader, with the scale that the user set earlier if the file has none."""

    source: SlideSource
    optics: Optics
    display: DisplaySettings | None = None
    """How it was adjusted when it was last open."""
    mpp_origin: str = ""
    """Where the pixel size comes from: "from the file", "typed by you on ...", "" for none."""
    view: View | None = None
    """Where the reader looked last; None for the whole slide."""
    stain_problem: str = ""
    """Why its stains cannot be shown apart; "" where they can."""
    former: str = ""
    """Which other slide the file held when it was last open; "" where none."""


def opened_slide(path: Path, image: int | None = None, others: Sequence[Path] = ()) -> OpenedSlide:
    """Open a slide and look up its remembered scale; for worker threads.

    Raises
    ------
    SlideError
        One sentence says why it does not open.
    """
    source = source_of(path, image, others)
    try:
        slide = recognized(source)
        note_opened(slide)
        return slide
    except SlideError:
        source.close()
        raise


def source_of(path: Path, image: int | None = None, others: Sequence[Path] = ()) -> SlideSource:
    """Open a slide and make its color profile ready, which can take long; for worker threads.

    Parameters
    ----------
    others
        Slides of the same field, whose channels are put beside those of the first.

    Raises
    ------
    SlideError
        One sentence says why it does not open.
    """
    from viewer.slides.colors.profile import profile_problem
    from viewer.slides.opener import open_slide

    if others:
        from viewer.slides.combining import open_combined

        return open_combined((path, *others))
    source = open_slide(path, image)
    profile_problem(source.info.icc_profile)
    return source


def recognized(source: SlideSource, reader: str = "") -> OpenedSlide:
    """Learn which slide it is, and what was kept of it for a reader; for worker threads.

    Raises
    ------
    SlideError
        The file cannot be read any more, or is no longer the one that was opened.
    """
    from viewer.slides.fluorescence import no_stains
    from viewer.slides.held_before import held_before
    from viewer.tiles.display import DisplaySettings
    from viewer.tiles.kept_channels import displays_by_name
    from viewer.tiles.kept_display import load_display
    from viewer.tiles.kept_view import load_view
    from viewer.tiles.stains import Stain

    info = source.info
    info.learn_identity()
    optics = info.optics
    origin = "from the file" if optics.mpp_um is not None else ""
    if optics.mpp_um is None:
        mpp_um = remembered_mpp_um(info.identity)
        if mpp_um is not None:
            optics = replace(optics, mpp_um=mpp_um)
            day = typed_on(info.identity)
            origin = f"typed by you on {day}" if day else "typed by you"
    view = load_view(info.identity, reader)
    display, problem = load_display(info.identity), no_stains(source)
    if display is None and (channels := displays_by_name(info.axes)) is not None:
        display = DisplaySettings(channels=channels)
    if problem and display is not None:
        display = replace(display, stain=Stain.NONE)
    held = held_before(source)
    former = "" if held == info.identity else held
    return OpenedSlide(source, optics, display, origin, view, problem, former)


def note_opened(slide: OpenedSlide) -> None:
    """Write down that a slide was opened, and where it lies; for worker threads."""
    from viewer.slides.held_before import note_held
    from viewer.slides.known_slides import remember

    source = slide.source
    trail.note("opened", source.path, source.info.identity)
    try:
        remember(source.info.identity, source.path)
        note_held(source)
    except OSError as error:
        _log.warning("Where the slide lies cannot be remembered (%s)", error)
