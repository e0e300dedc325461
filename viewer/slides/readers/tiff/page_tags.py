"""Values of a page's tags as numbers, whatever a file has put there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from tifffile import PHOTOMETRIC

from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tifffile import TiffPage

_NO_DATA = 42113


def numbers(page: TiffPage, code: int) -> tuple[float, ...]:
    """Return the numbers of a tag; nothing where it is missing or holds none."""
    value: object = page.tags.valueof(code)
    values = value if is_sequence(value) else (value,)
    found = tuple(float(part) for part in values if isinstance(part, int | float))
    return found if len(found) == len(values) else ()


def rationals(page: TiffPage, code: int, count: int) -> tuple[float, ...] | None:
    """Return the `count` fractions of a tag; None where they are not all finite numbers."""
    values = numbers(page, code)
    if len(values) == 2 * count and all(values[1::2]):
        values = tuple(over / under for over, under in zip(values[::2], values[1::2], strict=True))
    is_usable = len(values) == count and all(math.isfinite(value) for value in values)
    return values if is_usable else None


def state_photometric(page: TiffPage) -> None:
    """Take a page that does not say what its samples are for color or gray by their number."""
    if 262 not in page.tags:
        is_color = page.samplesperpixel >= 3
        page.photometric = PHOTOMETRIC.RGB if is_color else PHOTOMETRIC.MINISBLACK


def bits_per_sample(page: TiffPage) -> int:
    """Return the bits of a sample; the most where samples differ, such as 5, 6, 5."""
    return int(np.max(page.bitspersample))


def sample_kind(page: TiffPage) -> tuple[Hashable, ...]:
    """Return of which type and depth samples are, how many, and whether they count from white."""
    is_inverted = page.photometric == PHOTOMETRIC.MINISWHITE
    return page.dtype, page.samplesperpixel, page.bitspersample, is_inverted


def no_data(page: TiffPage) -> float | None:
    """Return the value that stands for no data, as GDAL's tag tells it; None where it is none."""
    text: object = page.tags.valueof(_NO_DATA)
    try:
        value = float(str(text).strip().rstrip("\0"))
    except ValueError:
        return None
    if page.dtype is None or not math.isfinite(value):
        return None
    if page.dtype.kind == "f":
        with np.errstate(over="ignore"):
            value = float(page.dtype.type(value))  # as it is stored, in fewer digits
        return value if math.isfinite(value) else None
    return value
