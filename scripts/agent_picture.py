"""Lets the agent without a language model read the bundled slide: docs/pictures/agent.png."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from scripts.waiting import wait_ms
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import DARK, apply_theme

_REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    """Drives a real window; takes another place for the picture if given."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else _REPOSITORY / "docs/pictures/agent.png"
    app = QApplication([])
    apply_theme(app, DARK)
    window = MainWindow(Settings(), TileCache(256 << 20))
    window.resize(1280, 820)
    window.show()
    window.open_paths([_REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"])
    wait_ms(2500)
    window.commands["panels.agent"].trigger()
    panel = window.agents.panel
    panel.question.setPlainText("Where is the tissue densest?")
    panel.start.click()
    while not (
        window.agents.walk and window.agents.walk.state and window.agents.walk.state.is_over
    ):
        wait_ms(200)
    window.commands["view.fit"].trigger()
    wait_ms(2500)
    window.grab().save(str(out))
    window.close()


if __name__ == "__main__":
    main()
