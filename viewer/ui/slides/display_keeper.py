"""Writes how the slide in a pane is adjusted, a moment after the last change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.tiles.display import default_display
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from viewer.slides.source import SlideInfo
    from viewer.tiles.display import DisplaySettings

_log = logging.getLogger(__name__)
_REST_MS = 500


class DisplayKeeper(QObject):
    """Owned by a pane; `shut_down` writes what is left."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pending: tuple[str, DisplaySettings, DisplaySettings] | None = None
        self._disk = BackgroundRunner("display", 1, self)
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self.flush)

    def note(self, info: SlideInfo, display: DisplaySettings, *, uses_icc: bool) -> None:
        """Takes the settings of a slide whose identity is known."""
        self._pending = (info.identity, display, default_display(info, uses_icc=uses_icc))
        self._rest.start()

    def flush(self) -> None:
        """Writes what was noted, in a thread."""
        from viewer.tiles.kept_display import save_display

        self._rest.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._disk.run(
                lambda: save_display(*pending),
                lambda _: None,
                lambda error: _log.warning("How a slide is adjusted is not kept (%s)", error),
            )

    def shut_down(self) -> None:
        self.flush()
        self._disk.close(finish=True)
