"""Slides of real tiles: two tissues with a border between them, and a small region of a third."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.evidence.protocol import Protocol, SlideRecipe

    Pixels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]

_LAYOUT_PX = 16
"""Level-0 pixels per pixel of the layout."""
_GLASS = 243
_BRIGHT = 215
_TISSUE_SHARE = 0.62
_RADIUS_UM = (150.0, 220.0)
"""Of the hidden region."""
_FROM_GLASS_UM = 280.0
_LEAST_OF_A_TISSUE = 0.3
_FEATHER = 1 / 8
"""Of a patch, over which it goes over into the next."""
_PIECE_PX = 400
"""Most of a tile that lies in one piece."""
_MOST_GLASS, _TRIES = 0.5, 6
_NATIVE_UM = {"crc-val-he-7k": 0.5, "osteosarcoma-ut": 1.0}
_LEAST_DENSITY = 0.3
_COMMON_DENSITY = np.array([0.40, 0.62, 0.36])
"""Mean optical density that both collections are brought to, and from which there is tissue."""
_STAIN, _STAIN_TINT = (0.85, 1.2), (0.94, 1.07)
"""Ranges of a slide's gains on the optical density: of all, and of each channel."""


def make_slide(recipe: SlideRecipe, protocol: Protocol, tiles: Path, folder: Path) -> Path:
    """Write a slide and, beside it, the mask of its hidden region; nothing where they are there.

    The mask (PNG, a pixel for 16) is for measuring alone: no reader and no predictor opens it.
    """
    path = folder / f"{recipe.name}.tif"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(recipe.seed)
    width, height = protocol.size_px
    shape = height // _LAYOUT_PX, width // _LAYOUT_PX
    tissue, second, hidden = _layout(shape, _LAYOUT_PX * protocol.mpp_um, rng)
    picture = np.full((height, width, 3), _GLASS, np.uint8)
    first_name, second_name = recipe.tissues
    parts = (
        (first_name, tissue & ~second),
        (second_name, tissue & second),
        (recipe.hidden, hidden),
    )
    for name, mask in parts:
        _fill(picture, mask, _sheets(name, recipe, protocol, tiles), rng)
    gains = rng.uniform(*_STAIN) * rng.uniform(*_STAIN_TINT, 3)
    optical = np.arange(256)[:, None] / 255 + 1 / 256
    table = np.clip(np.round(optical**gains * 255), 0, 255).astype(np.uint8)
    picture = np.stack([table[picture[..., channel], channel] for channel in range(3)], -1)
    Image.fromarray(hidden).save(mask_path(path))
    partial = path.with_suffix(".part")
    _write(partial, picture, protocol.mpp_um)
    partial.replace(path)
    return path


def mask_path(slide: Path) -> Path:
    """Return where the mask of a slide's hidden region lies."""
    return slide.with_suffix(".hidden.png")


def hidden_mask(slide: Path) -> Mask:
    """Return (rows, columns) where the hidden region is, a pixel for 16 level-0 pixels."""
    with Image.open(mask_path(slide)) as picture:
        return np.asarray(picture.convert("1"), bool)


def _layout(shape: tuple[int, int], um: float, rng: Generator) -> tuple[Mask, Mask, Mask]:
    """Return where there is tissue, where the second tissue is, and the hidden region."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    outwards = np.hypot((y - rows / 2) / rows, (x - columns / 2) / columns)
    ragged = outwards + 0.12 * _waves(shape, 220 / um, rng)
    tissue = ragged < np.quantile(ragged, _TISSUE_SHARE)
    tilt = np.cos(rng.uniform(0, 2 * np.pi)), np.sin(rng.uniform(0, 2 * np.pi))
    slope = tilt[0] * (y / rows - 0.5) + tilt[1] * (x / columns - 0.5)
    slope = 3 * slope + _waves(shape, 350 / um, rng)
    share = rng.uniform(_LEAST_OF_A_TISSUE, 1 - _LEAST_OF_A_TISSUE)
    second = slope > np.quantile(slope[tissue], share)
    inside = np.asarray(ndimage.distance_transform_edt(tissue))
    inside[[0, -1]] = inside[:, [0, -1]] = 0
    margin = round(_FROM_GLASS_UM / um)
    inside[:margin] = inside[-margin:] = 0
    inside[:, :margin] = inside[:, -margin:] = 0
    places = np.argwhere(inside >= margin)
    row, column = places[int(rng.integers(len(places)))]
    radius = rng.uniform(*_RADIUS_UM) / um
    far = np.hypot(y - row, x - column) / radius + 0.15 * _waves(shape, 60 / um, rng)
    return tissue, second, (far < 1) & tissue


def _waves(shape: tuple[int, int], sigma: float, rng: Generator) -> NDArray[np.float64]:
    """Return smooth noise of deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="nearest")
    return noise / noise.std()


