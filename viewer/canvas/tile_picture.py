"""From a slide's pixels to a picture that Qt paints fast; runs in the loader's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from viewer.tiles.plan import HALF_SUFFICES
from viewer.warm_memory import warm_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage, ScreenImage
    from viewer.tiles.display import DisplayTransform


_SHARP_STRETCH = 2 * HALF_SUFFICES
"""A copy is still sharp when it is stretched by this little."""
_PIXEL_BYTES = _SCREEN_CHANNELS = 4
_CACHE_LINE_BYTES = 64


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
    """A tile with copies of half and a quarter of its size, for views that shrink it.

    Painted from the tile itself, pixels between would be left out, and up to sixteen times as many
    read: on a large screen that takes longer than a frame has. The copies take almost as long as
    the tile itself, so they are made by `finish` or when they are needed first.
    """

    def __init__(self, full: QImage, memory: ScreenImage | None = None) -> None:
        super().__init__(full)
        self._memory = memory
        """What the pixels lie in, where that is not Qt's own."""
        self._half: QImage | None = None
        self._quarter: QImage | None = None
        # Kept, as each frame asks for those of hundreds of tiles.
        self._shrunk_px = _SHARP_STRETCH * _half_of(self.width(), self.height())[0]
        """From places so wide on, a copy is sharp."""
        self._pixels = TilePixels.of(self)
        self._pixels_of_copies: dict[tuple[int, int], tuple[QImage, TilePixels]] = {}

    def finish(self) -> None:
        """Make the copies."""
        half = self._half = self._half or _halved(self)
        self._quarter = self._quarter or _halved(half)

    def is_finished_for(self, width_px: int) -> bool:
        """Return whether what is sharp in a place so wide is made."""
        return self._quarter is not None or width_px > self._shrunk_px

    def sized_for(self, width_px: int, *, in_motion: bool = False) -> QImage:
        """Return the smallest of the three that is sharp in a place so wide.

        In motion, where a frame is soon gone, none is made that is not at hand.
        """
        if width_px > self._shrunk_px:
            return self
        if not in_motion:
            self.finish()
        for copy in (self._quarter, self._half):
            if copy is not None and width_px <= _SHARP_STRETCH * copy.width():
                return copy
        return self

    def pixels_for(self, width_px: int, *, in_motion: bool = False) -> TilePixels:
        """Return the pixels of `sized_for`, valid as long as this is."""
        if width_px > self._shrunk_px:
            return self._pixels
        image = self.sized_for(width_px, in_motion=in_motion)
        if image is self:
            return self._pixels
        size = (image.width(), image.height())
        if size not in self._pixels_of_copies:
            # With the copy itself: two threads that finish a tile at once make two.
            self._pixels_of_copies[size] = (image, TilePixels.of(image))
        return self._pixels_of_copies[size][1]

    def total_bytes(self) -> int:
        """Return the memory of all three, once they are made."""
        half = _half_of(self.width(), self.height())
        sides = ((self.width(), self.height()), half, _half_of(*half))
        return sum(_PIXEL_BYTES * width * height for width, height in sides)


def _half_of(width_px: int, height_px: int) -> tuple[int, int]:
    return max(width_px // 2, 1), max(height_px // 2, 1)


def _halved(image: QImage) -> QImage:
    width, height = _half_of(image.width(), image.height())
    return image.scaled(width, height, mode=Qt.TransformationMode.SmoothTransformation)


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
