"""What will be needed soon is imported beforehand, and where it may be."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.loading_ahead import LoadingAhead
from viewer.ui.overlays.overlay_making import FOR_AN_OVERLAY, QT_FOR_AN_OVERLAY

PRINT_QT = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
print(sorted(name for name in sys.modules if "PySide6" in name or "shiboken" in name))
"""


def test_what_a_thread_imports_is_without_qt() -> None:
    command = [sys.executable, "-c", PRINT_QT, *FOR_AN_OVERLAY]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_classes_of_qt_are_imported_in_the_thread_of_the_window(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    names = ["ahead_in_a_thread", "ahead_at_rest", "ahead_after_it"]
    for name in names:
        text = "import threading\nthread = threading.current_thread()\n"
        (tmp_path / f"{name}.py").write_text(text)
    background = BackgroundRunner("ahead", 1)
    LoadingAhead(names[:1], names[1:], background, background)
    qtbot.waitUntil(lambda: names[-1] in sys.modules)
    threads = [sys.modules.pop(name).thread for name in names]
    assert [thread is threading.main_thread() for thread in threads] == [False, True, True]
    background.close()


def test_all_that_is_loaded_ahead_is_there(qtbot: QtBot) -> None:
    background = BackgroundRunner("ahead", 1)
    LoadingAhead(FOR_AN_OVERLAY, QT_FOR_AN_OVERLAY, background, background)
    wanted = {name.removesuffix(".*") for name in (*FOR_AN_OVERLAY, *QT_FOR_AN_OVERLAY)}
    qtbot.waitUntil(lambda: wanted <= sys.modules.keys())
    background.close()
