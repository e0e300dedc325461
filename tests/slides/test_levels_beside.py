"""A label in tiles lies among the levels of an SVS, and is never shown in place of the tissue."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from marked_slides import tissue
from test_deidentifying_images import LABEL, LEVEL, PROGRAM, reduced, write_svs

from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.readers.openslide.source import open_with_openslide
from viewer.slides.region import read_region

if TYPE_CHECKING:
    from pathlib import Path

TALL = tissue(300, 420, 5)
SMALL = (reduced(325, 250), f"{PROGRAM}1300x1000 (256x256) -> 325x250 JPEG/RGB Q=70", True)


@pytest.mark.parametrize(
    ("picture", "words", "said"),
    [
        (LABEL, f"{PROGRAM}label 325x250", "its label"),
        (LABEL, f"{PROGRAM}labelimage", "its label"),
        (LABEL, f"{PROGRAM}Macro 325x250", "its macro"),
        (TALL, "", "another picture"),
    ],
)
def test_another_picture_in_tiles_is_no_level(
    tmp_path: Path, picture: np.ndarray, words: str, said: str
) -> None:
    slide = write_svs(tmp_path / "a.svs", LEVEL, (picture, words, True))
    with closing(open_slide(slide)) as source:
        sizes = [(level.width_px, level.height_px) for level in source.levels]
        assert sizes[:2] == [(1300, 1000), (650, 500)]
        assert [note for note in source.info.notes if said in note], source.info.notes
        small = read_region(source, Box(0, 0, 1300, 1000), 325, 250)
        assert np.abs(small.astype(int) - reduced(325, 250)).mean() < 6
        assert all(0.98 < each[0] / each[1] / 1.3 < 1.02 for each in sizes)


def test_levels_are_those_that_openslide_has(tmp_path: Path) -> None:
    label = (LABEL, f"{PROGRAM}label 325x250", False)
    slide = write_svs(tmp_path / "a.svs", label, LEVEL, SMALL)
    source = open_with_openslide(slide)
    assert source is not None
    with closing(source):
        assert [level.width_px for level in source.levels] == [1300, 650, 325]
        assert source.info.notes == ()


def test_a_profile_that_is_cut_off_costs_nothing_else(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "a.svs", LEVEL, (LABEL, f"{PROGRAM}label 325x250", True))
    macro = np.zeros((60, 80, 3), np.uint8)
    with tifffile.TiffWriter(slide, append=True) as tiff:
        tiff.write(
            macro, photometric="rgb", rowsperstrip=16, subfiletype=9,
            description=f"{PROGRAM}macro 80x60", iccprofile=bytes(600), metadata=None,
        )  # fmt: skip
    with tifffile.TiffFile(slide) as tiff:
        place = tiff.pages[-1].aspage().tags["InterColorProfile"].offset
    with slide.open("r+b") as file:
        file.seek(place + 8)
        file.write(struct.pack("<I", 1 << 31))  # behind the end of the file
    source = open_with_openslide(slide)
    assert source is not None
    with closing(source):
        assert [level.width_px for level in source.levels] == [1300, 650]
        assert source.info.associated == ("macro",)
        assert "macro" not in source.info.profiles_beside
