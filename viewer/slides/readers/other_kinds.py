"""Files that are no slides, or of kinds that nothing here reads, told by their first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from viewer.limits import open_regular
from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.jpeg_markers import JPEG_LS

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 1 << 16
_JPEG = b"\xff\xd8\xff"


class _Kind(NamedTuple):
    """What a file is, and what its owner can do."""

    name: str
    advice: str


_AS_TIFF = "save it as TIFF or PNG"
_AS_OME_TIFF = "export its image as OME-TIFF"
_UNPACK = "unpack it and open the slide in it"
_HEIC = _Kind("a HEIC picture", _AS_TIFF)
_DAMAGED_AVIF = _Kind("a damaged AVIF picture", "copy it again from where it came")
_JPEG_2000 = _Kind(
    "a JPEG 2000 picture that is damaged or has other than 1 to 4 components",
    f"copy it again from where it came, or {_AS_TIFF}",
)
_VIDEO = _Kind("a video", "save a frame of it as PNG")
_WEB_PAGE = _Kind(
    "a web page", "the download of the slide failed, maybe for want of a login; download it again"
)
_BEGINNINGS = (
    (b"SIS\0", _Kind("the data of a VSI slide", "open the .vsi that lies beside its folder")),
    (b"8BPS", _Kind("a Photoshop document", _AS_TIFF)),
    (b"v/1\x01", _Kind("an OpenEXR picture", _AS_TIFF)),
    (b"II\xbc", _Kind("a JPEG XR picture", _AS_TIFF)),
    (b"PF\n", _Kind("a PFM picture in color", _AS_TIFF)),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _JPEG_2000),
    (b"\xff\x4f\xff\x51", _JPEG_2000),
    (b"P7\n", _Kind("a PAM picture", _AS_TIFF)),
    (b"qoif", _Kind("a QOI picture", _AS_TIFF)),
    (b"DDS ", _Kind("a DDS texture", _AS_TIFF)),
    (b"SIMPLE  =", _Kind("a FITS image", _AS_TIFF)),
    (b"AT&TFORM", _Kind("a DjVu document", _AS_TIFF)),
    (b"\x01\xda", _Kind("an SGI picture", _AS_TIFF)),
    (b"icns", _Kind("an icon", _AS_TIFF)),
    (b"\0\0\x01\0", _Kind("an icon", _AS_TIFF)),
    (b"\x0a\x05\x01", _Kind("a PCX picture", _AS_TIFF)),
    (b"%PDF", _Kind("a PDF", _AS_TIFF)),
    (b"%!PS", _Kind("a PostScript file", _AS_TIFF)),
    (b"\x89HDF\r\n\x1a\n", _Kind("an HDF5 file", _AS_OME_TIFF)),
    (b"\xda\xce\xbe\x0a", _Kind("an ND2 file of Nikon", _AS_OME_TIFF)),
    (b"\x70\x00\x00\x00", _Kind("a LIF file of Leica", _AS_OME_TIFF)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _Kind("an OLE file (ZVI, OIB)", _AS_OME_TIFF)),
    (b"PK\x03\x04", _Kind("a ZIP archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", _Kind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", _Kind("a RAR archive", _UNPACK)),
    (b"\x1f\x8b", _Kind("a gzip archive", _UNPACK)),
    (b"BZh", _Kind("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\x00", _Kind("an xz archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", _Kind("a zstd archive", _UNPACK)),
    (b"\x1a\x45\xdf\xa3", _VIDEO),
    (
        b"version https://git-lfs",
        _Kind("a stand-in of Git LFS", "run `git lfs pull` in its folder"),
    ),
)
_OME_XML = _Kind("the description of an OME-TIFF", "open the .ome.tif that it belongs to")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_LIF_MARK_AT, _LIF_MARK = 8, b"\x2a"
_TAR_MARK_AT, _TAR_MARK = 257, b"ustar"
_TEXT_BYTES = 512
_PAGES = (b"<!doctype html", b"<html")


def what_else_it_is(path: Path) -> str | None:
    """Return a sentence on a file that no reader knows; None where it is of no known kind.

    Raises OSError.
    """
    with open_regular(path) as file:
        head = file.read(_HEAD_BYTES)
    kind = _kind(head)
    if kind is None:
        return None
    return f"{path.name} is {kind.name}, which cannot be opened as a slide: {kind.advice}."


def _kind(head: bytes) -> _Kind | None:
    if head[4:8] == b"ftyp":
        if head[8:12] in _AVIF_BRANDS:
            return _DAMAGED_AVIF  # else a reader knew it
        return _HEIC if head[8:12] in _HEIC_BRANDS else _VIDEO
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _VIDEO
    if head[_TAR_MARK_AT:].startswith(_TAR_MARK):
        return _Kind("a tar archive", _UNPACK)
    if head.startswith(_JPEG):
        return _jpeg_kind(head)
    text = head[:_TEXT_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return _WEB_PAGE
    if text.startswith(b"<") and b"<ome" in text:
        return _OME_XML
    if text.startswith(b"<") and b"<svg" in text:
        return _Kind("an SVG drawing", _AS_TIFF)
    found = next((kind for begin, kind in _BEGINNINGS if head.startswith(begin)), None)
    is_lif = head[_LIF_MARK_AT : _LIF_MARK_AT + 1] == _LIF_MARK
    return found if found is None or "LIF" not in found.name or is_lif else None


def _jpeg_kind(head: bytes) -> _Kind | None:
    header = read_jpeg_header(head)
    if header.frame == JPEG_LS:
        return _Kind("a JPEG-LS picture", _AS_TIFF)
    bits = header.precision_bits
    return _Kind(f"a JPEG of {bits} bits", _AS_TIFF) if bits > 8 else None
