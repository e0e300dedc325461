"""Windows that are put together from tiles: which of them a window touches, and where each goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Window = tuple[int, int, int, int]
"""Left, top, width and height in the pixels of a level."""


def touched(start: int, length: int, tile: int, count: int | None = None) -> range:
    """Return which tiles along one side a window touches; `count` leaves out those beyond it."""
    first, end = start // tile, (start + length - 1) // tile + 1
    return range(first, end) if count is None else range(max(0, first), min(count, end))


def paste(picture: NDArray[Any], tile: NDArray[Any], x: int, y: int) -> None:
    """Put a tile into a picture, both (height, width, ...), with its top left at `x`, `y`.

    What lies outside of the picture is cut.
    """
    x0, x1 = max(x, 0), min(x + tile.shape[1], picture.shape[1])
    y0, y1 = max(y, 0), min(y + tile.shape[0], picture.shape[0])
    if x1 > x0 and y1 > y0:
        picture[y0:y1, x0:x1] = tile[y0 - y : y1 - y, x0 - x : x1 - x]


def paste_values(picture: NDArray[Any], tile: NDArray[Any], x: int, y: int) -> None:
    """Do as `paste` with values (channels, height, width)."""
    paste(picture.transpose(1, 2, 0), tile.transpose(1, 2, 0), x, y)