def _fill(picture: Pixels, mask: Mask, sheets: list[Pixels], rng: Generator) -> None:
    """Cover a part of the picture with pieces of sheets, turned at random, without hard seams."""
    found = ndimage.find_objects(mask.astype(np.int8))
    if not found:
        return
    rows, columns = (slice(_LAYOUT_PX * at.start, _LAYOUT_PX * at.stop) for at in found[0])
    part = picture[rows, columns]
    side = min(_PIECE_PX, len(sheets[0]))
    step = round(side * (1 - _FEATHER))
    alpha = _alpha(side, round(side * _FEATHER))
    filled = np.zeros((part.shape[0] + side, part.shape[1] + side, 3), np.uint8)
    for top in range(0, part.shape[0], step):
        for left in range(0, part.shape[1], step):
            at = slice(top, top + side), slice(left, left + side)
            if not mask[found[0]][_layout_at(top, side), _layout_at(left, side)].any():
                continue
            under = filled[at].astype(np.float32)
            covered = under[..., :1] > 0
            share = np.where(covered, alpha, 1)
            filled[at] = np.maximum(under + share * (_piece(sheets, side, rng) - under), 1)
    soft = (
        Image.fromarray(mask[found[0]])
        .convert("L")
        .resize(part.shape[1::-1], Image.Resampling.BICUBIC)
    )
    filled = filled[: part.shape[0], : part.shape[1]]
    filled[filled[..., 0] == 0] = _GLASS
    over = Image.composite(Image.fromarray(filled), Image.fromarray(part), soft)
    part[:] = np.asarray(over)


def _layout_at(start: int, length: int) -> slice:
    return slice(max(0, start // _LAYOUT_PX - 1), (start + length) // _LAYOUT_PX + 2)


def _alpha(side: int, feather: int) -> NDArray[np.float32]:
    """Return (side, side, 1) how much a piece covers what was laid before, to its left and top."""
    ramp = np.minimum((np.arange(side, dtype=np.float32) + 0.5) / feather, 1)
    return (ramp[:, None] * ramp)[..., None]


def _piece(sheets: list[Pixels], side: int, rng: Generator) -> NDArray[np.float32]:
    """Return a part of a tile, turned at random; no part that is mostly glass, if it can be."""
    piece = sheets[0][:side, :side]
    for _ in range(_TRIES):
        sheet = sheets[int(rng.integers(len(sheets)))]
        top, left = (int(rng.integers(length - side + 1)) for length in sheet.shape[:2])
        piece = sheet[top : top + side, left : left + side]
        if (piece[::8, ::8].min(-1) > _BRIGHT).mean() < _MOST_GLASS:
            break
    piece = np.rot90(piece, int(rng.integers(4)))
    return (piece[:, ::-1] if rng.integers(2) else piece).astype(np.float32)


def _sheets(name: str, recipe: SlideRecipe, protocol: Protocol, tiles: Path) -> list[Pixels]:
    """Return the tiles of a tissue that this split may use, in the stain that all have."""
    source = name.partition("/")[0]
    files = [tiles / name / file for file in protocol.tiles[name][recipe.split]]
    gains = _gains(tiles / source)
    return [_sheet(file, _NATIVE_UM[source] / protocol.mpp_um, gains) for file in files]


@cache
def _sheet(file: Path, scale: float, gains: tuple[float, ...]) -> Pixels:
    with Image.open(file) as opened:
        tile = opened.convert("RGB")
        size = round(tile.width * scale), round(tile.height * scale)
        pixels = np.asarray(tile.resize(size, Image.Resampling.BOX), np.float32)
    density = -np.log((pixels + 1) / 256) * np.array(gains, np.float32)
    return np.clip(np.round(256 * np.exp(-density) - 1), 0, 255).astype(np.uint8)


@cache
def _gains(source: Path) -> tuple[float, ...]:
    """Return the gains that bring the mean stain of a collection to a common one.

    Else the collection, not the tissue, would be what is unlike the rest.
    """
    means: list[NDArray[np.floating]] = []
    for file in sorted(source.rglob("*.jpg")):
        with Image.open(file) as tile:
            pixels = np.asarray(tile.convert("RGB").resize((64, 64)), np.float32)
        density = -np.log((pixels + 1) / 256)
        means.append(density[density.sum(-1) > _LEAST_DENSITY].mean(0))
    return tuple((_COMMON_DENSITY / np.mean(means, 0)).tolist())


def _write(path: Path, picture: Pixels, mpp_um: float) -> None:
    """Write a tiled TIFF with three levels, each a quarter of the finer one."""
    levels = [picture]
    for _ in range(2):
        finer = levels[-1]
        height, width = finer.shape[0] // 4, finer.shape[1] // 4
        blocks = finer[: 4 * height, : 4 * width].reshape(height, 4, width, 4, 3)
        levels.append(np.round(blocks.mean((1, 3), dtype=np.float32)).astype(np.uint8))
    with tifffile.TiffWriter(path) as writer:
        for number, pixels in enumerate(levels):
            per_cm = 10_000 / (mpp_um * 4**number)
            writer.write(
                pixels,
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 85},
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                subifds=len(levels) - 1 if number == 0 else None,
                subfiletype=int(number > 0),
                metadata=None,
            )
