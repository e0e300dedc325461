"""Asks where to write what an overlay found, and writes it off the window's thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

from viewer.inference.results import cell_values
from viewer.overlays.files.export import FORMATS, check_name, write_objects
from viewer.overlays.files.patch_files import CELL_FORMATS, write_cells
from viewer.overlays.object_map import ObjectMap
from viewer.ui.overlays.attention_presenter import AttentionPresenter

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.main_window import MainWindow
    from viewer.ui.overlays.overlay import Overlay


def ask_export(window: MainWindow, background: BackgroundRunner, run: Overlay) -> None:
    """Opens the dialog."""
    formats = FORMATS if isinstance(run.found, ObjectMap) else CELL_FORMATS
    dialog = QFileDialog(window, "Export")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(
        [f"{name} ({' '.join(f'*{end}' for end in ends)})" for name, ends in formats.items()]
    )
    dialog.setDefaultSuffix(next(iter(formats.values()))[0].removeprefix("."))
    dialog.fileSelected.connect(lambda name: export_run(window, background, run, Path(name)))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()


def export_run(window: MainWindow, background: BackgroundRunner, run: Overlay, path: Path) -> None:
    """Writes all that is known of the slide; says so, or what is wrong."""
    formats = FORMATS if isinstance(run.found, ObjectMap) else CELL_FORMATS
    if complaint := check_name(path, formats):
        window.show_error(complaint)
        return
    background.run(
        _work(run, path),
        lambda count: window.say(f"{count:,} results were written to {path.name}."),
        lambda error: window.show_error(f"{path.name} cannot be written ({error})."),
    )


def _work(run: Overlay, path: Path) -> Callable[[], int]:
    box, mpp_um, colours = run.pane.canvas.slide_box, run.mpp_um, run.origin.colours
    found = run.found
    if isinstance(found, ObjectMap):
        objects = found.all_objects()

        def write() -> int:
            write_objects(path, objects, colours, box, mpp_um)
            return len(objects)

        return write

    judged = run.shown.judgement if isinstance(run.shown, AttentionPresenter) else None

    def write_map() -> int:
        values, names = cell_values(found, run.origin.task, run.origin.colours, judged)
        write_cells(path, found, values, names, box)
        return found.count

    return write_map
