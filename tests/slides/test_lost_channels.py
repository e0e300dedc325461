"""A tile that is lost in one channel is lost in that one, at every zoom."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from viewer.geometry import Box
from viewer.inference.runs.channel_input import as_fed
from viewer.slides import TileError, open_slide
from viewer.slides.channels import FIRST_PLANE, ImagePlane
from viewer.slides.combining import open_combined
from viewer.slides.lost_tiles import LostTiles, ShownValues
from viewer.slides.region import Beyond, read_region
from viewer.slides.source import lost_in

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import SlideSource

pytestmark = pytest.mark.usefixtures("in_this_process")

NAMES = ("DAPI", "CD3")
SIDE_PX, TILE_PX = 1024, 128


def _damaged(path: Path, channels: int, lost: int) -> Path:
    """Write channels of which one has a damaged tile, the first of the second row."""
    values = np.random.default_rng(4).integers(0, 900, (channels, SIDE_PX, SIDE_PX), np.uint16)
    about = {"axes": "CYX", "Channel": {"Name": list(NAMES[:channels])}}
    with tifffile.TiffWriter(path, ome=True) as out:
        out.write(values, photometric="minisblack", tile=(TILE_PX,) * 2, compression="zlib",
                  metadata=about)  # fmt: skip
    with tifffile.TiffFile(path) as file:
        page = file.pages[lost].aspage()
        at = page.dataoffsets[SIDE_PX // TILE_PX]
    data = bytearray(path.read_bytes())
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    return path


def _made_level(source: SlideSource) -> int:
    return next(i for i, each in enumerate(source.levels) if each.stored_tiles_per_tile == 4)


def test_other_channels_are_not_taken_for_lost(tmp_path: Path) -> None:
    with closing(open_slide(_damaged(tmp_path / "a.ome.tif", 2, lost=1))) as source:
        made = _made_level(source)

        def losses(*channels: int) -> int:
            return len(lost_in(source, made, 0, 0, ShownValues(channels, FIRST_PLANE)))

        source.read_channels(made, 0, 0, (1,))
        assert (losses(0), losses(1), losses(0, 1), losses()) == (0, 1, 1, 1)
        # What can be read of another channel does not make it whole.
        source.read_channels(made, 0, 0, (0,))
        assert (losses(0), losses(1)) == (0, 1)


def test_a_model_is_refused_the_channel_that_is_lost_and_no_other(tmp_path: Path) -> None:
    with closing(open_slide(_damaged(tmp_path / "a.ome.tif", 2, lost=1))) as source:
        box = Box(0, 0, SIDE_PX // 2, SIDE_PX // 2)
        for name, is_whole in (("CD3", False), ("DAPI", True), ("CD3", False)):
            fed = as_fed(source, [name])
            if is_whole:
                assert read_region(fed, box, 256, 256, Beyond.REFLECTION).any()
            else:
                with pytest.raises(TileError, match="Tile 0, 1 of level 0"):
                    read_region(fed, box, 256, 256, Beyond.REFLECTION)


def test_a_slide_of_several_says_what_one_of_them_lost(tmp_path: Path) -> None:
    paths = [_damaged(tmp_path / f"{name}.ome.tif", 1, lost=0) for name in NAMES]
    with closing(open_combined(paths)) as source:
        made = _made_level(source)
        source.read_channels(made, 0, 0, (1,))
        lost = lost_in(source, made, 0, 0, ShownValues((1,)))
        assert [str(error) for error in lost] == [
            f"Tile 0, 0 of level {made} cannot be read: CD3.ome.tif: {_reason(lost[0])}"
        ]
        assert lost_in(source, made, 0, 0, ShownValues((0,))) == []
        with pytest.raises(TileError, match=r"DAPI\.ome\.tif"):
            read_region(source, Box(0, 0, 512, 512), 256, 256, Beyond.REFLECTION)


def _reason(error: TileError) -> str:
    return error.reason.split(": ", 1)[1]


def test_channels_read_together_are_lost_until_all_of_them_can_be_read() -> None:
    tiles, place = LostTiles(), (0, 2, 3)
    here = (0, range(3), range(4))
    tiles.add(place, (0, 1), (2, 0), "it is damaged")
    for channels, plane in (((0,), (2, 0)), ((1,), (2, 0)), ((0, 1), (1, 0))):
        tiles.remove(place, channels, plane)
        assert len(tiles.within(*here, ShownValues((1, 5), ImagePlane(2, 0)))) == 1
    assert tiles.within(*here, ShownValues((5,), ImagePlane(2, 0))) == []
    assert tiles.within(*here, ShownValues((1,), ImagePlane(1, 0))) == []
    assert len(tiles.within(*here, ShownValues((1,), ImagePlane(0, 0, is_projection=True)))) == 1
    assert tiles.within(1, range(3), range(4), ShownValues()) == []
    tiles.remove(place, (0, 1, 2), (2, 0))
    assert tiles.within(*here, ShownValues()) == []
