"""Colors that a picture states otherwise than by an ICC profile: what of them is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from viewer.limits import open_regular

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_PNG_SIGNATURE_BYTES = 8
_MOST_CHUNKS = 1000
_AVIF_HEAD_BYTES = 1 << 16
_SRGB_GAMMA, _GAMMA_TOLERANCE = 0.45455, 0.02
_SRGB_CHROMATICITY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_CHROMATICITY_TOLERANCE = 0.01
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
    not_applied = [
        f"gamma {gamma:.4g}" if gamma and abs(gamma - _SRGB_GAMMA) > _GAMMA_TOLERANCE else "",
        "primaries" if chromaticity and not _is_srgb(chromaticity) else "",
    ]
    if not any(not_applied):
        return ""
    stated = " and its ".join(filter(None, not_applied))
    verb = "are" if not_applied[1] else "is"
    return f"Shown as sRGB: its {stated} (PNG without ICC profile) {verb} not read."


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
