"""Figures as files, written strip by strip: PNG, TIFF, JPEG or PDF, with their pixels an inch."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QPoint, QSizeF
from PySide6.QtGui import QImage, QPageSize, QPainter, QPdfWriter

from viewer.annotations.masks.png_strips import write_png
from viewer.annotations.masks.tiff_tiles import tiles_of
from viewer.files.atomic_write import atomic_write, unwritable
from viewer.ui.figures.strips import ROWS_PX
from viewer.ui.figures.view_picture import PictureError, picture_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from viewer.slides.source import RgbImage

_INCH_M = 0.0254
_POINTS_PER_INCH = 72.0
_CLASSIC_TIFF_BYTES = 3 << 30
_MOST_AT_ONCE_PX, _MOST_PX = 16_384, 100_000
"""Along each side, where a format's writer holds the picture whole, and where it does not."""
_MOST_AREA_PX = 2_000_000_000
"""Of a figure, which takes about two minutes to paint."""


def too_large(path: Path, size_px: tuple[int, int]) -> str:
    """Return how a figure is too large for the format of a name; "" where it is not."""
    has = f"the figure has {size_px[0]:,} × {size_px[1]:,}"
    most = _MOST_PX if _kind_of(path) in _WRITERS else _MOST_AT_ONCE_PX
    if max(size_px) > most:
        return f"{path.suffix or 'PNG'} takes {most:,} px a side at most, and {has}"
    if size_px[0] * size_px[1] > _MOST_AREA_PX:
        return f"{_MOST_AREA_PX:,} px can be written at most, and {has}"
    return ""


def write_figure(
    strips: Iterator[QImage],
    size_px: tuple[int, int],
    dpi: float,
    path: Path,
    description: str = "",
) -> None:
    """Write strips from the top to a file.

    Parameters
    ----------
    description
        What is painted over the slide; kept in the file.

    Raises
    ------
    PictureError
        Nothing was written; a file that was there before is as it was.
    """
    write = _WRITERS.get(_kind_of(path))
    try:
        with atomic_write(path) as file:
            if write is not None:
                write(file, strips, size_px, dpi, description)
            else:
                picture = joined(strips, size_px, dpi)
                picture.setText("Description", description)
                file.write(picture_bytes(picture, path))
    except OSError as error:
        raise PictureError(unwritable(path, error)) from error


def _kind_of(path: Path) -> str:
    """Return the format that a name's ending stands for, "png" without one."""
    kind = path.suffix.lower().removeprefix(".") or "png"
    return "tif" if kind == "tiff" else kind


def _write_png(
    file: IO[bytes],
    strips: Iterator[QImage],
    size_px: tuple[int, int],
    dpi: float,
    description: str,
) -> None:
    write_png(file, size_px, map(_pixels, strips), round(dpi / _INCH_M), description)


def _write_tiff(
    file: IO[bytes],
    strips: Iterator[QImage],
    size_px: tuple[int, int],
    dpi: float,
    description: str,
) -> None:
    import tifffile

    width, height = size_px
    # A device or a pipe cannot be sought in.
    place = file if file.seekable() else io.BytesIO()
    is_big = 3 * width * height > _CLASSIC_TIFF_BYTES
    with tifffile.TiffWriter(place, bigtiff=is_big) as tiff:
        tiff.write(
            tiles_of(map(_pixels, strips), ROWS_PX),
            shape=(height, width, 3),
            dtype=np.uint8,
            photometric="rgb",
            compression="deflate",
            tile=(ROWS_PX, ROWS_PX),
            resolution=(dpi, dpi),
            resolutionunit="INCH",
            metadata=None,
            description=description.encode() or None,
            software="Coverslip",
        )
    if isinstance(place, io.BytesIO):
        file.write(place.getbuffer())


def _write_pdf(
    file: IO[bytes],
    strips: Iterator[QImage],
    size_px: tuple[int, int],
    dpi: float,
    description: str,
) -> None:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    pdf = QPdfWriter(buffer)
    pdf.setTitle(description)
    points = QSizeF(*(side * _POINTS_PER_INCH / dpi for side in size_px))
    exact = QPageSize.SizeMatchPolicy.ExactMatch
    pdf.setPageSize(QPageSize(points, QPageSize.Unit.Point, "", exact))
    pdf.setPageMargins(QMarginsF(0, 0, 0, 0))
    pdf.setResolution(round(dpi))
    painter = QPainter(pdf)
    painter.scale(round(dpi) / dpi, round(dpi) / dpi)
    _paint(painter, strips)
    painter.end()
    file.write(buffer.data().data())


_WRITERS: dict[str, Callable[[IO[bytes], Iterator[QImage], tuple[int, int], float, str], None]] = {
    "png": _write_png,
    "tif": _write_tiff,
    "pdf": _write_pdf,
}
"""Those that need no more than a strip at a time."""


def joined(strips: Iterator[QImage], size_px: tuple[int, int], dpi: float) -> QImage:
    """Return the picture whole, for formats such as JPEG and for the clipboard."""
    picture = QImage(*size_px, QImage.Format.Format_RGB32)
    painter = QPainter(picture)
    _paint(painter, strips)
    painter.end()
    per_m = round(dpi / _INCH_M)
    picture.setDotsPerMeterX(per_m)
    picture.setDotsPerMeterY(per_m)
    return picture


def _paint(painter: QPainter, strips: Iterator[QImage]) -> None:
    """Paint strips one below the other."""
    top = 0
    for strip in strips:
        painter.drawImage(QPoint(0, top), strip)
        top += strip.height()


def _pixels(strip: QImage) -> RgbImage:
    rgb = strip.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()
