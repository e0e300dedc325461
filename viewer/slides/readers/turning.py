"""The eight orientations of an image: where an upright box lies as stored, and turning it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UPRIGHT = 1
_SWAPPED = (5, 6, 7, 8)
_MIRRORED_X = (2, 3, 7, 8)
"""Orientations whose stored x runs against the upright axis that it follows."""

_MIRRORED_Y = (3, 4, 6, 7)


def is_orientation(value: object) -> bool:
    """Return whether a tag's value is one of the eight; others mean upright."""
    return isinstance(value, int) and 1 <= value <= 8


_Number = TypeVar("_Number", int, float)


def upright_size(orientation: int, width: _Number, height: _Number) -> tuple[_Number, _Number]:
    """Return a size along the axes of a stored image along those of the image as it is seen."""
    return (height, width) if orientation in _SWAPPED else (width, height)


def stored_box(
    orientation: int, stored_size_px: tuple[int, int], box: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Return where an upright box (left, top, width, height) lies in the stored image."""
    left, top, width, height = box
    if orientation in _SWAPPED:
        left, top, width, height = top, left, height, width
    stored_width, stored_height = stored_size_px
    if orientation in _MIRRORED_X:
        left = stored_width - left - width
    if orientation in _MIRRORED_Y:
        top = stored_height - top - height
    return left, top, width, height


def upright(orientation: int, image: NDArray[Any]) -> NDArray[Any]:
    """Return a stored image (height, width, ...) as it is seen; a view of the same memory."""
    if orientation in _MIRRORED_X:
        image = image[:, ::-1]
    if orientation in _MIRRORED_Y:
        image = image[::-1]
    return np.swapaxes(image, 0, 1) if orientation in _SWAPPED else image
