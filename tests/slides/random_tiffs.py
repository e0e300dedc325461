"""TIFF drawn at random from all that layouts may combine, with what each must look like."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jpeg_builder import HUFFMAN, QUANTIZATION, JpegCoding
from random_scales import scale_tags
from tiff_builder import (
    CMYK,
    DEFLATE,
    GRAY,
    GRAY_INVERTED,
    JPEG,
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
_PREDICTED = (LZW, DEFLATE, 32946, ZSTD, LZMA)
_SAMPLINGS = ("444", "422", "420", "420", "440", "411")
_TYPES = {
    GRAY: ("u1", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", "b1", "b2", "b4", "b12"),
    GRAY_INVERTED: ("u1", "u2", "b1", "b2", "b4"),
    RGB: ("u1", "u1", "u1", "u2", "u2", "u4", "f2", "f4", "f8", "b4", "b12", "b10"),
    PALETTE: ("u1", "u1", "b1", "b2", "b4", "u2"),
    CMYK: ("u1", "u1", "u2"),
    YCBCR: ("u1",),
}
"""Samples by what they are: as in numpy, or b for bits."""

_RARE_TYPES = {
    GRAY: ("b3", "b5", "b6", "b7", "b9", "b11", "b14", "b24", "u4", "f2", "f3", "f3", "f4", "f8"),
    GRAY_INVERTED: ("b3", "b5", "b7", "b9", "b14", "b24", "f2", "f3", "f4"),
    RGB: ("b3", "b5", "b6", "b7", "b9", "b11", "b14", "b24", "u4", "f2", "f3", "f3", "f4", "f8"),
    PALETTE: ("b3", "b5", "b6", "b7"),
    CMYK: ("b4", "b10", "b12", "b14", "u2", "u2", "u4", "f2", "f3", "f4"),
}
"""Those that few programs write."""

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
    mpp_um, power
        Size of the pixels of the finest level, upright, and magnification of the objective.
    """

    layout: Layout
    values: list[NDArray[Any]]
    shown: list[NDArray[np.float64] | None]
    missing: list[NDArray[np.bool_]]
    words: str
    mpp_um: tuple[float, float] | None
    power: float | None

    def stretched(self, values: NDArray[Any], black: float, white: float) -> NDArray[np.float64]:
        """Return gray values as they are shown from black to white."""
        share = np.clip((values[..., :1].astype(np.float64) - black) / (white - black), 0, 1)
        gray = 255 * (1 - share if self.layout.photometric == GRAY_INVERTED else share)
        return np.broadcast_to(gray, (*values.shape[:2], 3))


def write_random_tiff(path: Path, seed: int) -> RandomTiff:
    """Write the TIFF of a seed, of what many programs write."""
    rng = random.Random(seed)
    photometric = rng.choice((GRAY, GRAY, GRAY_INVERTED, RGB, RGB, RGB, RGB, PALETTE, CMYK, YCBCR))
    kind = rng.choice(_TYPES[photometric])
    return _written(path, seed, rng, _layout(rng, photometric, kind))


def write_rare_tiff(path: Path, seed: int) -> RandomTiff:
    """Write the TIFF of a seed, of samples and predictors that few programs write."""
    rng = random.Random(f"rare {seed}")
    photometric = rng.choice((GRAY, GRAY, GRAY_INVERTED, RGB, RGB, RGB, PALETTE, CMYK, CMYK))
    layout = _layout(rng, photometric, rng.choice(_RARE_TYPES[photometric]))
    if layout.predictor == 1 and layout.compression in _PREDICTED and rng.random() < 0.7:
        if layout.dtype[0] == "f":
            layout = replace(layout, predictor=3)
        elif photometric != PALETTE:
            layout = replace(layout, predictor=2)
    return _written(path, seed, rng, layout)


def write_jpeg_tiff(path: Path, seed: int) -> RandomTiff:
    """Write the TIFF of a seed, of tiles or strips of JPEG; each level has its own coding."""
    rng = random.Random(f"jpeg {seed}")
    kind = rng.choice(("color", "color", "color", "color", "gray", "ink", "opacity"))
    bits = 12 if kind in ("color", "gray") and rng.random() < 0.15 else 8
    is_planar = kind != "gray" and bits == 8 and rng.random() < 0.15
    photometric = {
        "color": rng.choice((RGB, YCBCR)),
        "gray": rng.choice((GRAY, GRAY, GRAY_INVERTED)),
        "ink": CMYK,
        "opacity": RGB,
    }[kind]
    layout = Layout(
        "u1" if bits == 8 else "u2",
        bits,
        photometric,
        JPEG,
        is_planar=is_planar,
        orientation=rng.choice((1, 1, 1, 2, 3, 4, 5, 6, 7, 8)),
        extra=(rng.choice((1, 2, 0)),) if kind == "opacity" else (),
        states_defaults=rng.random() < 0.7,
    )
    layout = _other_cut(rng, layout, 400)
    return _written(path, seed, rng, _coded_anew(rng, layout))


