"""The middle of a field is found before its block: sooner, and much the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from inference_steps import Heard

from viewer.geometry import Box, Point, Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.model_library import find_model
from viewer.inference.process.preview_messages import Previewed
from viewer.inference.runs.block_previews import BlockPreviews
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.objects import Objects
from viewer.slides import open_slide

GRID = BlockGrid(Size(4096, 4096), 2.0, 512, 64)
REGION = np.zeros((640, 640, 3), np.uint8)


def _previews(heard: list[tuple[BlockKey, Objects]] | None = None) -> BlockPreviews:
    told = [] if heard is None else heard
    nuclei = find_model("nuclei").description
    previews = BlockPreviews(nuclei, GRID, lambda *each: told.append(each))
    previews.begin("cpu")
    return previews


def _nothing_known(_: BlockKey) -> bool:
    return False


def test_the_middle_of_a_field_is_found_before_its_block(sample_slide: Path) -> None:
    bundle, heard = find_model("nuclei"), Heard()
    with closing(open_slide(sample_slide)) as source:
        mpp_um, identity = source.info.optics.mean_mpp_um, source.info.identity
        assert mpp_um is not None
        grid = block_grid(source, bundle.description, mpp_um)
    previews: list[tuple[BlockKey, Objects, int]] = []

    def on_preview(key: BlockKey, objects: Objects) -> None:
        previews.append((key, objects, len(heard.order)))

    engine = Engine(
        sample_slide, identity, grid, mpp_um, bundle, heard, "cpu", on_preview=on_preview
    )
    with closing(engine):
        (first,) = grid.touching(Box.around(Point(*(side / 2 for side in grid.slide)), 1, 1))
        field = Box.around(grid.core_box(first).center, 300.0, 300.0)
        engine.look_at(field)
        heard.wait(lambda: first in heard.blocks)
    ((key, objects, blocks_before),) = previews
    assert (key, blocks_before) == (first, 0)
    assert len(objects) > 20
    # All lie in the middle, and are those of the block.
    offsets = np.abs(objects.centroids - tuple(field.center))
    assert offsets.max() <= 128 * grid.downsample + 1
    block = heard.blocks[key].centroids
    near = np.hypot(*(objects.centroids[:, None] - block[None]).transpose(2, 0, 1)).min(1)
    assert (near < 2.0 / mpp_um).mean() > 0.9


def test_a_part_lies_in_the_middle_of_the_field_and_within_the_block() -> None:
    for field, x0, y0 in (
        (Box.around(Point(1536, 1536), 200, 200), 1536 - 256, 1536 - 256),
        (Box.around(Point(1030, 2040), 10, 10), 1024, 1024 + 512),
    ):
        previews = _previews()
        previews.look_at(field)
        asked = previews.request(BlockKey(1, 1), REGION, [], _nothing_known)
        assert asked is not None
        assert (asked.x0, asked.y0, asked.core_px) == (x0, y0, 256)
        assert (asked.tile.width_px, asked.tile.height_px) == (320, 320)
        assert previews.request(BlockKey(1, 1), REGION, [], _nothing_known) is None


def test_no_part_is_asked_for_where_it_is_of_no_use() -> None:
    field = Box.around(Point(1536, 1536), 200, 200)
    key = BlockKey(1, 1)

    known = _previews()
    known.look_at(field)
    assert known.request(key, REGION, [], lambda _: True) is None

    glass = _previews()
    glass.look_at(Box.around(Point(1536, 1536), 1200, 1200))
    glass.pass_over(BlockKey(0, 0))
    assert glass.request(key, REGION, [], lambda each: each == (0, 0)) is not None

    quick = _previews()
    quick.begin("cuda:0")
    quick.look_at(field)
    assert quick.request(key, REGION, [], _nothing_known) is None

    beside = _previews()
    beside.look_at(field)
    assert beside.request(BlockKey(3, 3), REGION, [], _nothing_known) is None
    assert beside.request(key, REGION, [], _nothing_known) is not None

    quality = find_model("tissue-quality").description
    patches = BlockPreviews(quality, GRID, lambda *_: None)
    patches.begin("cpu")
    patches.look_at(field)
    assert patches.request(key, REGION, [], _nothing_known) is None


def test_a_part_that_nobody_asked_for_or_that_is_damaged_is_refused() -> None:
    heard: list[tuple[BlockKey, Objects]] = []
    previews = _previews(heard)
    with pytest.raises(ModelFailedError, match="nobody asked for"):
        previews.take(Previewed(1, 1, Objects.none().to_bytes()))
    previews.look_at(Box.around(Point(1536, 1536), 200, 200))
    assert previews.request(BlockKey(1, 1), REGION, [], _nothing_known) is not None
    with pytest.raises(ModelFailedError, match="gave no result"):
        previews.take(Previewed(1, 1, b"no objects"))
    assert heard == []
