"""How tiles are coded: JPEG as it stands in the slide or made here, or without any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import imagecodecs
import msgspec
import numpy as np

from viewer.slides.readers.jpeg_header import read_jpeg_header
from viewer.slides.readers.jpeg_markers import BASELINE, EXTENDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}
ZSTD_LEVEL = 3


class Coding(Protocol):
    """Codes whole tiles of one level and decodes them again."""

    @property
    def is_lossy(self) -> bool:
        """Return whether pixels come back a little different."""
        ...

    def encode(self, tile: NDArray[Any]) -> bytes: ...

    def decode(self, data: bytes) -> NDArray[Any]: ...


class JpegCoding(msgspec.Struct, frozen=True):
    """Baseline JPEG of RGB tiles.

    Attributes
    ----------
    tables
        What tiles that are copied share; None where each has its own.
    is_ycbcr
        Whether the components are YCbCr, against RGB.
    subsampling
        Luma samples per chroma sample in x and y.
    """

    quality: int
    tables: bytes | None = None
    is_ycbcr: bool = True
    subsampling: tuple[int, int] = (2, 2)
    is_lossy: bool = True

    def encode(self, tile: NDArray[Any]) -> bytes:
        """Return a stream with tables of its own."""
        return bytes(
            imagecodecs.jpeg8_encode(
                np.ascontiguousarray(tile),
                level=self.quality,
                colorspace="RGB",
                outcolorspace="YCBCR" if self.is_ycbcr else "RGB",
                subsampling=_SUBSAMPLINGS[self.subsampling] if self.is_ycbcr else "444",
                optimize=True,
            )
        )

    def decode(self, data: bytes) -> NDArray[Any]:
        space = "YCBCR" if self.is_ycbcr else "RGB"
        return imagecodecs.jpeg8_decode(
            data, tables=self.tables, colorspace=space, outcolorspace="RGB"
        )


class DeflateCoding(msgspec.Struct, frozen=True):
    """Deflate of the differences of neighbors, as TIFF's horizontal predictor has it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_lossy: bool = False

    @property
    def has_predictor(self) -> bool:
        return self.dtype.kind in "iu"

    def encode(self, tile: NDArray[Any]) -> bytes:
        values = np.ascontiguousarray(tile, self.dtype.newbyteorder("<"))
        if self.has_predictor:
            values = imagecodecs.delta_encode(values, axis=1)
        return bytes(imagecodecs.zlib_encode(values.tobytes(), level=6))

    def decode(self, data: bytes) -> NDArray[Any]:
        values = np.frombuffer(imagecodecs.zlib_decode(data), self.dtype.newbyteorder("<")).reshape(
            self.shape
        )
        return imagecodecs.delta_decode(values, axis=1) if self.has_predictor else values


class ZstdCoding(msgspec.Struct, frozen=True):
    """Zstandard of samples plane by plane, as the chunks of a Zarr array have it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """Of a tile: (height, width) or (height, width, 3)."""
    is_lossy: bool = False

    def encode(self, tile: NDArray[Any]) -> bytes:
        values = np.moveaxis(tile, 2, 0) if tile.ndim == 3 else tile
        data = np.ascontiguousarray(values, self.dtype.newbyteorder("<")).tobytes()
        return bytes(imagecodecs.zstd_encode(data, level=ZSTD_LEVEL))

    def decode(self, data: bytes) -> NDArray[Any]:
        values = np.frombuffer(imagecodecs.zstd_decode(data), self.dtype.newbyteorder("<"))
        if len(self.shape) == 3:
            height, width, samples = self.shape
            return np.moveaxis(values.reshape(samples, height, width), 0, 2)
        return values.reshape(self.shape)


class Jpeg2000Coding(msgspec.Struct, frozen=True):
    """JPEG 2000 of channels without loss, as DICOM has it."""

    is_lossy: bool = False

    def encode(self, tile: NDArray[Any]) -> bytes:
        return bytes(
            imagecodecs.jpeg2k_encode(
                np.ascontiguousarray(tile), level=0, codecformat="j2k", reversible=True
            )
        )

    def decode(self, data: bytes) -> NDArray[Any]:
        return imagecodecs.jpeg2k_decode(data)


def jpeg_subsampling(data: bytes) -> tuple[int, int] | None:
    """Return the subsampling of a JPEG of three components; None where it is not a usual one."""
    header = read_jpeg_header(data)
    luma, *chroma = header.sampling or ((0, 0),)
    is_usual = luma in _SUBSAMPLINGS and chroma == [(1, 1)] * 2
    return luma if is_usual and header.frame in (BASELINE, EXTENDED) else None
