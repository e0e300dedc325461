"""From a slide's pixels to a picture that Qt paints fast; runs in the loader's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from viewer.canvas import opencv
from viewer.memory.huge_pages import HugePages
from viewer.memory.warm_memory import warm_pixels
from viewer.tiles.plan import COPY_SUFFICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, ScreenImage
    from viewer.tiles.display import DisplayTransform


_COPY_SIDE = 3 / 4
"""How wide the copy of a tile is."""
_PIXEL_BYTES = _SCREEN_CHANNELS = 4
_CACHE_LINE_BYTES = 64
_copies = HugePages()
"""What the copies of tiles lie in."""


def rgb_to_qimage(rgb: RgbImage) -> QImage:
    """uint8 (height, width, 3) as a QImage of its own memory, in the format painted fastest."""
    rgb = np.ascontiguousarray(rgb)
    height, width, _ = rgb.shape
    borrowed = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


def pixels_of(image: QImage) -> NDArray[np.uint8]:
    """Return the (height, width, 4) pixels of a Format_RGB32 to read, valid as long as it is."""
    return _pixels(image, image.constBits())


def writable_pixels_of(image: QImage) -> NDArray[np.uint8]:
    """Return the (height, width, 4) pixels of a Format_RGB32, valid until it is shared or gone."""
    return _pixels(image, image.bits())


def _pixels(image: QImage, memory: bytes | bytearray | memoryview) -> NDArray[np.uint8]:
    rows = np.frombuffer(memory, np.uint8)
    return rows.reshape(image.height(), image.bytesPerLine() // 4, 4)[:, : image.width()]


class TilePixels(NamedTuple):
    """What a tile is painted from, valid as long as its picture is.

    Attributes
    ----------
    values
        uint8 (height, width, 4).
    lines
        One value of each line that the processor reads from the memory at once: whoever reads them
        has read all pixels.
    """

    values: NDArray[np.uint8]
    lines: NDArray[np.uint64]

    @classmethod
    def of(cls, image: QImage) -> TilePixels:
        values = pixels_of(image)
        of_eight = values.reshape(-1)[: values.size // 8 * 8].view(np.uint64)
        return cls(values, of_eight[:: _CACHE_LINE_BYTES // 8])


class TilePicture(QImage):
    """A tile with a copy of three quarters of its size, for views that shrink it.

    Painted from the tile itself, pixels between would be left out, and twice as many read: on a
    large screen that takes longer than a frame has. To copy takes almost as long as the tile
    itself, so it is done by `finish` or when the copy is needed first.
    """

    def __init__(self, full: QImage, memory: ScreenImage | None = None) -> None:
        super().__init__(full)
        self._memory = memory
        """What the pixels lie in, where that is not Qt's own."""
        # Kept, as each frame asks for those of hundreds of tiles.
        self._pixels = TilePixels.of(self)
        self._copy: _Copy | None = None
        self._shrunk_px = COPY_SUFFICES * self.width()
        """In places so wide the copy is as sharp, or sharper."""

    def finish(self) -> None:
        """Make the copy; once OpenCV is there all are its, so that tools find the same colors."""
        if self._copy is None or (not self._copy.is_opencvs and opencv.is_loaded()):
            self._copy = _Copy.of(self)

    def is_finished_for(self, width_px: int) -> bool:
        """Return whether what is sharp in a place so wide is made."""
        return self._copy is not None or width_px > self._shrunk_px

    def sized_for(self, width_px: int, *, in_motion: bool = False) -> QImage:
        """Return what is sharpest in a place so wide, the tile or its copy.

        In motion, where a frame is soon gone, none is made that is not at hand.
        """
        copy = self._copy_for(width_px, in_motion=in_motion)
        return self if copy is None else copy.image

    def pixels_for(self, width_px: int, *, in_motion: bool = False) -> TilePixels:
        """Return the pixels of `sized_for`, valid as long as this is."""
        copy = self._copy_for(width_px, in_motion=in_motion)
        return self._pixels if copy is None else copy.pixels

    def _copy_for(self, width_px: int, *, in_motion: bool) -> _Copy | None:
        if width_px > self._shrunk_px:
            return None
        if not in_motion:
            self.finish()
        return self._copy

    def total_bytes(self) -> int:
        """Return the memory of both, once the copy is made."""
        width, height = _size_of_copy(self)
        return _PIXEL_BYTES * (self.width() * self.height() + width * height)


class _Copy(NamedTuple):
    """A smaller copy of a tile; `image` and `pixels` are valid as long as `memory` is."""

    image: QImage
    pixels: TilePixels
    memory: ScreenImage
    is_opencvs: bool
    """Qt rounds otherwise."""

    @classmethod
    def of(cls, tile: QImage) -> _Copy:
        width, height = _size_of_copy(tile)
        # Not of `warm_pixels`, which has memory ready for tiles as they are.
        memory = _copies.array(_PIXEL_BYTES * width * height).reshape(height, width, -1)
        is_opencvs = opencv.is_loaded()
        if is_opencvs:
            import cv2

            opencv.be_quick()  # or threads would round differently
            cv2.resize(pixels_of(tile), (width, height), memory, 0, 0, cv2.INTER_AREA)
        else:
            smooth = Qt.TransformationMode.SmoothTransformation
            scaled = tile.scaled(width, height, mode=smooth)
            memory[...] = pixels_of(scaled)
        image = screen_to_qimage(memory)
        return cls(image, TilePixels.of(image), memory, is_opencvs)


def _size_of_copy(tile: QImage) -> tuple[int, int]:
    return max(round(_COPY_SIDE * tile.width()), 1), max(round(_COPY_SIDE * tile.height()), 1)


def screen_to_qimage(pixels: ScreenImage) -> QImage:
    """uint8 (height, width, 4) as a QImage in that very memory, which the caller keeps alive.

    Qt converts and copies with Python's lock held, in turn with every other thread. So pixels that
    come as the screen holds them are not touched any more.
    """
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)


class TilePreparer:
    """The loader's `prepare`: the look applied, as a picture, with its bytes.

    Attributes
    ----------
    takes_screen_pixels
        Whether pixels may come as `screen_tile` gives them, since the look leaves them as they are.
    """

    def __init__(self, transform: DisplayTransform) -> None:
        self._transform = transform
        self.takes_screen_pixels = transform.is_identity

    def __call__(self, pixels: RgbImage | ScreenImage) -> tuple[TilePicture, int]:
        if pixels.shape[2] != _SCREEN_CHANNELS:
            image = rgb_to_qimage(self._transform.apply(pixels))
            # Copied in a tenth of the time that is won each time it is painted.
            pixels = warm_pixels((image.height(), image.width(), _SCREEN_CHANNELS))
            pixels[...] = pixels_of(image)
        picture = TilePicture(screen_to_qimage(pixels), pixels)
        return picture, picture.total_bytes()
