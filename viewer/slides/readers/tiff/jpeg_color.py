"""In which colors the data of a JPEG tile or strip stands, by what the data itself says."""

from __future__ import annotations

from dataclasses import dataclass

from viewer.slides.readers.jpeg_markers import ADOBE, FRAMES, JFIF, LOSSLESS, markers
from viewer.slides.readers.tiff.errors import ChunkError

ADOBE_RGB_OR_CMYK = 0


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers before the first scan say.

    Attributes
    ----------
    has_jfif
        Whether there is a JFIF marker, which allows gray and YCbCr only.
    adobe_transform
        0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK; None without an Adobe marker.
    component_ids
        Of the frame; empty where there is no frame, as in tables.
    is_subsampled
        Whether some components have fewer samples than others.
    precision_bits
        Bits per sample; 0 where there is no frame.
    is_lossless
        Whether the frame is of lossless JPEG (SOF3).
    """

    has_jfif: bool = False
    adobe_transform: int | None = None
    component_ids: tuple[int, ...] = ()
    is_subsampled: bool = False
    precision_bits: int = 0
    is_lossless: bool = False


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Return what the markers of a JPEG stream, or of JPEG tables, say; damage ends the reading."""
    has_jfif, adobe, ids, is_subsampled, precision, is_lossless = False, None, (), False, 0, False
    for code, start, end in markers(data):
        body = data[start + 4 : end]
        if code == JFIF and body.startswith(b"JFIF\0"):
            has_jfif = True
        elif code == ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif code in FRAMES and len(body) >= 6:
            precision, is_lossless = body[0], code == LOSSLESS
            components = [body[i : i + 3] for i in range(6, 6 + 3 * body[5], 3)]
            ids = tuple(part[0] for part in components if len(part) == 3)
            is_subsampled = len({part[1] for part in components if len(part) == 3}) > 1
    return JpegHeader(has_jfif, adobe, ids, is_subsampled, precision, is_lossless)


def joined(tables: JpegHeader, tile: JpegHeader) -> JpegHeader:
    """Return the header of a tile whose tables stand apart; the tile's own markers win."""
    return JpegHeader(
        tables.has_jfif or tile.has_jfif,
        tables.adobe_transform if tile.adobe_transform is None else tile.adobe_transform,
        tile.component_ids,
        tile.is_subsampled,
        tile.precision_bits,
        tile.is_lossless,
    )


def check_components(components: int, samples: int, *, are_colors: bool) -> None:
    """Refuse a tile or strip of which some components would be shown as what they are not.

    Of colors one component alone is gray, and three are all but their opacity.

    Parameters
    ----------
    components
        Of the frame; 0 where it has none, on which decoders fail.
    samples
        Of a pixel, by the TIFF's tags.
    are_colors
        Whether the tags tell of RGB or YCbCr.

    Raises
    ------
    ChunkError
        The data holds others than the tags tell.
    """
    if components in (0, samples) or (are_colors and (components, samples) in ((1, 3), (3, 4))):
        return
    raise ChunkError(f"its JPEG has {components} components where the file tells of {samples}")


def is_ycbcr(header: JpegHeader, tag_is_rgb: bool) -> bool:
    """Return whether three components are YCbCr rather than RGB.

    A JFIF marker says so, else Adobe's transform decides, else the component ids "RGB", else the
    TIFF's tag. libjpeg takes ids other than 1, 2, 3 for RGB and never sees the tag; scanners write
    ids 0, 1, 2 for YCbCr and RGB alike. RGB is never subsampled.
    """
    if header.has_jfif or header.is_subsampled:
        return True
    if header.adobe_transform is not None:
        return header.adobe_transform != ADOBE_RGB_OR_CMYK
    if header.component_ids == tuple(b"RGB"):
        return False
    return not tag_is_rgb
