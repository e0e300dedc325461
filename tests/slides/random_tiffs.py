"""TIFF drawn at random from all that layouts may combine, with what each must look like."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tiff_builder import (
    CMYK,
    DEFLATE,
    GRAY,
    GRAY_INVERTED,
    JPEG_2000,
    LZMA,
    LZW,
    NONE,
    PACKBITS,
    PALETTE,
    PNG,
    RGB,
    WEBP,
    YCBCR,
    ZSTD,
    Directory,
    Layout,
    directory,
    reduced,
    shown_colors,
    upright,
    write_directories,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_STREAMS = (NONE, LZW, DEFLATE, 32946, PACKBITS, LZMA, ZSTD)
_TYPES = {
    GRAY: ("u1", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", "b1", "b2", "b4", "b12"),
    GRAY_INVERTED: ("u1", "u2", "b1", "b2", "b4"),
    RGB: ("u1", "u1", "u1", "u2", "u2", "u4", "f2", "f4", "f8", "b4", "b12", "b10"),
    PALETTE: ("u1", "u1", "b1", "b2", "b4", "u2"),
    CMYK: ("u1", "u1", "u2"),
    YCBCR: ("u1",),
}
"""Samples by what they are: as in numpy, or b for bits."""

_RATIOS = (2, 2, 2, 3, 4, 2.5, 1.7)


@dataclass(frozen=True)
class RandomTiff:
    """A file that was written, and the right pixels of each of its levels.

    Attributes
    ----------
    values
        What is stored, (height, width, samples), turned upright.
    shown
        Colors on white glass, 0 to 255; None where a range of values is to be chosen.
    missing
        Where nothing is stored, upright (height, width).
    """

    layout: Layout
    values: list[NDArray[Any]]
    shown: list[NDArray[np.float64] | None]
    missing: list[NDArray[np.bool_]]
    words: str

    def stretched(self, values: NDArray[Any], black: float, white: float) -> NDArray[np.float64]:
        """Return gray values as they are shown from black to white."""
        share = np.clip((values[..., :1].astype(np.float64) - black) / (white - black), 0, 1)
        gray = 255 * (1 - share if self.layout.photometric == GRAY_INVERTED else share)
        return np.broadcast_to(gray, (*values.shape[:2], 3))


def write_random_tiff(path: Path, seed: int) -> RandomTiff:
    """Write the TIFF of a seed."""
    rng = random.Random(seed)
    photometric = rng.choice((GRAY, GRAY, GRAY_INVERTED, RGB, RGB, RGB, RGB, PALETTE, CMYK, YCBCR))
    kind = rng.choice(_TYPES[photometric])
    layout = _layout(rng, photometric, kind)
    finest = _content(rng, layout)
    levels = [finest]
    for _ in range(rng.randrange(3)):
        smaller = reduced(levels[-1], rng.choice(_RATIOS))
        if min(smaller.shape[:2]) < 24:
            break
        levels.append(smaller)
    order: Any = rng.choice("<>")
    is_big = rng.random() < 0.4
    letters = ("I", "I", "Q") if is_big else ("I",)
    is_below = rng.random() < 0.4
    is_flagged = rng.random() < 0.7
    has_gaps = rng.random() < 0.25
    directories: list[Directory] = []
    missing: list[NDArray[np.bool_]] = []
    layouts: list[Layout] = []
    for index, values in enumerate(levels):
        own = layout if index == 0 else _other_cut(rng, layout, values.shape[0])
        own = replace(own, list_letter=rng.choice(letters))
        layouts.append(own)
        gaps: set[tuple[int, int]] = set()
        if has_gaps and index == 0:
            across, down = own.tile or (values.shape[1], own.strip_rows)
            places = [
                (column, row)
                for row in range(-(-values.shape[0] // down))
                for column in range(-(-values.shape[1] // across))
            ]
            gaps = set(rng.sample(places, len(places) // 4))
        is_gap = np.zeros(values.shape[:2], bool)
        for column, row in gaps:
            across, down = own.tile or (values.shape[1], own.strip_rows)
            is_gap[row * down : (row + 1) * down, column * across : (column + 1) * across] = True
        missing.append(upright(is_gap, layout.orientation))
        kind_of_file = (1 if index else 0) if is_flagged else None
        directories.append(
            directory(values, own, order, rng, lambda c, r, g=gaps: (c, r) in g, kind_of_file)
        )
    if is_below:
        directories[0].below = directories[1:]
        directories = directories[:1]
    elif is_flagged and rng.random() < 0.3:
        rng.shuffle(directories)
    write_directories(path, directories, order, is_big=is_big)
    stretched = layout.dtype[0] != "u" or layout.bits > 8
    is_color = photometric in (RGB, CMYK)
    shown: list[NDArray[np.float64] | None] = [
        upright(shown_colors(values, own), layout.orientation)
        if not stretched or is_color or photometric == PALETTE
        else None
        for values, own in zip(levels, layouts, strict=True)
    ]
    words = (
        f"seed {seed}: {order} big={is_big} below={is_below} flagged={is_flagged} gaps={has_gaps} "
        f"{kind} {finest.shape} {[level.shape for level in levels]} {layout}"
    )
    return RandomTiff(
        layout, [upright(values, layout.orientation) for values in levels], shown, missing, words
    )


def _layout(rng: random.Random, photometric: int, kind: str) -> Layout:
    bits = int(kind[1:]) if kind[0] == "b" else 8 * int(kind[1:])
    dtype = kind if kind[0] != "b" else ("u1" if bits <= 8 else "u2")
    is_packed = kind[0] == "b"
    compressions = list(_STREAMS)
    if photometric in (GRAY, RGB) and dtype in ("u1", "u2") and not is_packed:
        compressions += [PNG, JPEG_2000]
        if photometric == RGB and dtype == "u1":
            compressions.append(WEBP)
    compression = rng.choice(compressions)
    extra: tuple[int, ...] = ()
    chance = rng.random()
    if photometric in (RGB, CMYK) and chance < 0.3 and not is_packed:
        # Of inks that are multiplied by opacity there is a test of its own.
        extra = (rng.choice((1, 2, 0) if photometric == RGB else (2, 0)),)
    elif photometric == GRAY and chance < 0.15 and dtype in ("u1",) and not is_packed:
        extra = (rng.choice((1, 2)),)
    if compression in (JPEG_2000,) and extra:
        compression = LZW
    if compression == WEBP and extra == (0,):
        extra = ()
    predictor = 1
    if (
        compression in (LZW, DEFLATE, 32946, ZSTD, LZMA)
        and not is_packed
        and photometric != PALETTE
    ):
        predictor = rng.choice((1, 3)) if dtype[0] == "f" else rng.choice((1, 2))
    can_reverse = compression in (NONE, LZW, DEFLATE, PACKBITS)
    is_planar = (
        photometric in (RGB, CMYK)
        and compression not in (PNG, WEBP, JPEG_2000)
        and rng.random() < 0.3
    )
    palette = None
    if photometric == PALETTE:
        entries = np.random.default_rng(rng.randrange(1 << 30)).integers(256, size=(1 << bits, 3))
        palette = (entries * 257).astype(np.uint16)
    layout = Layout(
        dtype,
        bits,
        photometric,
        compression,
        predictor,
        rng.choice((1, 1, 2)) if can_reverse else 1,
        is_planar=is_planar,
        orientation=rng.choice((1, 1, 1, 2, 3, 4, 5, 6, 7, 8)),
        extra=extra,
        palette=palette,
        states_defaults=rng.random() < 0.7,
    )
    return _other_cut(rng, layout, 400)


def _other_cut(rng: random.Random, layout: Layout, height: int) -> Layout:
    """Return a layout with tiles or strips of other sizes."""
    kind = rng.random()
    if kind < 0.4:
        tile = 16 * rng.randrange(1, 17), 16 * rng.randrange(1, 17)
        return replace(layout, tile=tile, strip_rows=0)
    if kind < 0.6:
        tile = rng.randrange(17, 200), rng.randrange(17, 200)
        return replace(layout, tile=tile, strip_rows=0)
    rows = rng.choice((height, rng.randrange(1, height + 1), rng.randrange(1, 40)))
    return replace(layout, tile=None, strip_rows=rows)


def _content(rng: random.Random, layout: Layout) -> NDArray[Any]:
    """Return waves with a patch and some noise, which use the whole range of the samples."""
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    height, width = rng.randrange(60, 400), rng.randrange(60, 400)
    samples = {RGB: 3, YCBCR: 3, CMYK: 4}.get(layout.photometric, 1) + len(layout.extra)
    y, x = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, samples))
    for n in range(samples):
        period, phase, slope = (
            numbers.uniform(20, 90),
            numbers.uniform(0, 6),
            numbers.uniform(-2, 2),
        )
        image[..., n] = 0.5 + 0.45 * np.sin((x + slope * y) / period + phase)
    image += numbers.normal(0, 0.01, image.shape)
    image[height // 4 : height // 3, width // 4 : width // 2] = numbers.random(samples)
    image = np.clip(image, 0, 1)
    image[0, 0], image[-1, -1] = 1, 0  # so that all of the range is used
    colors = {RGB: 3, CMYK: 4}.get(layout.photometric, 1)
    if layout.extra == (1,):
        image[..., :colors] *= image[..., colors:]
        image[0, 0] = 1
    if layout.dtype[0] == "f":
        return image.astype(layout.dtype)
    full = (1 << (layout.bits - (layout.dtype[0] == "i"))) - 1
    values = np.rint(image * full)
    if layout.dtype[0] == "i":
        values = values * 2 - full
    return values.clip(np.iinfo(layout.dtype).min, np.iinfo(layout.dtype).max).astype(layout.dtype)
