"""Shows every page of the window, empty and full: python scripts/window_pages.py FOLDER.

Each page is painted in both themes at 1366 x 768, 1920 x 1080 and 3840 x 2160 pixels, the last at
scale 2, so that all of them can be looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SIZES = (((1366, 768), 1), ((1920, 1080), 1), ((1920, 1080), 2))
"""Width and height in the units of the screen, and the scale: the last has 3840 x 2160 pixels."""
THEMES = ("dark", "light")
PATIENCE_S = 20.0
READ_S, RUN_S = 1.5, 4.0
"""How long each view of a reading lasts, and what a model gets to find something."""


def main() -> None:
    """Paint the pages of each size and theme in a process of its own, as the scale is its own."""
    if len(sys.argv) == 5:
        paint(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for (width_px, height_px), scale in SIZES:
        for theme in THEMES:
            with tempfile.TemporaryDirectory() as home:
                environment = os.environ | {
                    "COVERSLIP_HOME": home,
                    "QT_QPA_PLATFORM": "offscreen",
                    "QT_SCALE_FACTOR": str(scale),
                    "PYTHONPATH": str(REPOSITORY),
                }
                command = [sys.executable, __file__, str(folder), theme]
                subprocess.run(  # noqa: S603 - our own program
                    [*command, str(width_px), str(height_px)], env=environment, check=True
                )


def paint(folder: Path, theme: str, width_px: int, height_px: int) -> None:
    """Write the pages of one window to PNG files in `folder`."""
    from PySide6.QtWidgets import QApplication

    from viewer.settings import Settings
    from viewer.tiles.cache import TileCache
    from viewer.ui.main_window import MainWindow
    from viewer.ui.theme import apply_theme, theme_named

    app = QApplication([])
    apply_theme(app, theme_named(theme))
    settings = Settings(theme=theme, reader="ada", consent_utc="2026-01-01T00:00:00+00:00")
    window = MainWindow(settings, TileCache(256 << 20))
    window.resize(width_px, height_px)
    window.show()
    size = f"{round(width_px * window.devicePixelRatioF())}-{theme}"

    def rest(wait_s: float = 0.5) -> None:
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s:
            app.processEvents()
            time.sleep(0.01)

    def write(name: str) -> None:
        rest()
        window.grab().save(str(folder / f"{size}-{name}.png"))

    def write_pages(state: str) -> None:
        for page in window.frame.inspector.pages.values():
            for panel in page.panels:
                panel.show()
                write(f"{state}-{page.name}-{panel.windowTitle().lower().replace(' ', '_')}")

    write("start")
    write_pages("empty")
    slides = REPOSITORY / "resources" / "slides"
    window.open_paths([slides])
    until_s = time.monotonic() + PATIENCE_S
    canvas = window.panes.active.canvas
    while time.monotonic() < until_s and not (canvas.source is not None and canvas.is_sharp):
        rest(0.05)
    write("slide")
    window.projects.questions.load(REPOSITORY / "docs" / "examples" / "margins.json")
    window.commands["recording.on"].trigger()
    for command in ("view.magnify_5", "view.magnify_20", "view.magnify_10", "view.home"):
        window.commands[command].trigger()
        rest(READ_S)
    write("recording")
    for command in ("recording.on", "annotate.whole_slide", "annotate.bookmark"):
        window.commands[command].trigger()
        rest()
    window.overlays.panel.show()
    cells = next(each for each in window.overlays.bundles if each.name == "Cells")
    window.overlays.panel.models.named(cells.name).switch.click()
    rest(RUN_S)
    write_pages("full")
    sessions = window.recording.panels
    sessions.sessions.show()
    rest()
    sessions.sessions.list.selectAll()
    write("session-chosen")
    sessions.sessions.replay.click()
    rest(READ_S)
    write("replay")
    window.close()


if __name__ == "__main__":
    main()
