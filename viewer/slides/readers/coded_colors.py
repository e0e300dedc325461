"""Colors that a picture states otherwise than by an ICC profile: what of them is not shown."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tifffile import DATATYPE, PHOTOMETRIC

from viewer.limits import COLOR_PROFILE_BYTES, open_regular
from viewer.slides.readers.tiff.page_tags import bits_per_sample, rationals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

    from PIL import Image
    from tifffile import TiffPage

_PNG_SIGNATURE_BYTES = 8
_MOST_CHUNKS = 1000
_AVIF_HEAD_BYTES = 1 << 16
_SRGB_GAMMA, _GAMMA_TOLERANCE = 0.45455, 0.02
_SRGB_CHROMATICITY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_CHROMATICITY_TOLERANCE = 0.01
_KINDS_OF_RGB = (PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR)
_CURVE, _WHITE, _PRIMARY_COLORS, _BLACK_AND_WHITE = 301, 318, 319, 532
"""Tags of a TIFF."""
_MIDDLE, _SRGB_AT_MIDDLE, _CURVE_TOLERANCE = 128, 0.2158, 0.03
"""A sample of 8 bits, the light that it stands for in sRGB, and what else is near enough."""
_BMP_HEADER_AT = 14
_BMP_HEAD_BYTES = _BMP_HEADER_AT + 124
_BMP_SPACE_AT, _BMP_PROFILE_AT = _BMP_HEADER_AT + 56, _BMP_HEADER_AT + 112
_EXIF_OF_CAMERA, _EXIF_INTEROPERABILITY, _EXIF_COLOR_SPACE, _EXIF_ADOBE = 0x8769, 0xA005, 0xA001, 2
_PRIMARIES = {1: "sRGB", 2: "unspecified", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_UNSPECIFIED = 2
_NEAR_SRGB = frozenset((1, 6, 13, 14, 15, _UNSPECIFIED))
"""Transfer characteristics of ITU-T H.273 that are shown as sRGB is."""

_HDR = {16: "PQ", 18: "HLG"}


def coded_color_note(path: Path, kind: str | None, info: dict[Any, Any]) -> str:
    """Return a sentence on colors of a PNG or AVIF that are shown as sRGB and are not; "" for none.

    What an ICC profile says instead is shown, save where cICP of a PNG stands before it.

    Parameters
    ----------
    kind
        The format as Pillow calls it.
    info
        What Pillow tells of the image.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    has_profile = bool(info.get("icc_profile"))
    if kind == "AVIF":
        return "" if has_profile else _h273_note(_avif_code_points(path))
    if kind != "PNG":
        return ""
    code_points = _png_code_points(path)
    if code_points is not None:
        return _h273_note(code_points)
    if has_profile or "srgb" in info:
        return ""
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity")
    is_other = bool(gamma) and abs(gamma - _SRGB_GAMMA) > _GAMMA_TOLERANCE
    has_own = bool(chromaticity) and not _is_srgb(chromaticity)
    primaries = "primaries" if has_own else ""
    return _stated_note("PNG", f"gamma {gamma:.4g}" if is_other else "", [primaries])


def exif_color_note(exif: Image.Exif) -> str:
    """Return a sentence on colors that a camera calls Adobe RGB; "" for others."""
    of_camera = exif.get_ifd(_EXIF_OF_CAMERA)
    is_adobe = of_camera.get(_EXIF_COLOR_SPACE) == _EXIF_ADOBE
    if not is_adobe and not _is_adobe_by_name(exif):
        return ""
    return "Shown as sRGB: its colors are Adobe RGB (EXIF without ICC profile)."


def _is_adobe_by_name(exif: Image.Exif) -> bool:
    name = exif.get_ifd(_EXIF_INTEROPERABILITY).get(1)
    text = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
    return text.strip("\0 ") == "R03"