def _coded_anew(rng: random.Random, layout: Layout) -> Layout:
    """Return a layout of JPEG whose components, markers and tables are drawn anew."""
    ids = rng.choice((b"\1\2\3\4", b"\0\1\2\3", b"\1\2\3\4"))
    apart = rng.choice(((), (QUANTIZATION, HUFFMAN), (QUANTIZATION,), (HUFFMAN,)))
    if layout.bits == 12:  # of which each tile has Huffman tables of its own
        apart = tuple(code for code in apart if code != HUFFMAN)
    shared: dict[str, Any] = {"apart": apart, "repeats_tables": rng.random() < 0.2}
    shared["bits"] = layout.bits
    adobe: int | None
    if layout.is_planar or layout.photometric in (GRAY, GRAY_INVERTED):
        return replace(layout, jpeg=JpegCoding("gray", jfif=rng.random() < 0.5, ids=ids, **shared))
    if layout.photometric == CMYK or layout.extra:
        is_ycck = layout.photometric == CMYK and rng.random() < 0.4
        adobe = 2 if is_ycck else rng.choice((None, 0))
        sampling = rng.choice(_SAMPLINGS) if is_ycck else "444"
        space = "YCCK" if is_ycck else "CMYK"
        return replace(layout, jpeg=JpegCoding(space, sampling, adobe=adobe, ids=ids, **shared))
    if rng.random() < 0.35:
        tag, adobe, ids = rng.choice(
            (
                (RGB, None, ids),
                (rng.choice((RGB, YCBCR)), 0, ids),
                (rng.choice((RGB, YCBCR)), None, b"RGB"),
            )
        )
        coding = JpegCoding("RGB", adobe=adobe, ids=ids, **shared)
        return replace(layout, photometric=tag, jpeg=coding)
    sampling = rng.choice(_SAMPLINGS)
    any_tag = rng.choice((RGB, YCBCR))
    jfif, adobe, tag = rng.choice(
        (
            (True, None, any_tag),
            (True, 0, any_tag),
            (False, 1, any_tag),
            (False, None, YCBCR if sampling == "444" else any_tag),
            (False, None if sampling == "444" else 0, YCBCR if sampling == "444" else any_tag),
        )
    )
    if jfif or adobe == 1 or sampling != "444":
        ids = rng.choice((ids, b"RGB"))
    is_progressive = layout.bits == 8 and sampling in ("444", "422", "420") and rng.random() < 0.2
    if is_progressive:
        ids = b"\1\2\3"
        shared["apart"] = tuple(code for code in apart if code != HUFFMAN)
    coding = JpegCoding(
        "YCbCr",
        sampling,
        jfif=jfif,
        adobe=adobe,
        ids=ids,
        is_progressive=is_progressive,
        **shared,
    )
    return replace(layout, photometric=tag, jpeg=coding)


def _written(path: Path, seed: int, rng: random.Random, layout: Layout) -> RandomTiff:
    photometric = layout.photometric
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
        if index and layout.jpeg is not None:
            own = _coded_anew(rng, own)
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
    scale = scale_tags(random.Random(f"scale {seed}"))
    directories[0].tags |= scale.tags
    if is_below:
        directories[0].below = directories[1:]
        directories = directories[:1]
    elif is_flagged and rng.random() < 0.3:
        rng.shuffle(directories)
    write_directories(path, directories, order, is_big=is_big)
    stretched = layout.dtype[0] != "u" or layout.bits > 8
    is_color = photometric in (RGB, CMYK, YCBCR)
    shown: list[NDArray[np.float64] | None] = [
        upright(shown_colors(values, own), layout.orientation)
        if not stretched or is_color or photometric == PALETTE
        else None
        for values, own in zip(levels, layouts, strict=True)
    ]
    words = (
        f"seed {seed}: {order} big={is_big} below={is_below} flagged={is_flagged} gaps={has_gaps} "
        f"{finest.shape} {[level.shape for level in levels]} {scale.words} {layouts}"
    )
    mpp_um = scale.mpp_um
    if mpp_um is not None and layout.orientation > 4:
        mpp_um = mpp_um[1], mpp_um[0]
    upright_values = [upright(values, layout.orientation) for values in levels]
    return RandomTiff(layout, upright_values, shown, missing, words, mpp_um, scale.power)


def _layout(rng: random.Random, photometric: int, kind: str) -> Layout:
    bits = int(kind[1:]) if kind[0] == "b" else 8 * int(kind[1:])
    dtype = kind if kind[0] != "b" else ("u1" if bits <= 8 else "u2" if bits <= 16 else "u4")
    dtype = "f4" if kind == "f3" else dtype
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
    if compression in _PREDICTED and not is_packed and photometric != PALETTE:
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
        values = image.astype(layout.dtype)
        if layout.bits == 24:
            values = (values.view(np.uint32) & np.uint32(0xFFFFFF80)).view(np.float32)
        return values
    full = (1 << (layout.bits - (layout.dtype[0] == "i"))) - 1
    values = np.rint(image * full)
    if layout.dtype[0] == "i":
        values = values * 2 - full
    return values.clip(np.iinfo(layout.dtype).min, np.iinfo(layout.dtype).max).astype(layout.dtype)
