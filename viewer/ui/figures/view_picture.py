"""What a pane shows, as a picture and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage, QImageWriter

from viewer.errors import CoverslipError
from viewer.files.atomic_write import atomic_write_bytes, unwritable
from viewer.ui.slides.magnification_box import shown_zoom

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.canvas.canvas import SlideCanvas

_JPEG_QUALITY = 95


class PictureError(CoverslipError):
    """A picture that cannot be written; `str()` is one sentence."""


def view_picture(canvas: SlideCanvas) -> QImage:
    """Paint the canvas, scale bar and overview included, at the screen's full resolution."""
    return canvas.grab().toImage()


def write_picture(image: QImage, path: Path) -> None:
    """Write a PNG, JPEG or TIFF, by the name's suffix; for worker threads.

    Raises
    ------
    PictureError
        Nothing was written; a file that was there before is as it was.
    """
    try:
        atomic_write_bytes(path, picture_bytes(image, path))
    except OSError as error:
        raise PictureError(unwritable(path, error)) from error


def picture_bytes(image: QImage, path: Path) -> bytes:
    """Return a picture in the format that a name's suffix stands for. Raises PictureError."""
    kind = path.suffix.lower().removeprefix(".") or "png"
    # Qt's own writers do not notice that a disk is full.
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    writer = QImageWriter(buffer, kind.encode())
    if kind in ("jpg", "jpeg"):
        writer.setQuality(_JPEG_QUALITY)
    if not writer.write(image):
        reason = writer.errorString()
        raise PictureError(f"{path.name} cannot be written ({reason}): choose another place.")
    return bytes(buffer.data().data())


def view_location(canvas: SlideCanvas) -> str:
    """Slide, center, zoom and turn in one line, for notes and messages."""
    view = canvas.view
    source = canvas.source
    assert source is not None
    center = f"{view.center.x:.0f}, {view.center.y:.0f} px"
    um = canvas.optics.um(view.center)
    if um is not None:
        center += f" ({um.x:.1f}, {um.y:.1f} µm)"
    turn = f", rotated {view.rotation_deg:g} degrees" if view.rotation_deg else ""
    mirrored = ", mirrored" if view.mirrored else ""
    zoom = shown_zoom(view.downsample, canvas.optics)
    return f"{source.path.name}: center {center} at {zoom}{turn}{mirrored}"
