"""COCO's run-length masks: columns from top to bottom, background and object in turn.

The packed text is that of pycocotools: groups of five bits, and from the third count on the
difference to the count before the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from viewer.annotations.formats.foreign_values import parsed_text
from viewer.annotations.masks.outlines import outlines_of
from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

_MOST_PX = 1 << 28
"""Of the box around the object."""
_MOST_DIGITS = 18
_FIRST_CHARACTER = 48


def region_of_runs(stated: dict[str, object]) -> BaseGeometry:
    """Return the outline of {"size": [height, width], "counts": list or text}.

    Raises
    ------
    ValueError
        It is no such mask, or the mask is empty or too large.
    """
    height, _, runs = _checked_runs(stated)
    stops = np.cumsum(runs)[1::2]
    starts = stops - runs[1::2]
    is_some = stops > starts
    return _region(starts[is_some], stops[is_some], height)


def mask_of_runs(stated: dict[str, object]) -> NDArray[np.bool_]:
    """Return the mask of {"size": [height, width], "counts": list or text}, (height, width).

    Raises
    ------
    ValueError
        It is no such mask, or it is too large.
    """
    height, width, runs = _checked_runs(stated)
    if height * width > _MOST_PX:
        raise ValueError("its mask is too large")
    columns = np.zeros(height * width, bool)
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    columns[: len(filled)] = filled
    return columns.reshape(width, height).T


def _checked_runs(stated: dict[str, object]) -> tuple[int, int, NDArray[np.int64]]:
    """Return height, width and lengths of runs. Raises ValueError."""
    size, counts = stated["size"], parsed_text(stated["counts"])
    if not is_sequence(size) or len(size) != 2:
        raise ValueError("its mask does not tell its height and width")
    height, width = map(_whole, size)
    if isinstance(counts, str):
        lengths = _unpacked(counts)
    elif is_sequence(counts):
        lengths = [_whole(count) for count in counts]
    else:
        raise ValueError("its runs are neither a list nor a text")
    runs = np.array(lengths, np.int64)
    if height < 1 or width < 1 or (runs < 0).any() or runs.sum() > height * width:
        raise ValueError("its runs do not fit the mask")
    return height, width, runs


def _whole(value: object) -> int:
    """Return a whole number, also from a text. Raises ValueError."""
    if not isinstance(value, int | float | str) or (
        isinstance(value, str) and len(value) > _MOST_DIGITS
    ):
        raise ValueError("its runs are no numbers")
    return int(value)


def _region(starts: NDArray[np.int64], stops: NDArray[np.int64], height: int) -> BaseGeometry:
    if not len(starts):
        raise ValueError("its mask is empty")
    left, right = int(starts[0] // height), int((stops[-1] - 1) // height) + 1
    crosses = (starts // height != (stops - 1) // height).any()
    top = 0 if crosses else int((starts % height).min())
    bottom = height if crosses else int(((stops - 1) % height).max()) + 1
    if (right - left) * height > _MOST_PX:
        raise ValueError("its mask is too large")
    # Toggles at the ends of runs, summed along the columns, are the columns themselves.
    toggles = np.zeros((right - left) * height + 1, np.int8)
    toggles[starts - left * height] += 1
    toggles[stops - left * height] -= 1
    columns = np.cumsum(toggles[:-1], dtype=np.int8).reshape(right - left, height)
    shapes, _ = outlines_of(np.ascontiguousarray(columns[:, top:bottom].T))
    moved = shapely.transform(shapes, lambda places: places + np.array((left, top)))
    return moved[0] if len(moved) == 1 else shapely.union_all(moved)


def _unpacked(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for byte in text.encode("ascii", "replace"):
        group = byte - _FIRST_CHARACTER
        if not 0 <= group < 64:
            raise ValueError("its packed runs hold a character that is none of theirs")
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("its packed runs break off")
    return counts
