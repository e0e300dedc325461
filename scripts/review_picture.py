"""Records a reading of the bundled slide, reviews it, and takes docs/pictures/review.png.

The drafts are example texts that stand in for a model's; nothing else is arranged.
"""

from __future__ import annotations

import sys
import tempfile
from os import environ
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scripts.waiting import wait_ms
from viewer.geometry import Point
from viewer.recording.library import Library
from viewer.recording.review.drafting import (
    DraftAnswer,
    DraftCancelledError,
    DraftRequest,
    draft_session,
)
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.theme import apply_theme, theme_named

_REPOSITORY = Path(__file__).resolve().parent.parent
_STAYS = ((1100, 700, 5), (700, 500, 20), (600, 700, 40), (900, 1500, 10), (1000, 1700, 20))
"""x, y in level-0 pixels and magnification."""
_TEXTS = (
    "Broad look at fibrous tissue with a cellular focus in its upper half; worth a closer look.",
    "Elongated nuclei lie in parallel between collagen bundles; no cluster of epithelium.",
    "Nuclei are small, even and without nucleoli at high power.",
    "A space filled with keratin, lined by squamous epithelium; looked at for its wall.",
)


class _Examples:
    """Answers with the example texts, then stops."""

    def __init__(self) -> None:
        self._texts = iter(_TEXTS)

    def draft(self, request: DraftRequest) -> DraftAnswer:  # noqa: ARG002
        for text in self._texts:
            return DraftAnswer(text, "example-texts")
        raise DraftCancelledError


def main() -> None:
    """Drives a real window, as a reviewer would; takes a theme and a file's name if given."""
    theme = sys.argv[1] if len(sys.argv) > 1 else "dark"
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else _REPOSITORY / "docs/pictures/review.png"
    environ["COVERSLIP_HOME"] = tempfile.mkdtemp(prefix="coverslip-picture-")
    app = QApplication([])
    apply_theme(app, theme_named(theme))
    settings = Settings(
        theme=theme,  # type: ignore[arg-type]
        reader="reader-7",
        reviewer="reviewer-2",
        consent_utc="2026-01-01T00:00:00+00:00",
    )
    window = MainWindow(settings, TileCache(256 << 20))
    window.resize(1280, 820)
    window.show()
    window.open_paths([_REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"])
    wait_ms(2500)
    _record(window)
    folder = Library().summaries()[0].folder
    draft_session(folder, _Examples(), "$number")
    _review(window, folder)
    wait_ms(2500)
    window.grab().save(str(out))
    window.close()


def _record(window: MainWindow) -> None:
    window.commands["recording.on"].trigger()
    canvas = window.panes.active.canvas
    for x, y, magnification in _STAYS:
        canvas.go_to(Point(x, y), canvas.optics.downsample(magnification))
        wait_ms(1700)
    window.commands["recording.on"].trigger()
    wait_ms(1500)


def _review(window: MainWindow, folder: Path) -> None:
    window.commands["panels.sessions"].trigger()
    window.recording.review.start(folder)
    wait_ms(2500)
    panel = window.recording.review.panel
    QTest.keyClick(panel.table, Qt.Key.Key_Y)
    wait_ms(800)
    QTest.keyClick(panel.table, Qt.Key.Key_F2)
    QTest.keyClicks(panel.text, "Spindle nuclei in parallel between collagen bundles.")
    QTest.keyClick(panel.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait_ms(800)
    QTest.keyClick(panel.table, Qt.Key.Key_X)


if __name__ == "__main__":
    main()
