"""The whole slide in one picture, with guides by which a model can name places on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.geometry import Box, Size
    from viewer.slides.source import RgbImage

MARGIN_X_PX, _MARGIN_Y_PX = 64, 24
_TICKS = 6
_FONT_PX = 13
_LINE = (90, 90, 200, 110)
_BOX = (220, 30, 30, 255)
_INK = (20, 20, 20, 255)


def with_guides(picture: RgbImage, slide: Size, boxes: Sequence[Box] = ()) -> RgbImage:
    """Return a picture with axes in level-0 px along its left and upper edge, as GIANT shows it.

    Parameters
    ----------
    picture
        uint8 (height, width, 3), all of the slide.
    slide
        Level-0 pixels.
    boxes
        Level-0 boxes that are drawn, numbered from 1.
    """
    height, width = picture.shape[:2]
    page = Image.new("RGB", (width + MARGIN_X_PX, height + _MARGIN_Y_PX), "white")
    page.paste(Image.fromarray(picture), (MARGIN_X_PX, _MARGIN_Y_PX))
    draw = ImageDraw.Draw(page, "RGBA")
    font = ImageFont.load_default(_FONT_PX)
    scale_x, scale_y = width / slide.width, height / slide.height
    for value in _ticks(slide.width):
        x = MARGIN_X_PX + value * scale_x
        draw.line((x, _MARGIN_Y_PX - 5, x, page.height), _LINE)
        draw.text((x, _MARGIN_Y_PX - 6), str(value), _INK, font, anchor="ms")
    for value in _ticks(slide.height):
        y = _MARGIN_Y_PX + value * scale_y
        draw.line((MARGIN_X_PX - 5, y, page.width, y), _LINE)
        draw.text((MARGIN_X_PX - 7, y), str(value), _INK, font, anchor="rm")
    for number, box in enumerate(boxes, 1):
        x0, x1 = (MARGIN_X_PX + x * scale_x for x in (box.x0, box.x1))
        y0, y1 = (_MARGIN_Y_PX + y * scale_y for y in (box.y0, box.y1))
        draw.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=_BOX, width=2)
        left, top, right, bottom = draw.textbbox((x0 + 4, y0 + 2), str(number), font)
        draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=_BOX)
        draw.text((x0 + 4, y0 + 2), str(number), "white", font)
    return np.asarray(page)


def _ticks(length: float) -> list[int]:
    """Round numbers from 0 on, some six of them, none beyond the slide."""
    rough = length / _TICKS
    power = 10 ** int(np.floor(np.log10(max(rough, 1.0))))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return list(range(0, int(length) + 1, max(1, step)))
