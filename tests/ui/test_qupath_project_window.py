"""A project of QuPath, dropped on the window, becomes one of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from project_steps import make_slide
from ui_steps import drop, open_dialog

from viewer.studies.project_file import read_project
from viewer.ui.annotations.simple_dialogs import ProblemsDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from viewer.ui.main_window import MainWindow


def test_a_dropped_project_of_qupath_is_opened_and_says_what_is_missing(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "study"
    make_slide(folder / "1.png", 1)
    images = [
        {
            "serverBuilder": {"builderType": "uri", "uri": uri, "args": []},
            "imageName": name,
            "metadata": {},
        }
        for uri, name in (("file:/D:/old/1.png", "Case 1"), ("omero:7", "Case 2"))
    ]
    project = folder / "project.qpproj"
    project.write_text(json.dumps({"uri": "file:/D:/old/project.qpproj", "images": images}))
    with qtbot.waitSignal(window.projects.opened.switched):
        drop(window, [project])
    assert [slide.name for slide in window.projects.opened.project.slides] == ["Case 1"]
    dialog = open_dialog(window, ProblemsDialog, qtbot)
    assert isinstance(dialog, ProblemsDialog)
    assert "Case 2 was left out" in dialog.text.toPlainText()
    dialog.close()
    assert [slide.name for slide in read_project(folder / "coverslip").slides] == ["Case 1"]
