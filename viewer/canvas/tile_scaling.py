"""Scales tiles into a frame with OpenCV, on two cores.

Qt scales small tiles slowly, and while it does no other thread of ours runs. OpenCV is there once
it was loaded in a thread; until then, and for turned views, Qt paints. Both take a pixel from the
four around it with the same weights, and differ in how they round.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtGui import QRegion

from viewer.canvas import opencv
from viewer.canvas.tile_painting import places_of
from viewer.canvas.tile_picture import writable_pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from PySide6.QtCore import QPoint, QRect
    from PySide6.QtGui import QImage

    from viewer.canvas.tile_picture import TilePicture

    _Call = tuple[Callable[..., object], tuple[Any, ...]]
    """A function that leaves the interpreter's lock to others while it runs, and its arguments."""

_SHARED_PX = 1 << 18
"""So many pixels are worth waking another thread."""
_BAND_PX = 1 << 20
"""Parts of a tile are no larger, so that two threads end at about the same time."""
_MOST_CUT = 1 / 4
"""To scale all of a tile takes as long as to sample so much of it from anywhere."""
_LATE_S = 0.004
"""A helping thread that begins so late finds the cores busy, and would be waited for in the end. Up
to 3.6 ms Linux lets it wait behind the window's thread though another core is idle."""
_LONG_WAIT_S = 0.003
_ALONE_S = 1.0
"""After a long wait for the helping thread, as a model computes: it is not asked meanwhile. Long is
what took longer than the thread that waits had drawn for, so that alone it would have been sooner:
a large frame gains more by help than by never waiting for it."""


