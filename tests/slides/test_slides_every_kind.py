"""Every slide at hand opens and reads, with what it says of itself."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from openslide import OpenSlide

from viewer.slides import SlideError, open_slide
from viewer.slides.readers.openslide.source import OpenSlideSource, open_with_openslide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READABLE = [
    "slides/CMU-1-Small-Region.svs",
    "slides/TCGA-CR-7395-01A-01-TS1.svs",
    "slides/boxes.tiff",
    "slides/boxes_0.dcm",
    "slides/boxes_1.dcm",
    "slides/camelyon-multiframe.dcm",
    "slides/sm_image.dcm",
    "slides/small-16x16.svs",
    "slides/test3-DAPI-2-387.ndpi",
    "slides/test3-TRITC-2-560.ndpi",
    "not-openslide/OS-1-detail.ome.tif",
    "not-openslide/OS-2-ndpi.ome.tif",
    "not-openslide/OS-2-vsi.ome.tif",
    "not-openslide/instanseg_HE_example.tif",
    "not-openslide/sm_image_jpegls.dcm",
    "not-openslide/stardist-histo.jpg",
]


@pytest.mark.parametrize("name", READABLE)
def test_opens_and_reads_every_level(name: str, shared_slide: Callable[[str], Path]) -> None:
    source = open_slide(shared_slide(name))
    assert source.levels[0].downsample == 1.0
    downsamples = [level.downsample for level in source.levels]
    steps = [after / before for before, after in pairwise(downsamples)]
    assert all(1.5 < step <= 2.5 for step in steps)
    assert max(source.levels[-1].width_px, source.levels[-1].height_px) <= 512
    for index, level in enumerate(source.levels):
        for column, row in ((0, 0), (level.columns - 1, level.rows - 1)):
            tile = source.read_tile(index, column, row)
            assert tile.shape[1::-1] == level.tile_size_px(column, row)
            assert tile.dtype == np.uint8
            assert tile.flags.c_contiguous
    for picture in source.info.associated:
        assert source.read_associated(picture).shape[2] == 3
    source.close()


@pytest.mark.parametrize("name", READABLE)
def test_identity_does_not_hang_on_the_name(
    name: str, shared_slide: Callable[[str], Path], tmp_path: Path
) -> None:
    original = shared_slide(name)
    renamed = tmp_path / f"renamed{original.suffix}"
    renamed.write_bytes(original.read_bytes())
    if original.suffix == ".dcm":  # the files of a series are one slide
        for other in original.parent.glob("*.dcm"):
            if other != original:
                shutil.copy(other, tmp_path / f"renamed-{other.name}")
    try:
        copy = open_slide(renamed)
    except SlideError:
        pytest.skip("this slide needs the files beside it")
    source = open_slide(original)
    assert source.info.identity == copy.info.identity
    source.close()
    copy.close()


@pytest.mark.parametrize(
    "name", ["slides/test3-DAPI-2-387.ndpi", "slides/camelyon-multiframe.dcm", "slides/boxes.tiff"]
)
def test_openslide_tiles_are_openslides(name: str, shared_slide: Callable[[str], Path]) -> None:
    path = shared_slide(name)
    source = open_with_openslide(path)
    assert isinstance(source, OpenSlideSource)
    grid = source.levels[0]
    with OpenSlide(path) as slide:
        for column, row in ((0, 0), (grid.columns - 1, grid.rows - 1)):
            at = (column * grid.tile_width_px, row * grid.tile_height_px)
            region = slide.read_region(at, 0, grid.tile_size_px(column, row))
            np.testing.assert_array_equal(
                source.read_tile(0, column, row), np.asarray(region.convert("RGB"))
            )
    source.close()


def test_what_the_sample_says(sample_slide: Path) -> None:
    info = open_slide(sample_slide).info
    assert info.vendor == "aperio"
    assert info.optics.mpp_um == pytest.approx((0.499, 0.499))
    assert info.optics.objective_power == 20
    assert info.associated == ("label", "macro", "thumbnail")
    assert info.icc_profile is None
    assert info.is_called(info.properties["openslide.quickhash-1"])  # as version 0.1 did


def test_what_is_not_known_is_not_invented(shared_slide: Callable[[str], Path]) -> None:
    tcga = open_slide(shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs"))
    assert tcga.info.optics.mpp_um is None
    assert tcga.info.optics.objective_power is None
    assert tcga.info.icc_profile is not None
    # Its resolution tags say 72 dots per inch.
    boxes = open_slide(shared_slide("slides/boxes.tiff"))
    assert boxes.info.optics.mpp_um is None


def test_pixel_size_of_ome_xml(shared_slide: Callable[[str], Path]) -> None:
    source = open_slide(shared_slide("not-openslide/instanseg_HE_example.tif"))
    assert source.info.optics.mpp_um == pytest.approx((0.50008, 0.50008), rel=1e-4)


def test_transparent_pixels_lie_on_white(shared_slide: Callable[[str], Path]) -> None:
    """Outside of the slide OpenSlide gives nothing at all."""
    source = open_with_openslide(shared_slide("slides/boxes.tiff"))
    assert source is not None
    assert (source.read_region((0, 0, 0), 5000, 5000, 8, 8) == 255).all()
    source.close()
