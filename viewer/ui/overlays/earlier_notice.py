"""Says what earlier versions kept of the slide in the active pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

if TYPE_CHECKING:
    from viewer.overlays.earlier_results import EarlierResults
    from viewer.slides.source import SlideSource
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.overlays.overlays_panel import OverlaysPanel
    from viewer.ui.services import PaneHost


class EarlierNotice(QObject):
    """Keeps the notice of the page AI in step with the active pane."""

    def __init__(
        self, window: PaneHost, panel: OverlaysPanel, background: BackgroundRunner
    ) -> None:
        super().__init__(background)
        self._window = window
        self._panel = panel
        self._background = background
        window.panes.active_changed.connect(lambda _: self.show())

    def show(self) -> None:
        """Look what is kept of the slide in the active pane, in a thread."""
        from viewer.inference.models.bundle import STEPS_VERSION
        from viewer.overlays.earlier_results import earlier_results
        from viewer.slides.identity import former_names_of

        source = self._window.panes.active.source
        if source is None:
            self._panel.show_earlier(())
            return
        identity = source.info.identity
        names = former_names_of(identity)
        self._background.run(
            lambda: earlier_results(identity, names, STEPS_VERSION),
            lambda found: self._on_found(source, found),
        )

    def _on_found(self, source: SlideSource, found: list[EarlierResults]) -> None:
        if self._window.panes.active.source is source:
            self._panel.show_earlier([each.sentence for each in found])
