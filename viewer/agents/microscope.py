"""What an agent acts through: the window's canvas, or none (`viewer.agents.headless`).

The window implements `Microscope` on its canvas and recorder, with the cause "agent". All methods
are called in the agent's thread and return when the thing is done; pictures are read from the
slide itself, so they do not depend on what is painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.agents.errors import MicroscopeError
from viewer.geometry import Box, Size
from viewer.slides.displayed import shown_region
from viewer.slides.errors import TileError, part_unreadable
from viewer.slides.region import Beyond, read_region

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.canceling import Cancel
    from viewer.agents.findings import Finding
    from viewer.geometry import Optics
    from viewer.recording.events import AnyEvent
    from viewer.slides.source import RgbImage, SlideSource

LEAST_FIELD_PX = 16.0
"""The shorter side of a box that can be looked at."""
LEAST_BOX_PX = 1.0
"""The shorter side of a box that can be measured or marked: a nucleus is small."""


class Field(msgspec.Struct, frozen=True):
    """What is on screen.

    Attributes
    ----------
    box
        Level-0 pixels; may reach beyond the slide.
    magnification
        None where the slide tells no scale.
    """

    box: Box
    magnification: float | None


class Microscope(Protocol):
    """One slide, and one who moves it."""

    @property
    def source(self) -> SlideSource: ...

    @property
    def optics(self) -> Optics:
        """Return the scale in use, also where the user gave it."""
        ...

    @property
    def field(self) -> Field:
        """Return what is on screen now."""
        ...

    def go_to(self, box: Box, magnification: float | None = None) -> Field:
        """Show a box, or its middle at a magnification; return what is on screen then.

        Raises
        ------
        MicroscopeError
            It cannot be shown.
        """
        ...

    def dwell(self, seconds: float, cancel: Cancel) -> None:
        """Rests, so that a person can follow and the session shows the field was looked at."""
        ...

    def annotate(self, finding: Finding) -> None:
        """Mark a finding on the slide."""
        ...

    def record(self, event: AnyEvent) -> None:
        """Take an event of the agent that moves nothing, such as a note, to the session."""
        ...


def slide_box(source: SlideSource) -> Box:
    """Return all of the slide, level-0 pixels."""
    base = source.levels[0]
    return Box(0, 0, base.width_px, base.height_px)


def on_slide(box: Box, source: SlideSource, least_px: float = LEAST_FIELD_PX) -> Box:
    """Return the part of a box that lies on the slide.

    Raises
    ------
    MicroscopeError
        There is none, or a side of it has less than `least_px` level-0 pixels.
    """
    slide = slide_box(source)
    inside = box.intersection(slide)
    if inside.width >= least_px and inside.height >= least_px:
        return inside
    sides = ", ".join(f"{value:.0f}" for value in box.bounds)
    if inside.width > 0 and inside.height > 0:
        raise MicroscopeError(
            f"What lies of the box {sides} on the slide has sides of less than {least_px:.0f} px."
        )
    raise MicroscopeError(
        f"The box {sides} does not lie on the slide, which is {slide.width:.0f} x "
        f"{slide.height:.0f} pixels."
    )


def picture_of(source: SlideSource, box: Box, side_px: int) -> RgbImage:
    """Return a box of the slide as it is shown, by its color profile, for a model to look at.

    uint8 (height, width, 3), its longer side `side_px`, never enlarged.

    Raises
    ------
    MicroscopeError
        That part of the slide cannot be read.
    """
    return _picture(source, box, side_px, shown_region)


def stored_picture_of(source: SlideSource, box: Box, side_px: int) -> RgbImage:
    """Return a box as `picture_of` in stored colors, to be measured. Raises MicroscopeError."""
    return _picture(source, box, side_px, read_region)


def _picture(
    source: SlideSource, box: Box, side_px: int, read: Callable[..., RgbImage]
) -> RgbImage:
    scale = min(1.0, side_px / max(box.width, box.height))
    size = Size(max(1, round(box.width * scale)), max(1, round(box.height * scale)))
    try:
        return read(source, box, int(size.width), int(size.height), Beyond.WHITE)
    except TileError as error:
        raise MicroscopeError(part_unreadable(error)) from error
