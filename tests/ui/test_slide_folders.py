"""Folders that are slides, in the window: dropped, opened as a folder, listed, found again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from viewer.annotations.formats.dicom.slide_headers import slide_headers
from viewer.annotations.formats.slide_place import SlidePlace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from viewer.ui.main_window import MainWindow

_DICOM = "dicom-folder/CMU-1-Small-Region"


@pytest.fixture
def tray(tmp_path: Path, shared_slide: Callable[[str], Path]) -> Path:
    """Return a folder with a DICOM folder and an OME-Zarr in it."""
    folder = tmp_path / "tray"
    shutil.copytree(shared_slide(_DICOM), folder / "case 1")
    group = zarr.open_group(str(folder / "case 2.zarr"), mode="w", zarr_format=3)
    picture = np.random.default_rng(1).integers(1, 255, (3, 300, 400), dtype=np.uint8)
    array = group.create_array("0", shape=picture.shape, chunks=(3, 256, 256), dtype="uint8")
    array[:] = picture
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}]
    scale = {"type": "scale", "scale": [1.0, 0.5, 0.5]}
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [*axes, {"name": "x", "type": "space"}],
                "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
            }
        ],
    }
    return folder


def test_a_folder_that_is_a_slide_opens_as_one(
    window: MainWindow, tray: Path, qtbot: QtBot
) -> None:
    pane = window.panes.active
    for name, size_px in (("case 1", 2220), ("case 2.zarr", 400)):
        with qtbot.waitSignal(pane.opened):
            window.open_paths([tray / name])
        assert pane.path == tray / name
        assert pane.source is not None
        assert pane.source.levels[0].width_px == size_px
        assert window.windowTitle().startswith(name)
    recent = window.settings.recent_slides
    assert [str(tray / "case 2.zarr"), str(tray / "case 1")] == recent[:2]


def test_the_folder_above_lists_them(window: MainWindow, tray: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.panes.active.opened):
        window.open_paths([tray])
    assert window.folder.paths == [tray / "case 1", tray / "case 2.zarr"]
    assert window.panes.active.path == tray / "case 1"


def test_annotations_of_a_dicom_folder_name_its_images(
    shared_slide: Callable[[str], Path],
) -> None:
    folder = shared_slide(_DICOM)
    headers = slide_headers(SlidePlace(str(folder), folder.name, "key", (2220, 2967)))
    assert headers[0].TotalPixelMatrixColumns == 2220
    assert "VOLUME" in headers[0].ImageType