def colorimetry_note(page: TiffPage) -> str:
    """Return a sentence on colors of a TIFF without ICC profile that are shown as sRGB and are not.

    Its tags may tell a white, primaries, a curve, and the samples of black and white.
    """
    if page.photometric not in _KINDS_OF_RGB:
        return ""
    white, primaries = rationals(page, _WHITE, 2), rationals(page, _PRIMARY_COLORS, 6)
    stated = white or _SRGB_CHROMATICITY[:2], primaries or _SRGB_CHROMATICITY[2:]
    chromaticity = tuple(value for part in stated for value in part)
    has_own = all(value > 0 for value in chromaticity) and not _is_srgb(chromaticity)
    light = _light_at_middle(page)
    is_other = light is not None and abs(light - _SRGB_AT_MIDDLE) > _CURVE_TOLERANCE
    full = float((1 << bits_per_sample(page)) - 1)
    ends = rationals(page, _BLACK_AND_WHITE, 6) if page.photometric == PHOTOMETRIC.RGB else None
    has_ends = ends is not None and ends != (0.0, full) * 3
    more = ("black and white" if has_ends else "", "primaries" if has_own else "")
    return _stated_note("TIFF", "curve" if is_other else "", more)


def bmp_profile(path: Path) -> bytes | None:
    """Return the ICC profile within a BMP; None where it has none. Raises OSError."""
    with open_regular(path) as file:
        head = file.read(_BMP_HEAD_BYTES)
        if len(head) < _BMP_HEAD_BYTES or head[_BMP_SPACE_AT : _BMP_SPACE_AT + 4] != b"DEBM":
            return None
        at, size = struct.unpack_from("<2I", head, _BMP_PROFILE_AT)
        file.seek(_BMP_HEADER_AT + at)
        return file.read(min(size, COLOR_PROFILE_BYTES.most + 1)) or None


def _light_at_middle(page: TiffPage) -> float | None:
    """Return the share of light that the middle one of 256 values stands for, if a tag says it."""
    tag = page.tags.get(_CURVE)
    if tag is None or tag.count not in (256, 3 * 256) or tag.dtype != DATATYPE.SHORT:
        return None
    file = page.parent.filehandle
    file.seek(tag.valueoffset)
    data = file.read(2 * 256)
    if len(data) < 2 * 256:
        return None
    curve = struct.unpack(f"{page.parent.byteorder}256H", data)
    return curve[_MIDDLE] / curve[-1] if curve[-1] else None


def _stated_note(kind: str, curve: str, more: Iterable[str]) -> str:
    several = [*more]
    stated = " and its ".join(filter(None, (curve, *several)))
    verb = "are" if any(several) else "is"
    said = f"Shown as sRGB: its {stated} ({kind} without ICC profile) {verb} not read."
    return said if stated else ""


def _is_srgb(chromaticity: tuple[float, ...]) -> bool:
    return all(
        abs(value - usual) <= _CHROMATICITY_TOLERANCE
        for value, usual in zip(chromaticity, _SRGB_CHROMATICITY, strict=False)
    )


def _h273_note(code_points: tuple[int, int] | None) -> str:
    """Return a sentence on primaries and transfer of ITU-T H.273; "" where they are sRGB's."""
    if code_points is None:
        return ""
    primaries, transfer = code_points
    if transfer in _HDR:
        kind = _HDR[transfer]
        return f"Its colors are HDR ({kind}); shown without tone mapping, brightness is not right."
    if primaries in (1, _UNSPECIFIED) and transfer in _NEAR_SRGB:
        return ""
    named = _PRIMARIES.get(primaries, f"number {primaries}")
    return f"Shown as sRGB: its color space (primaries {named}, transfer {transfer}) is not read."


def _png_code_points(path: Path) -> tuple[int, int] | None:
    """Return primaries and transfer of the chunk cICP."""
    with open_regular(path) as file:
        file.seek(_PNG_SIGNATURE_BYTES)
        body = _chunk(file, b"cICP")
    return (body[0], body[1]) if len(body) == 4 else None


def _chunk(file: BinaryIO, wanted: bytes) -> bytes:
    """Return the contents of a PNG's chunk before its pixels; b"" where there is none."""
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"IEND"):
            break
        if kind == wanted:
            return file.read(min(length, 64))
        file.seek(length + 4, 1)  # and its checksum
    return b""


def _avif_code_points(path: Path) -> tuple[int, int] | None:
    """Return primaries and transfer of the first box "colr" that tells them by numbers."""
    with open_regular(path) as file:
        head = file.read(_AVIF_HEAD_BYTES)
    at = head.find(b"colrnclx")
    if at < 0 or len(head) < at + 12:
        return None
    return int.from_bytes(head[at + 8 : at + 10], "big"), int.from_bytes(
        head[at + 10 : at + 12], "big"
    )
