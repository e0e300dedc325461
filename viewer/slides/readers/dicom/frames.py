# (imagecodecs brings types that are not complete)
"""One frame of a DICOM slide, from what is stored to gray values or RGB."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.slides.dicom.plain_form import REWRITTEN
from viewer.slides.readers.coded_size import check_coded_size, sample_bits
from viewer.slides.readers.jpeg_2000.code import jpeg2k_decode
from viewer.slides.readers.jpeg_header import is_ycbcr, read_jpeg_header
from viewer.slides.readers.jpeg_markers import check_scans, is_cut_short
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.ycbcr import YCbCr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOT = "1.2.840.10008.1.2"
NATIVE = REWRITTEN.union((_ROOT, f"{_ROOT}.1"))
RLE = f"{_ROOT}.5"
DEFLATED_FRAMES = f"{_ROOT}.8.1"
WITHOUT_CODEC = NATIVE | {DEFLATED_FRAMES}
"""Transfer syntaxes whose frames hold samples as they are, packed as a whole or not."""
_JPEG = frozenset(f"{_ROOT}.4.{end}" for end in (50, 51, 57, 70))
_JPEG_LS = frozenset(f"{_ROOT}.4.{end}" for end in (80, 81))
HTJ2K, HTJ2K_BY_RESOLUTION = f"{_ROOT}.4.201", f"{_ROOT}.4.202"
_JPEG_2000 = frozenset((*(f"{_ROOT}.4.{end}" for end in (90, 91, 203)), HTJ2K, HTJ2K_BY_RESOLUTION))
JPEG_XL_OF_JPEG, JPEG_XL = f"{_ROOT}.4.111", f"{_ROOT}.4.112"
_JPEG_XL = frozenset((f"{_ROOT}.4.110", JPEG_XL_OF_JPEG, JPEG_XL))
_CODECS = (
    (_JPEG, "jpeg"), (_JPEG_LS, "jpegls"), (_JPEG_2000, "jpeg2k"), (_JPEG_XL, "jpegxl"),
)  # fmt: skip
"""As `coded_size` calls them."""
_ENDS_WITH_MARKER = _JPEG | _JPEG_LS | _JPEG_2000
"""Transfer syntaxes whose frames end with the marker of the JPEG family."""
_YCBCR = frozenset(("YBR_FULL", "YBR_FULL_422"))
_CODING_STYLE, _TRANSFORMED_AT = b"\xff\x52", 8
_MOST_JPEG_2000_HEADER_BYTES = 4096
INVERTED, PALETTE = "MONOCHROME1", "PALETTE COLOR"
HALF_CHROMA = "YBR_FULL_422"
"""Two pixels share their chroma, where the codec does not see to that itself."""


class FrameFormat(msgspec.Struct, frozen=True):
    """How the frames of a file are stored.

    Attributes
    ----------
    syntax
        The transfer syntax.
    is_planar
        Whether each color is stored for itself.
    palette
        RGB, uint8 (entries, 3), and the value that the first entry stands for.
    lowest_bit
        Where the header says that samples without a codec begin within the bits allocated.
    """

    syntax: str
    width_px: int
    height_px: int
    samples: int
    bits_allocated: int
    bits_stored: int
    photometric: str
    is_planar: bool = False
    palette: tuple[NDArray[np.uint8], int] | None = None
    lowest_bit: int = 0

    @property
    def is_rgb(self) -> bool:
        """Return whether decoding gives RGB, and not values of a channel."""
        return self.samples == 3 or self.palette is not None

    @property
    def full_scale(self) -> int:
        """Return the largest value that the bits of a sample hold."""
        return (1 << self.bits_stored) - 1

    @property
    def dtype(self) -> str:
        return "uint8" if self.is_rgb or self.bits_allocated <= 8 else "uint16"

    def decoded(self, data: bytes) -> NDArray[Any]:
        """Return gray values (height, width) or RGB, uint8 (height, width, 3).

        Raises
        ------
        ChunkError
            The data is cut short, or of another shape. Decoders raise errors of their own.
        """
        if self.syntax in _ENDS_WITH_MARKER and is_cut_short(data):
            raise ChunkError("its data is cut short")
        codec = next((name for kinds, name in _CODECS if self.syntax in kinds), None)
        if codec is None:
            return self._shown(self._unpacked(data))
        check_coded_size(codec, data, self.width_px, self.height_px)
        bits = sample_bits(codec, data)
        if bits > self.bits_allocated and self.samples == 1:
            raise ChunkError(f"its samples have {bits} bits, and its header says fewer")
        # Codecs may be told of more bits than are used, but hold no more than they are told of.
        is_told = self.bits_stored <= bits <= self.bits_allocated or not bits
        form = self if is_told else replace(self, bits_stored=bits)
        return form._shown(form._unpacked(data))

    def _shown(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of a frame as `decoded` does."""
        if values.ndim != (3 if self.samples == 3 else 2):
            raise ChunkError(f"its data is of the wrong kind {values.shape}")
        if self.samples == 3:
            return self.eight_bits(values)
        if self.palette is not None:
            colors, first = self.palette
            places = np.clip(values.astype(np.int32) - first, 0, len(colors) - 1)
            return colors[places]
        if self.photometric == INVERTED:
            most = values.dtype.type(self.full_scale)
            return most - np.minimum(values, most)
        return values

    def eight_bits(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the highest eight bits of samples, or fewer bits as parts of 255."""
        if self.bits_stored < 8:
            parts = np.minimum(values, self.full_scale) * np.uint16(255)
            return (parts // self.full_scale).astype(np.uint8)
        if values.dtype == np.uint8:
            return values
        return np.minimum(values >> (self.bits_stored - 8), 255).astype(np.uint8)

    def _unpacked(self, data: bytes) -> NDArray[Any]:
        if self.syntax in _JPEG:
            return self._of_jpeg(data)
        if self.syntax in _JPEG_XL:
            return imagecodecs.jpegxl_decode(data)
        if self.syntax in _JPEG_2000:
            values = jpeg2k_decode(data)
            return values if _has_own_transform(data) else self._as_rgb(values)
        if self.syntax in _JPEG_LS:
            return self._as_rgb(imagecodecs.jpegls_decode(data))
        if self.photometric == HALF_CHROMA and self.samples == 3 and self.syntax in WITHOUT_CODEC:
            return self._of_half_chroma(self._inflated(data))
        stored = np.dtype("<u2" if self.bits_allocated > 8 else np.uint8)
        count = self.width_px * self.height_px * self.samples
        is_rle = self.syntax == RLE
        plain = imagecodecs.dicomrle_decode(data, stored) if is_rle else self._inflated(data)
        flat = np.frombuffer(plain, stored)[:count].astype(stored.newbyteorder("="), copy=False)
        if flat.size < count:
            raise ChunkError("its data is cut short")
        if self.bits_stored < self.bits_allocated:
            # The standard has them begin at bit 0; writers that forget HighBit mean that, too.
            if self.lowest_bit and flat.max(initial=0) > self.full_scale:
                raise ChunkError(f"its samples begin at bit {self.lowest_bit}, not at 0 (HighBit)")
            flat = flat & flat.dtype.type(self.full_scale)  # the others are overlays
        if self.samples == 1:
            return flat.reshape(self.height_px, self.width_px)
        # Run-length coding has each color for itself, whatever the tag says.
        if self.is_planar or self.syntax == RLE:
            colors = flat.reshape(self.samples, self.height_px, self.width_px)
            return self._as_rgb(np.moveaxis(colors, 0, 2))
        return self._as_rgb(flat.reshape(self.height_px, self.width_px, self.samples))

    def _inflated(self, data: bytes) -> bytes:
        """Return samples without their deflate coding, and no more than a frame has."""
        if self.syntax != DEFLATED_FRAMES:
            return data
        samples = self.width_px * self.height_px * self.samples
        most_bytes = samples * (2 if self.bits_allocated > 8 else 1)
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most_bytes)
        except zlib.error as error:
            raise ChunkError(f"its data is damaged ({error})") from error

    def _of_half_chroma(self, data: bytes) -> NDArray[Any]:
        """Return RGB of two values of luma, one of Cb and one of Cr for each two pixels."""
        pairs = -(-self.width_px * self.height_px // 2)
        flat = np.frombuffer(data, np.uint8)[: 4 * pairs]
        if flat.size < 4 * pairs or self.width_px % 2:
            raise ChunkError("its data is cut short")
        parts = flat.reshape(self.height_px, -1, 4)
        ycbcr = np.empty((self.height_px, self.width_px, 3), np.uint8)
        ycbcr[..., 0] = parts[..., :2].reshape(self.height_px, -1)
        ycbcr[..., 1:] = parts[..., 2:].repeat(2, axis=1)
        return self._as_rgb(ycbcr)

    def _of_jpeg(self, data: bytes) -> NDArray[Any]:
        check_scans(data)
        if self.samples == 1:
            return imagecodecs.jpeg8_decode(data)
        header = read_jpeg_header(data)
        if header.is_lossless:
            return self._as_rgb(imagecodecs.jpeg8_decode(data))
        stored = "YCBCR" if is_ycbcr(header, self.photometric == "RGB") else "RGB"
        return imagecodecs.jpeg8_decode(data, colorspace=stored, outcolorspace="RGB")

    def _as_rgb(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return RGB of colors that the codec left as they are stored."""
        is_ycbcr = self.samples == 3 and self.photometric in _YCBCR
        return YCbCr(bits=self.bits_stored).rgb(values) if is_ycbcr else values


def _has_own_transform(data: bytes) -> bool:
    """Return whether a code of JPEG 2000 holds YCbCr that its decoder turns into RGB."""
    at = data.find(_CODING_STYLE, 0, _MOST_JPEG_2000_HEADER_BYTES)
    return at >= 0 and data[at + _TRANSFORMED_AT : at + _TRANSFORMED_AT + 1] == b"\1"
