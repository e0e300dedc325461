"""Images for an agent of another program: what may be given, how large, and what was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.chat.conversation import jpeg_of
from viewer.agents.clients.client_tools import checked_magnification
from viewer.agents.errors import MicroscopeError, ToolError
from viewer.agents.guides import MARGIN_X_PX, with_guides
from viewer.agents.microscope import LEAST_FIELD_PX, on_slide, picture_of, slide_box
from viewer.audit_log import sent_detail, trail
from viewer.geometry import Box, Size
from viewer.policy import policy
from viewer.slides.displayed import colors_given, shown_region
from viewer.slides.errors import TileError, part_unreadable

if TYPE_CHECKING:
    from viewer.agents.microscope import Microscope
    from viewer.slides.source import RgbImage

_MOST_SIDE_PX = 1536
_SIDE_PX = 1024
_JPEG_QUALITY = 88
_STUDY = "agents of other programs"


class GivenImage(msgspec.Struct, frozen=True):
    """An image as a client gets it.

    Attributes
    ----------
    about
        Its box, size, scale and what its colors are; `note` where it is not as it was asked for.
    """

    jpeg: bytes
    about: dict[str, object]


class ClientImages:
    """Gives images of one slide to one client, within a number of pixels."""

    def __init__(self, client: str, microscope: Microscope, megapixels: float) -> None:
        self._client = client
        self._microscope = microscope
        self._left_px = self._most_px = round(megapixels * 1e6)

    @property
    def left_px(self) -> int:
        """Return how many pixels may still be given."""
        return self._left_px

    def overview(self) -> GivenImage:
        """Return the whole slide with guides. Raises ToolError."""
        self.check()
        slide = slide_box(self._microscope.source)
        try:
            picture = picture_of(self._microscope.source, slide, _SIDE_PX - MARGIN_X_PX)
        except MicroscopeError as error:
            raise ToolError(str(error)) from error
        shown = with_guides(picture, Size(slide.width, slide.height))
        optics = self._microscope.optics
        about: dict[str, object] = {
            "slide_width_px": round(slide.width),
            "slide_height_px": round(slide.height),
            "um_per_px": optics.mean_mpp_um,
            "magnification_of_level_0": optics.native_magnification,
        }
        return self._given(shown, about)

    def field(self, box: Box, magnification: float | None) -> GivenImage:
        """Return an image of a box of the slide at a magnification. Raises ToolError."""
        self.check()
        inside = self.inside(box)
        downsample = self.downsample(magnification)
        least = max(inside.width, inside.height) / (
            _SIDE_PX if downsample is None else _MOST_SIDE_PX
        )
        chosen = max(least, 1.0 if downsample is None else downsample, 1.0)
        width_px, height_px = (
            max(1, round(side / chosen)) for side in (inside.width, inside.height)
        )
        self._check_budget(width_px * height_px)
        try:
            picture = shown_region(self._microscope.source, inside, width_px, height_px)
        except TileError as error:
            raise ToolError(part_unreadable(error)) from error
        shown = self._microscope.optics.magnification(chosen)
        about: dict[str, object] = {
            "box": [round(side, 1) for side in inside.bounds],
            "magnification": None if shown is None else round(shown, 3),
        }
        if downsample is not None and chosen > downsample * 1.001:
            about["note"] = (
                "The slide holds no higher magnification."
                if chosen == 1.0
                else f"An image has {_MOST_SIDE_PX:,} pixels a side at most: a smaller box is "
                "shown at the magnification that was asked for."
            )
        return self._given(picture, about)

    def inside(self, box: Box, least_px: float = LEAST_FIELD_PX) -> Box:
        """Return the part of a box that lies on the slide. Raises ToolError."""
        try:
            return on_slide(box, self._microscope.source, least_px)
        except MicroscopeError as error:
            raise ToolError(str(error)) from error

    def downsample(self, magnification: float | None) -> float | None:
        """Return the level-0 pixels per image pixel of a magnification. Raises ToolError."""
        checked = checked_magnification(magnification)
        if checked is None:
            return None
        downsample = self._microscope.optics.downsample(checked)
        if downsample is None:
            raise ToolError("The slide's pixel size is unknown: leave out the magnification.")
        return downsample

    def check(self) -> None:
        """Raise ToolError where no image may be given at all."""
        now = policy()
        if not now.network or now.allowed_hosts is not None:
            raise ToolError(
                "The administrator's policy restricts what leaves this machine, and a client may "
                "send on what it gets: no images are given."
            )

    def _check_budget(self, wanted_px: int) -> None:
        if wanted_px > self._left_px:
            raise ToolError(
                f"This image has {wanted_px:,} pixels, and {self._left_px:,} of the "
                f"{self._most_px:,} that may be given of this slide are left: ask for less."
            )

    def _given(self, picture: RgbImage, about: dict[str, object]) -> GivenImage:
        height_px, width_px = picture.shape[:2]
        self._check_budget(width_px * height_px)
        self._left_px -= width_px * height_px
        jpeg = jpeg_of(picture, max(width_px, height_px), _JPEG_QUALITY).jpeg
        info = self._microscope.source.info
        trail.note(
            "sent", f"client {self._client}", sent_detail(_STUDY, self._client, info.identity)
        )
        facts = {"width_px": width_px, "height_px": height_px, "colors": colors_given(info)}
        return GivenImage(jpeg, {**about, **facts, "pixels_left": self._left_px})