class TileScaler:
    """OpenCV's scaling, and the thread that shares it with the window's."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "tile-scaling")
        self._loaded: Future[None] | None = None
        self._alone_until_s = 0.0
        self.is_ready = False

    def load(self) -> None:
        """Begin to load OpenCV, unless that was begun before."""
        if self._loaded is None:
            self._loaded = self._thread.submit(self._load)

    def draw(
        self,
        frame: QImage,
        levels: Sequence[Sequence[tuple[QRect, TilePicture]]],
        shift: QPoint,
        clip: QRect,
        *,
        in_motion: bool,
    ) -> None:
        """Draw tiles into a frame of Format_RGB32, on which nothing paints meanwhile.

        Parameters
        ----------
        levels
            Tiles over each other, the lowest first; those of one level share no pixel.
        shift
            From the tiles' coordinates to the frame's.
        clip
            What of the frame is drawn to.
        in_motion
            Whether another frame follows at once.
        """
        pixels = writable_pixels_of(frame)
        is_large = clip.width() * clip.height() >= _SHARED_PX
        for tiles, places in _seen_of(levels, clip.translated(-shift)):
            calls: deque[_Call] = deque()
            for place in places:
                calls += _calls(pixels, tiles, shift, place.translated(shift), in_motion=in_motion)
            if not is_large or time.monotonic() < self._alone_until_s:
                _make_all(calls)
                continue
            start_s = time.monotonic()
            shared = self._thread.submit(_help, calls, start_s)
            try:
                _make_all(calls)
            finally:
                calls.clear()  # after an error: what is drawn from may go
                if not shared.cancel():
                    self._wait(shared, start_s)

    def _wait(self, shared: Future[None], begun_s: float) -> None:
        """Wait for the helping thread, which draws a part still since both began."""
        start_s = time.monotonic()
        shared.result()
        end_s = time.monotonic()
        if end_s - start_s > max(_LONG_WAIT_S, start_s - begun_s):
            self._alone_until_s = end_s + _ALONE_S

    def _load(self) -> None:
        self.is_ready = opencv.load()


tile_scaler = TileScaler()
"""One for all canvases, as they paint one after the other."""


def _seen_of(
    levels: Sequence[Sequence[tuple[QRect, TilePicture]]], clip: QRect
) -> Iterator[tuple[Sequence[tuple[QRect, TilePicture]], list[QRect]]]:
    """Yield tiles over each other with the places where none above hides them, the lowest first.

    A coarse tile that stands in for one that is to come lies under all of a large screen, and to
    magnify what nobody sees of it takes longer than a frame has.
    """
    if len(levels) == 1:
        yield levels[0], [clip]
        return
    seen = QRegion(clip)
    of_levels: list[tuple[Sequence[tuple[QRect, TilePicture]], list[QRect]]] = []
    for tiles in reversed(levels):
        of_levels.append((tiles, places_of(seen)))
        hiding = QRegion()
        for rect, _ in tiles:
            hiding += rect
        seen -= hiding
    yield from reversed(of_levels)


def _calls(
    frame: NDArray[np.uint8],
    tiles: Sequence[tuple[QRect, TilePicture]],
    shift: QPoint,
    clip: QRect,
    *,
    in_motion: bool,
) -> Iterator[_Call]:
    """Yield the calls that draw what is seen of tiles.

    They are worked out before the first is made: two threads that compute little between two long
    calls wait for the interpreter's lock, hundreds of times a frame, longer than they compute.
    """
    import cv2

    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    dx, dy = shift.x(), shift.y()
    clip_left, clip_top, clip_width, clip_height = _numbers(clip)
    clip_right, clip_bottom = clip_left + clip_width, clip_top + clip_height
    for rect, picture in tiles:
        x, y, tile_width, tile_height = _numbers(rect)
        x, y = x + dx, y + dy
        left, right = max(x, clip_left), min(x + tile_width, clip_right)
        top, bottom = max(y, clip_top), min(y + tile_height, clip_bottom)
        if left >= right or top >= bottom:
            continue
        pixels, lines = picture.pixels_for(tile_width, in_motion=in_motion)
        size, whole_px = (tile_width, tile_height), tile_width * tile_height
        seen_px = (right - left) * (bottom - top)
        if seen_px > _MOST_CUT * whole_px:
            # `resize` leaps from row to row, and waits for the memory half of its time.
            yield np.add.reduce, (lines,)
        if seen_px == whole_px:
            target = frame[top:bottom, left:right]
            yield cv2.resize, (pixels, size, target, 0, 0, cv2.INTER_LINEAR)
            continue
        if seen_px > _MOST_CUT * whole_px and whole_px <= _BAND_PX:
            seen = slice(top - y, bottom - y), slice(left - x, right - x)
            yield _scale_and_cut, (pixels, size, seen, frame[top:bottom, left:right])
            continue
        # `resize` takes whole tiles alone. This samples alike from anywhere, four times as slowly.
        across, down = pixels.shape[1] / tile_width, pixels.shape[0] / tile_height
        first_x = (left - x + 0.5) * across - 0.5
        rows = max(_BAND_PX // (right - left), 1)
        for begin in range(top, bottom, rows):
            end = min(begin + rows, bottom)
            matrix = np.array([[across, 0, first_x], [0, down, (begin - y + 0.5) * down - 0.5]])
            target, part = frame[begin:end, left:right], (right - left, end - begin)
            yield cv2.warpAffine, (pixels, matrix, part, target, inverse, cv2.BORDER_REPLICATE)


def _scale_and_cut(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    seen: tuple[slice, slice],
    target: NDArray[np.uint8],
) -> None:
    """Draw what is seen of a tile, by rows and columns of its size on the screen."""
    import cv2

    target[...] = cv2.resize(pixels, size, None, 0, 0, cv2.INTER_LINEAR)[seen]


def _numbers(rect: QRect) -> tuple[int, int, int, int]:
    """Return left, top, width and height; typed, as PySide has it as an object."""
    return rect.getRect()  # pyright: ignore[reportReturnType]


def _help(calls: deque[_Call], asked_s: float) -> None:
    """Make calls beside the window's thread, where a core is free for it."""
    if time.monotonic() - asked_s < _LATE_S:
        _make_all(calls)


def _make_all(calls: deque[_Call]) -> None:
    """Make calls until none is left; another thread may take from them, too."""
    opencv.be_quick()
    while True:
        try:
            function, arguments = calls.popleft()
        except IndexError:
            return
        function(*arguments)
