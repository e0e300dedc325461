"""Reads the bundled slide with recording on, replays it, and takes docs/pictures/replay.png."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication

from scripts.waiting import wait_ms
from viewer.geometry import Point
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

_REPOSITORY = Path(__file__).resolve().parent.parent
_STAYS = ((1100, 700, 10), (700, 500, 20), (600, 700, 40), (900, 1500, 10), (1000, 1700, 20))
"""x, y in level-0 pixels and magnification."""


def main() -> None:
    """Drives a real window, as a reader would."""
    app = QApplication([])
    apply_theme(app, DARK)
    settings = Settings(reader="reader-7", consent_utc="2026-01-01T00:00:00+00:00")
    window = MainWindow(settings, TileCache(256 << 20))
    window.resize(1400, 860)
    window.show()
    window.open_paths([_REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"])
    wait_ms(2500)
    window.commands["recording.on"].trigger()
    canvas = window.panes.active.canvas
    for x, y, magnification in _STAYS:
        canvas.go_to(Point(x, y), canvas.optics.downsample(magnification))
        wait_ms(1700)
    window.commands["recording.on"].trigger()
    wait_ms(1000)
    panels = window.recording.panels
    panels.sessions.show()
    wait_ms(1500)
    panels.sessions.replay.click()
    panels.seen.show()
    wait_ms(2000)
    panels.replay.next.click()
    panels.replay.next.click()
    panels.seen.heatmap.setCurrentText("20x")
    panels.seen.scanpath.setChecked(True)
    panels.seen.unseen.setCurrentIndex(2)
    window.commands["view.fit"].trigger()
    wait_ms(2000)
    window.grab().save(str(_REPOSITORY / "docs" / "pictures" / "replay.png"))
    window.close()


if __name__ == "__main__":
    main()
