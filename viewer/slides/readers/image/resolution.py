"""The size of a picture's pixels by its own header, else by its EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viewer.slides.readers.turning import upright_size
from viewer.slides.resolution import believable_mpp_um

if TYPE_CHECKING:
    from PIL import Image

_INCH_UM = 25_400.0
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_INCHES = {2: 1.0, 3: 1 / 2.54}
"""Of the unit in EXIF, which is an inch where it is not told."""
_JFIF_ASPECT = 0


def picture_mpp_um(
    picture: Image.Image, exif: Image.Exif, orientation: int
) -> tuple[float, float] | None:
    """Return the pixel size; None where the image says nothing, or what is for printers."""
    told = _per_inch(picture) or _per_inch_by_exif(exif)
    sides = _sides(told, orientation)
    return believable_mpp_um(*sides) if sides else None


def picture_pixel_sides(
    picture: Image.Image, exif: Image.Exif, orientation: int
) -> tuple[float, float] | None:
    """Return width and height of a pixel in any unit; None where the image tells none."""
    info = picture.info
    of_jfif = info.get("jfif_density") if info.get("jfif_unit") == _JFIF_ASPECT else None
    is_oblong = of_jfif is not None and of_jfif[0] != of_jfif[1]
    told = of_jfif if is_oblong else _per_inch(picture) or info.get("aspect")
    return _sides(told or _per_inch_by_exif(exif), orientation)


def _per_inch(picture: Image.Image) -> tuple[float, float] | None:
    """Return the pixels per inch that the header of the format tells.

    Pillow takes the number across by EXIF for both sides of a JPEG without its own, or 72.
    """
    info = picture.info
    if picture.format == "JPEG" and info.get("jfif_unit", _JFIF_ASPECT) == _JFIF_ASPECT:
        return None
    return info.get("dpi")


def _per_inch_by_exif(exif: Image.Exif) -> tuple[float, float] | None:
    inches = _INCHES.get(exif.get(_UNIT, 2))
    across, down = _number(exif.get(_X_RESOLUTION)), _number(exif.get(_Y_RESOLUTION))
    return (across / inches, down / inches) if inches and across and down else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):  # damaged
        return None


def _sides(per_inch: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    across, down = (float(count) for count in per_inch or (0, 0))
    if not (across > 0 and down > 0):
        return None
    return upright_size(orientation, _INCH_UM / across, _INCH_UM / down)
