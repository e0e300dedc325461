"""Slides converted and de-identified from the real window, by its menu and dialogs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QProgressDialog, QPushButton
from pytestqt.qtbot import QtBot
from small_host import SmallHost
from ui_steps import open_dialog

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.slides.writing.requests import CONVERT_TASK, ConvertSlide
from viewer.ui.main_window import MainWindow
from viewer.ui.writing.controller import WritingController
from viewer.ui.writing.convert_dialog import ConvertDialog
from viewer.ui.writing.deidentify_dialog import DeidentifyDialog
from viewer.ui.writing.report_dialog import WritingReportDialog


@pytest.fixture
def slide_host(sample_slide: Path, own_home: Path, qtbot: QtBot) -> Iterator[SmallHost]:
    """A small host, shown, with the sample slide in its pane."""
    host = SmallHost()
    qtbot.addWidget(host)
    host.show()
    host.open(sample_slide, qtbot)
    yield host
    host.panes.shut_down()


@pytest.fixture
def writing(slide_host: SmallHost) -> Iterator[WritingController]:
    controller = WritingController(slide_host)
    yield controller
    controller.shut_down()


def asked(window: MainWindow | SmallHost, command: str, kind: type, qtbot: QtBot) -> object:
    window.commands[command].trigger()
    dialog = open_dialog(window, kind, qtbot)
    assert isinstance(dialog, kind)
    return dialog


def test_a_selected_region_is_converted(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: slide_window.annotations.can_annotate, timeout=20_000)
    active = slide_window.annotations.active
    assert active is not None
    box = Annotation(shapely.box(240, 480, 720, 960))
    active.do(adding("Rectangle", [box]))
    active.selection.choose([box.id])
    dialog = asked(slide_window, "file.convert", ConvertDialog, qtbot)
    assert isinstance(dialog, ConvertDialog)
    assert dialog.out.name == "CMU-1-Small-Region-converted.ome.tif"
    dialog.area.setCurrentIndex(1)
    dialog.place.setText(str(tmp_path / "part.tif"))
    assert not dialog.convert.isEnabled()
    dialog.place.setText(str(tmp_path / "part.ome.tif"))
    qtbot.mouseClick(dialog.convert, Qt.MouseButton.LeftButton)
    report = open_dialog(slide_window, WritingReportDialog, qtbot)
    assert isinstance(report, WritingReportDialog)
    assert "All outside of the region." in report.text.toPlainText()
    assert np.array_equal(
        tifffile.imread(tmp_path / "part.ome.tif", key=0),
        tifffile.imread(sample_slide, key=0)[480:960, 240:720],
    )
    report.close()


@pytest.mark.usefixtures("writing")
def test_a_copy_without_texts_is_written_and_told_of(
    slide_host: SmallHost, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = asked(slide_host, "file.deidentify", DeidentifyDialog, qtbot)
    assert isinstance(dialog, DeidentifyDialog)
    assert not dialog.slides.isVisible(), "one slide alone is no choice"
    dialog.place.setText(str(tmp_path / "none"))
    assert not dialog.copy.isEnabled()
    dialog.place.setText(str(tmp_path))
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    report = open_dialog(slide_host, WritingReportDialog, qtbot)
    assert isinstance(report, WritingReportDialog)
    (copy,) = tmp_path.iterdir()
    assert copy.name.startswith("slide-")
    assert b"CMU-1" not in copy.read_bytes()
    assert "label image" in report.text.toPlainText()
    qtbot.mouseClick(report.save, Qt.MouseButton.LeftButton)
    files = open_dialog(slide_host, QFileDialog, qtbot)
    assert isinstance(files, QFileDialog)
    files.fileSelected.emit(str(tmp_path / "report.json"))
    qtbot.waitUntil(lambda: (tmp_path / "report.json").exists(), timeout=20_000)
    assert json.loads((tmp_path / "report.json").read_text())["copy"] == str(copy)
    files.close()
    qtbot.mouseClick(report.show_written, Qt.MouseButton.LeftButton)
    assert slide_host.opened == [copy]
    assert not report.isVisible()


def test_all_slides_of_the_list_are_copied_without_texts(
    slide_host: SmallHost, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """One that cannot be is named; the others are written."""
    other = tmp_path / "no slide.svs"
    other.write_bytes(b"no slide")
    writing = WritingController(slide_host, lambda: [sample_slide, other, sample_slide])
    out = tmp_path / "out"
    out.mkdir()
    dialog = asked(slide_host, "file.deidentify", DeidentifyDialog, qtbot)
    assert isinstance(dialog, DeidentifyDialog)
    assert dialog.slides.currentText() == "This slide"
    dialog.slides.setCurrentText("All 3 slides of the list")
    dialog.place.setText(str(out))
    assert dialog.copy.text() == "Write copies"
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    report = open_dialog(slide_host, WritingReportDialog, qtbot)
    assert isinstance(report, WritingReportDialog)
    assert slide_host.said == ["Wrote 2 of 3 slides."]
    text = report.text.toPlainText()
    assert text.startswith("no slide.svs cannot be de-identified: ")
    for copy in out.iterdir():
        assert f"CMU-1-Small-Region.svs is {copy.name} now." in text
    qtbot.mouseClick(report.show_written, Qt.MouseButton.LeftButton)
    assert sorted(slide_host.opened) == sorted(out.iterdir())
    assert len(slide_host.opened) == 2
    writing.shut_down()


def test_cancel_leaves_nothing(
    writing: WritingController,
    slide_host: SmallHost,
    sample_slide: Path,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    said = slide_host.said
    # Coded anew without loss, which takes long enough to be stopped.
    request = ConvertSlide(str(sample_slide), str(tmp_path / "out.ome.zarr"), "ome-zarr", 90)
    writing.start(CONVERT_TASK, [("slide", request)], "Convert slide")
    progress = slide_host.findChildren(QProgressDialog)[-1]
    progress.show()
    button = progress.findChild(QPushButton)
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)
    assert said == ["Canceled: nothing was written."]
    qtbot.waitUntil(lambda: list(tmp_path.iterdir()) == [], timeout=20_000)


def test_what_cannot_be_written_is_said_in_the_banner(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    request = ConvertSlide(str(sample_slide), str(tmp_path / "none" / "b.ome.tif"), "ome-tiff", 90)
    slide_window.writing.start(CONVERT_TASK, [("slide", request)], "Convert slide")
    qtbot.waitUntil(
        lambda: "There is no folder" in slide_window.banner.sentence.text(), timeout=20_000
    )
