"""What a part of the window asks for, without the window: real panes, commands and settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from viewer.canvas.tile_picture import TilePicture
from viewer.settings import Settings
from viewer.tiles.cache import TileCache
from viewer.ui.actions import ActionSet
from viewer.ui.annotations.pane_annotations import PaneAnnotations
from viewer.ui.commands import merged_bindings
from viewer.ui.slides.slide_pane import SlidePane
from viewer.ui.slides.split_view import SplitView


class NothingDrawn:
    """Slides that nothing is drawn on."""

    active: PaneAnnotations | None = None

    def of(self, pane: SlidePane) -> PaneAnnotations | None:  # noqa: ARG002
        return None


class SmallHost(QWidget):
    """Stands for the window where a part is tested that needs only a few of its services.

    What is said, what is shown as an error and what is to be opened are kept in lists.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.panes = SplitView(TileCache[TilePicture](64 << 20), self)
        self.commands = ActionSet(self, merged_bindings({}))
        self.annotations = NothingDrawn()
        self.said: list[str] = []
        self.errors: list[str] = []
        self.opened: list[Path] = []
        layout = QVBoxLayout(self)
        layout.addWidget(self.panes)
        self.resize(900, 600)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def show_error(self, sentence: str) -> None:
        self.errors.append(sentence)

    def change_settings(self, **changes: object) -> None:
        self.settings = msgspec.structs.replace(self.settings, **changes)

    def update_situation(self) -> None:
        """All commands can run."""

    def open_paths(self, paths: Sequence[Path], pane: SlidePane | None = None) -> None:  # noqa: ARG002
        self.opened += paths

    def open(self, path: Path, qtbot: QtBot) -> SlidePane:
        """Open a slide in the active pane; return the pane once it is there."""
        pane = self.panes.active
        with qtbot.waitSignal(pane.opened, timeout=20_000):
            pane.open(path)
        return pane
