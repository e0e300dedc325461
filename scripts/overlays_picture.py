"""Turns overlays on over the bundled slide and takes docs/pictures/overlays.png."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication, QInputDialog

from scripts.waiting import wait_ms
from viewer.geometry import Point
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

_REPOSITORY = Path(__file__).resolve().parent.parent
_MARKS = (("Epithelium", 1165, 1560), ("Stroma", 1000, 2300), ("Keratin", 1400, 1270))
"""A class, and the middle of a field that shows it, level-0 pixels."""


def main() -> None:
    """Drives a real window, as an annotator would."""
    app = QApplication([])
    apply_theme(app, DARK)
    window = MainWindow(Settings(), TileCache(256 << 20))
    window.resize(1400, 860)
    window.show()
    window.open_paths([_REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"])
    wait_ms(2500)
    panel, canvas = window.overlays.panel, window.panes.active.canvas
    window.commands["panels.overlays"].trigger()
    _run(window, "Nuclei")
    _run(window, "Tissue likeness")
    body = panel.models.named("Tissue likeness").body
    assert body.query is not None
    for name, x, y in _MARKS:
        body.query.add.click()
        dialog = window.findChild(QInputDialog)
        assert dialog is not None
        dialog.setTextValue(name)
        dialog.accept()
        wait_ms(300)
        canvas.go_to(Point(x, y), 0.12, animated=False)
        body.query.mark.click()
    wait_ms(1000)
    body.opacity.setValue(35)
    canvas.go_to(Point(1180, 1500), canvas.optics.downsample(14.0), animated=False)
    wait_ms(3000)
    window.grab().save(str(_REPOSITORY / "docs" / "pictures" / "overlays.png"))
    window.close()


def _run(window: MainWindow, name: str) -> None:
    """Turns a model on and waits until it is through the slide."""
    card = window.overlays.panel.models.named(name)
    card.switch.click()
    wait_ms(200)
    card.body.run.click()
    run = window.overlays.active
    assert run is not None
    while not run.progress.total or run.progress.done < run.progress.total:
        wait_ms(200)


if __name__ == "__main__":
    main()
