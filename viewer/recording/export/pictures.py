"""The pictures of an action, in the colors shown, without anything painted over the tissue."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from viewer.geometry import Box, Point
from viewer.slides.displayed import shown_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.recording.export.options import ExportOptions
    from viewer.recording.export.reading import Reading
    from viewer.recording.trace import Action
    from viewer.slides.source import RgbImage, SlideSource

_BOX_COLOR = (220, 30, 30)


class ActionPictures:
    """Makes the pictures of one reading."""

    def __init__(
        self, reading: Reading, source: SlideSource, thumbnail: RgbImage, options: ExportOptions
    ) -> None:
        self._reading = reading
        self._source = source
        self._options = options
        self._thumbnail = thumbnail

    def thumbnail(self) -> bytes:
        """Return the whole slide, as JPEG."""
        return self._jpeg(self._thumbnail)

    def thumbnail_with(self, numbers: Sequence[int]) -> bytes:
        """Return the whole slide with the boxes of some actions, numbered from 1, as JPEG."""
        picture = Image.fromarray(self._thumbnail)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(max(12, picture.width // 50))
        line_px = max(2, picture.width // 300)
        scale = picture.width / self._reading.header.slide.size.width
        for number in numbers:
            x0, y0, x1, y1 = (side * scale for side in self._reading.actions[number - 1].box)
            draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=_BOX_COLOR, width=line_px)
            draw.text((x0 + 2 * line_px, y0 + line_px), str(number), _BOX_COLOR, font)
        return self._jpeg(np.asarray(picture))

    def crop(self, action: Action) -> bytes:
        """Return the action's box as large as the reader had it, up to `crop_px`, as JPEG."""
        box = _at_least_a_pixel(Box(*action.box))
        views = slice(action.first, action.last + 1)
        downsample = float(self._reading.trace.downsample[views].mean())
        downsample = max(downsample, box.width / self._options.crop_px)
        downsample = max(downsample, box.height / self._options.crop_px)
        width_px = max(1, round(box.width / downsample))
        height_px = max(1, round(box.height / downsample))
        return self._field(box, width_px, height_px)

    def detail(self, action: Action) -> bytes:
        """Return a square about the most-dwelt point at the detail magnification, as JPEG.

        Where the slide tells no scale, one picture pixel is one slide pixel.
        """
        side_px = self._options.detail_px
        downsample = (
            self._reading.header.slide.optics.downsample(self._options.detail_magnification) or 1.0
        )
        box = Box.around(Point(*action.dwell_point), side_px * downsample, side_px * downsample)
        return self._field(box, side_px, side_px)

    def _field(self, box: Box, width_px: int, height_px: int) -> bytes:
        return self._jpeg(shown_region(self._source, box, width_px, height_px))

    def _jpeg(self, pixels: RgbImage) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=self._options.jpeg_quality)
        return buffer.getvalue()


def _at_least_a_pixel(box: Box) -> Box:
    """Return the reference's boxes may be lines or points."""
    return Box.around(box.center, max(box.width, 1.0), max(box.height, 1.0))
