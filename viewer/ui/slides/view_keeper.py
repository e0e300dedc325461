"""Writes where the slide in a pane was looked at last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from viewer.geometry import View

_log = logging.getLogger(__name__)
_REST_MS = 3000
"""A view that is rested at this long survives a crash; one that is left by a key is kept too."""


class ViewKeeper(QObject):
    """Owned by a pane; `shut_down` writes what is left."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pending: tuple[str, str, View | None] | None = None
        self._disk = BackgroundRunner("last view", 1, self)
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self.flush)

    def note(self, identity: str, reader: str, view: View | None) -> None:
        """Take the view of a slide, None for the whole of it."""
        self._pending = (identity, reader, view)
        self._rest.start()

    def flush(self) -> None:
        """Write what was noted, in a thread."""
        from viewer.tiles.kept_view import save_view

        self._rest.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._disk.run(
                lambda: save_view(*pending),
                lambda _: None,
                lambda error: _log.warning("The last view of a slide is not kept (%s)", error),
            )

    def shut_down(self) -> None:
        self.flush()
        self._disk.close(finish=True)
