"""Levels that have colors of their own, that belong to one of several images, or lack tiles."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_steps import gray, picture, whole

from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("in_this_process")

TILED: dict[str, Any] = {"tile": (64, 64), "metadata": None}


def shown(path: Path, level: int, image: int | None = None) -> NDArray[np.uint8]:
    with closing(open_slide(path, image)) as source:
        return whole(source, level)


def test_each_level_has_a_palette_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    colors: list[NDArray[np.uint8]] = []
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            image = Image.fromarray(np.ascontiguousarray(picture()[::step, ::step])).quantize(40)
            index = np.asarray(image)
            table = np.zeros((256, 3), np.uint16)
            known = np.array(image.getpalette(), np.uint16).reshape(-1, 3)
            table[: len(known)] = known
            if step == 2:  # entries of another order
                index, table = 255 - index, table[::-1]
            out.write(
                index, photometric="palette", colormap=table.T * 257, subfiletype=step - 1, **TILED
            )
            colors.append(np.asarray(image.convert("RGB")))
    for level, right in enumerate(colors):
        np.testing.assert_array_equal(shown(path, level), right)


def test_each_plane_has_a_palette_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    index = picture()[..., 0]
    tables = np.random.default_rng(4).integers(0, 256, (2, 256, 3)).astype(np.uint16)
    with tifffile.TiffWriter(path) as out:
        for table in tables:
            out.write(index, photometric="palette", colormap=table.T * 257, **TILED)
    with closing(open_slide(path)) as source:
        assert source.info.axes.z_count == 2
        for z, table in enumerate(tables):
            seen = source.read_channels(0, 0, 0, (0, 1, 2), z)
            height, width = seen.shape[1:]
            np.testing.assert_array_equal(seen, np.moveaxis(table[index[:height, :width]], 2, 0))


def test_a_plane_that_counts_from_white_is_none_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        out.write(picture()[..., 0], photometric="minisblack", **TILED)
        out.write(255 - picture()[..., 0], photometric="miniswhite", **TILED)
    with closing(open_slide(path)) as source:
        assert (source.info.axes.z_count, len(source.info.images)) == (1, 2)
    np.testing.assert_array_equal(shown(path, 0, 1), gray(picture()[..., 0]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_level_that_counts_from_white_is_no_level(tmp_path: Path, dtype: str) -> None:
    """As channels its values would be those of the negative."""
    path = tmp_path / "a.tif"
    values = np.asarray(Image.fromarray(picture()[..., 0]).resize((840, 600))).astype(dtype)
    with tifffile.TiffWriter(path) as out:
        out.write(values, photometric="minisblack", **TILED)
        inverted = np.iinfo(dtype).max - values[::2, ::2]
        out.write(inverted.astype(dtype), photometric="miniswhite", subfiletype=1, **TILED)
    with closing(open_slide(path)) as source:
        assert len(source.info.images) == 2
        made = source.read_channels(1, 0, 0, (0,))[0].astype(int)
        right = values[: 2 * made.shape[0] : 2, : 2 * made.shape[1] : 2]
        assert source.levels[1].stored_tiles_per_tile > 1
        assert np.abs(made - right).mean() < 4


def test_values_are_not_lost_at_one_zoom(tmp_path: Path) -> None:
    """A tile of a channel that a smaller level alone lacks would be zero there."""
    values = np.asarray(Image.fromarray(picture()[..., 0]).resize((840, 600))).astype(np.uint16)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            image = np.ascontiguousarray(values[::step, ::step]) * 200
            out.write(image, compression="zlib", subfiletype=step - 1, **TILED)
    _without_tiles(path, 1, (8,))
    with closing(open_slide(path)) as source:
        assert source.levels[1].stored_tiles_per_tile > 1
        assert any("lacks tiles" in note for note in source.info.notes)
        assert source.read_channels(1, 0, 0, (0,)).all()


@pytest.mark.parametrize("is_blank", [False, True])
def test_levels_belong_to_the_image_that_they_show(tmp_path: Path, is_blank: bool) -> None:
    """Of two images of one shape; blank ones are told apart by their order in the file."""
    large = np.asarray(Image.fromarray(picture()).resize((840, 600)))
    other = np.ascontiguousarray(255 - picture()[::-1])
    if is_blank:
        large, other = np.full_like(large, 255), np.full_like(other, 200)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for image in (large, other):
            out.write(image, photometric="rgb", **TILED)
            smaller = np.ascontiguousarray(image[::4, ::4])
            out.write(smaller, photometric="rgb", subfiletype=1, **TILED)
    with closing(open_slide(path)) as source:
        sizes = [each.width_px for each in source.levels if each.stored_tiles_per_tile == 1]
        assert (sizes, len(source.info.images)) == ([840, 210], 2)
    for number, image in enumerate((large, other)):
        with closing(open_slide(path, number)) as source:
            level = [each.width_px for each in source.levels].index(image.shape[1] // 4)
            np.testing.assert_array_equal(whole(source, level), image[::4, ::4])


def _without_tiles(path: Path, level: int, lost: Collection[int]) -> None:
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[level].aspage()
        for name, values in (
            ("TileByteCounts", page.databytecounts),
            ("TileOffsets", page.dataoffsets),
        ):
            page.tags[name].overwrite([0 if n in lost else each for n, each in enumerate(values)])


@pytest.mark.parametrize(
    ("lost", "is_left_out"), [((8, 9), True), ((0, 27), True), ((), False), ((27,), False)]
)
def test_tissue_is_not_lost_at_one_zoom(
    tmp_path: Path, lost: tuple[int, ...], is_left_out: bool
) -> None:
    """A smaller level lacks tiles: where the full size has tissue it is made from that."""
    large = np.asarray(Image.fromarray(picture()).resize((840, 600))).copy()
    large[380:520, 760:] = 255  # glass, in tile 27 of the level of half the size
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            image = np.ascontiguousarray(large[::step, ::step])
            kind = step - 1
            out.write(image, photometric="rgb", compression="zlib", subfiletype=kind, **TILED)
    _without_tiles(path, 1, lost)
    with closing(open_slide(path)) as source:
        assert (source.levels[1].stored_tiles_per_tile > 1) == is_left_out
        reduced = np.asarray(Image.fromarray(large).reduce(2))
        assert np.abs(whole(source, 1).astype(int) - reduced).mean() < 4
        notes = [note for note in source.info.notes if "lacks tiles" in note]
        assert len(notes) == int(is_left_out)
