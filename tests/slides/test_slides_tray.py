"""Folders as trays of slides, and small pictures of them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from viewer.slides import DamagedSlideError, open_slide
from viewer.slides.tray import slides_in, thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_natural_order_and_what_is_no_slide(tmp_path: Path) -> None:
    for name in ("case10.svs", "Case2.svs", "case1.SVS", "notes.txt", ".hidden.svs"):
        (tmp_path / name).touch()
    (tmp_path / "folder.svs").mkdir()
    assert [path.name for path in slides_in(tmp_path)] == ["case1.SVS", "Case2.svs", "case10.svs"]


def test_companions_are_hidden(tmp_path: Path) -> None:
    for name in ("a.mrxs", "b.vms", "b(0,1).jpg", "b_map2.jpg", "c.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Data0000.dat").touch()
    assert [path.name for path in slides_in(tmp_path)] == ["a.mrxs", "b.vms", "c.jpg"]


def test_one_entry_for_a_dicom_series(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    for name in ("boxes_0.dcm", "boxes_1.dcm", "sm_image.dcm"):
        shutil.copy(shared_slide(f"slides/{name}"), tmp_path)
    assert [path.name for path in slides_in(tmp_path)] == ["boxes_0.dcm", "sm_image.dcm"]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        slides_in(tmp_path / "gone")


def test_thumbnail_is_the_slide(sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    small = thumbnail(source, 150)
    assert max(small.shape[:2]) == 150
    assert small.shape[1] / small.shape[0] == pytest.approx(2220 / 2967, abs=0.01)
    macro = Image.fromarray(source.read_associated("thumbnail")).resize(small.shape[1::-1])
    assert np.abs(small.astype(int) - np.asarray(macro)).mean() < 8
    source.close()


def test_thumbnail_of_a_slide_smaller_than_that(shared_slide: Callable[[str], Path]) -> None:
    source = open_slide(shared_slide("slides/small-16x16.svs"))
    assert thumbnail(source, 100).shape == (16, 16, 3)
    source.close()


def test_thumbnail_of_what_cannot_be_read(shared_slide: Callable[[str], Path]) -> None:
    source = open_slide(shared_slide("slides/unreadable.svs"))
    with pytest.raises(DamagedSlideError, match="no readable overview"):
        thumbnail(source, 100)
    source.close()
