"""What a pane keeps of its slide: how it is adjusted, and where it was looked at last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer

from viewer.tiles.display import default_display
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import View
    from viewer.slides.source import SlideInfo
    from viewer.tiles.display import DisplaySettings

_log = logging.getLogger(__name__)

_DISPLAY_MS = 500
_VIEW_MS = 3000
"""A view that is rested at this long survives a crash; one that is left by a key is kept too."""


class RestKeeper(QObject):
    """Writes the last of what was noted, once nothing new has been noted for a moment.

    It is owned by a pane; `shut_down` writes what is left.

    Parameters
    ----------
    subject
        What is kept, for the name of the thread and for the log, such as "Last view".
    rest_ms
        How long nothing new comes before it is written.
    """

    def __init__(self, subject: str, rest_ms: int, parent: QObject) -> None:
        super().__init__(parent)
        self._subject = subject
        self._pending: Callable[[], object] | None = None
        self._disk = BackgroundRunner(subject, 1, self)
        self._rest = QTimer(self, interval=rest_ms, singleShot=True)
        self._rest.timeout.connect(self.flush)

    def keep(self, save: Callable[[], object]) -> None:
        """Take what writes the newest state; what was waiting before is not written any more."""
        self._pending = save
        self._rest.start()

    def flush(self) -> None:
        """Write what waits, in a thread."""
        self._rest.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            self._disk.run(
                pending,
                lambda _: None,
                lambda error: _log.warning("%s of a slide is not kept (%s)", self._subject, error),
                keeps=f"{self._subject} of a slide",
            )

    def shut_down(self) -> None:
        self.flush()
        self._disk.close(finish=True)


class DisplayKeeper(RestKeeper):
    """Keeps brightness, contrast, stain and the like, slide by slide."""

    def __init__(self, parent: QObject) -> None:
        super().__init__("Display", _DISPLAY_MS, parent)

    def note(self, info: SlideInfo, display: DisplaySettings, *, uses_icc: bool) -> None:
        """Take the settings of a slide whose identity is known."""
        from viewer.tiles.kept_channels import remember_channels
        from viewer.tiles.kept_display import save_display

        identity, default = info.identity, default_display(info, uses_icc=uses_icc)
        display = replace(display, channels=display.channels or default.channels)

        def save() -> None:
            save_display(identity, display, default)
            if not info.axes.is_rgb:
                remember_channels(info.axes, display.channels)

        self.keep(save)


class ViewKeeper(RestKeeper):
    """Keeps the last view, slide by slide and reader by reader."""

    def __init__(self, parent: QObject) -> None:
        super().__init__("Last view", _VIEW_MS, parent)

    def note(self, identity: str, reader: str, view: View | None) -> None:
        """Take the view of a slide, None for the whole of it."""
        from viewer.tiles.kept_view import save_view

        self.keep(lambda: save_view(identity, reader, view))
