"""PNG of every kind, put together byte by byte from a seed, with the pixels that it must show."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
BITS = {
    GRAY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GRAY_ALPHA: (8, 16),
    RGBA: (8, 16),
}
_SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip
"""Of Adam7: first column and row, step across and down."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _rows(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return the bytes of each row, samples of a few bits packed."""
    flat = values.reshape(len(values), -1)
    if bits == 16:
        return flat.astype(">u2").view(np.uint8)
    single = (flat[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(single.reshape(len(flat), -1).astype(np.uint8), axis=1)


def _filtered(rng: random.Random, values: NDArray[Any], bits: int) -> bytes:
    """Return rows, each by one of the five filters."""
    if not values.size:
        return b""
    step = max(1, values.shape[2] * bits // 8)
    above, data = None, b""
    for row in _rows(values, bits).astype(int):
        above = np.zeros_like(row) if above is None else above
        left, corner = (np.concatenate([np.zeros(step, int), r])[: len(r)] for r in (row, above))
        guess = left + above - corner
        far = np.abs([guess - left, guess - above, guess - corner])
        paeth = np.choose(far.argmin(axis=0), [left, above, corner])
        kind = rng.randrange(5)
        predicted = (0 * row, left, above, (left + above) // 2, paeth)[kind]
        data += bytes([kind]) + (row - predicted).astype(np.uint8).tobytes()
        above = row
    return data


@dataclass(frozen=True)
class RandomPng:
    """A PNG and what it holds: colors and opacity, from 0 to 1, (height, width, samples)."""

    data: bytes
    words: str
    full: int
    color: NDArray[Any]
    alpha: NDArray[Any]


def random_png(
    seed: int,
    kind: int | None = None,
    bits: int | None = None,
    *,
    has_clear: bool | None = None,
    is_interlaced: bool | None = None,
) -> RandomPng:
    """Return a PNG by a seed, which decides all that is not given.

    Parameters
    ----------
    kind, bits
        As its header has them.
    has_clear
        Whether a color, or colors of a palette, are transparent (tRNS).
    """
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    height, width = rng.randrange(1, 200), rng.randrange(1, 300)
    kind = rng.choice(tuple(BITS)) if kind is None else kind
    bits, samples = bits or rng.choice(BITS[kind]), _SAMPLES[kind]
    full = (1 << bits) - 1
    values = numbers.integers(0, full, (height, width, samples), endpoint=True)
    values[0, 0], values[-1, -1] = full, 0  # so that all of the range is used
    alpha: NDArray[Any] = np.ones((height, width, 1))
    has_clear = rng.random() < 0.5 if has_clear is None else has_clear
    extra = b""
    if kind == PALETTE:
        entries = rng.randrange(max(1, full // 2), full + 2)
        values = np.minimum(values, entries - 1)
        palette = numbers.integers(256, size=(entries, 3), dtype=np.uint8)
        extra += _chunk(b"PLTE", palette.tobytes())
        color = palette[values[..., 0]] / 255
        if has_clear:
            clear = numbers.integers(256, size=rng.randrange(1, entries + 1), dtype=np.uint8)
            extra += _chunk(b"tRNS", clear.tobytes())
            opacity = np.full(entries, 255)
            opacity[: len(clear)] = clear
            alpha = opacity[values] / 255
    else:
        color = values[..., : 1 if kind in (GRAY, GRAY_ALPHA) else 3] / full
        if kind in (GRAY_ALPHA, RGBA):
            alpha = values[..., -1:] / full
        elif has_clear:
            key = values[rng.randrange(height), rng.randrange(width)]
            extra += _chunk(b"tRNS", key.astype(">u2").tobytes())
            alpha = 1.0 - (values == key).all(axis=2, keepdims=True)
    is_interlaced = rng.random() < 0.4 if is_interlaced is None else is_interlaced
    passes = _PASSES if is_interlaced else ((0, 0, 1, 1),)
    data = zlib.compress(
        b"".join(_filtered(rng, values[y::down, x::across], bits) for x, y, across, down in passes)
    )
    cut = rng.randrange(1, len(data))
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, is_interlaced)
    stored = extra + _chunk(b"IDAT", data[:cut]) + _chunk(b"IDAT", data[cut:])
    file = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + stored + _chunk(b"IEND", b"")
    words = f"seed {seed}: kind {kind} of {bits} bits, {width} x {height}, {is_interlaced}"
    return RandomPng(file, words, full, color, alpha)
