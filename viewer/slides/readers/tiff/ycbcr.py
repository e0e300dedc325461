"""YCbCr of TIFFs whose codec leaves it alone: subsampled blocks, and the way to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BT_601 = (0.299, 0.587, 0.114)
_PX_AT_ONCE = 1 << 18


class YCbCr(msgspec.Struct, frozen=True):
    """How luma and chroma stand for RGB.

    Attributes
    ----------
    luma_weights
        The tag YCbCrCoefficients: shares of red, green and blue in luma.
    reference
        The tag ReferenceBlackWhite: codes of black and white for Y, Cb and Cr; None for all that
        the bits allow.
    bits
        Of a sample, at most 16.
    """

    luma_weights: tuple[float, ...] = _BT_601
    reference: tuple[float, ...] | None = None
    bits: int = 8

    def rgb(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return RGB of the same unsigned type and bits for YCbCr (height, width, 3)."""
        rgb = np.empty((*pixels.shape[:2], 3), pixels.dtype)
        # In strips: the floats of a large tile would take a dozen times its memory.
        rows = max(1, _PX_AT_ONCE // max(pixels.shape[1], 1))
        for top in range(0, len(pixels), rows):
            rgb[top : top + rows] = self._rgb(pixels[top : top + rows])
        return rgb

    def _rgb(self, pixels: NDArray[Any]) -> NDArray[Any]:
        full, middle = (1 << self.bits) - 1, 1 << (self.bits - 1)
        red_weight, green_weight, blue_weight = self.luma_weights
        black_y, white_y, black_cb, white_cb, black_cr, white_cr = self.reference or (
            0, full, middle, full, middle, full,
        )  # fmt: skip
        chroma = full - middle
        luma = (pixels[..., 0].astype(np.float32) - black_y) * (full / (white_y - black_y))
        cb = (pixels[..., 1].astype(np.float32) - black_cb) * (chroma / (white_cb - black_cb))
        cr = (pixels[..., 2].astype(np.float32) - black_cr) * (chroma / (white_cr - black_cr))
        red = luma + cr * (2 - 2 * red_weight)
        blue = luma + cb * (2 - 2 * blue_weight)
        green = (luma - red_weight * red - blue_weight * blue) / green_weight
        rgb = np.stack([red, green, blue], axis=-1)
        return np.clip(np.rint(rgb), 0, full).astype(pixels.dtype)


def unpack_subsampled(
    data: bytes | NDArray[np.uint8], height_px: int, width_px: int, across: int, down: int
) -> NDArray[np.uint8]:
    """Return YCbCr, uint8 (height_px, width_px, 3), of data units as TIFF 6 orders them.

    A unit is `across` x `down` samples of luma, then one of Cb and one of Cr.

    Raises
    ------
    ValueError
        The data is too short.
    """
    columns, rows = -(-width_px // across), -(-height_px // down)
    unit = across * down + 2
    flat = np.frombuffer(data, np.uint8)
    if flat.size < rows * columns * unit:
        raise ValueError(f"{flat.size} bytes are too few for {rows * columns} units of YCbCr")
    units = flat[: rows * columns * unit].reshape(rows, columns, unit)
    luma = units[..., :-2].reshape(rows, columns, down, across).transpose(0, 2, 1, 3)
    image = np.empty((rows * down, columns * across, 3), np.uint8)
    image[..., 0] = luma.reshape(rows * down, columns * across)
    for channel in (1, 2):
        chroma = units[..., across * down - 1 + channel]
        image[..., channel] = chroma.repeat(down, axis=0).repeat(across, axis=1)
    return image[:height_px, :width_px]


def subsampling(
    tag: tuple[float, ...], byte_count: int, height_px: int, width_px: int
) -> tuple[int, int]:
    """Return the subsampling across and down.

    Where the tag is missing its default is 2 x 2, but writers that leave it out mostly mean 1 x 1:
    the length of the data decides.
    """
    if len(tag) == 2 and all(side in (1, 2, 4) for side in tag):
        return int(tag[0]), int(tag[1])
    return (1, 1) if byte_count >= height_px * width_px * 3 else (2, 2)


def ycck_as_cmyk(data: bytes) -> bytes:
    """Return CMYK for YCCK, four bytes a pixel, to the last bit as libjpeg does it."""
    luma, cb, cr, _ = np.frombuffer(data, np.uint8).reshape(-1, 4).T
    red, blue, green_of_cr, green_of_cb = _CHROMA_SHARES
    inks = np.frombuffer(data, np.uint8).reshape(-1, 4).copy()
    light = luma.astype(np.int32)
    inks[:, 0] = np.clip(255 - light - red[cr], 0, 255)
    inks[:, 1] = np.clip(255 - light - (green_of_cb[cb] + green_of_cr[cr] >> 16), 0, 255)
    inks[:, 2] = np.clip(255 - light - blue[cb], 0, 255)
    return inks.tobytes()


def _chroma_shares() -> tuple[NDArray[np.int32], ...]:
    """Return what libjpeg adds to luma for each chroma; those of green 65,536 times as large."""
    chroma, half = np.arange(-128, 128), 1 << 15
    red, blue, green_of_cr, green_of_cb = (
        int(share * (1 << 16) + 0.5) * chroma for share in (1.402, 1.772, 0.71414, 0.34414)
    )
    tables = (red + half >> 16, blue + half >> 16, -green_of_cr, half - green_of_cb)
    return tuple(table.astype(np.int32) for table in tables)


_CHROMA_SHARES = _chroma_shares()
