"""Asks a model that takes words by what is typed on its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject

from viewer.recording.events import WordsAsked
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.services import MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.overlays.word_vectors import WordVectors
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter
    from viewer.ui.overlays.settings_pages import QueryPage
    from viewer.ui.recording.controller import RecordingController

_BETWEEN = ";"


class WordSearchHost(MessageHost, Protocol):
    """What a search by words asks of the window."""

    recording: RecordingController


class WordSearch(QObject):
    """Between the page of a card and the overlay that `active` gives."""

    def __init__(
        self,
        window: WordSearchHost,
        page: QueryPage,
        active: Callable[[], Overlay | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._page = page
        self._active = active
        self._background = BackgroundRunner("words", 1, self)
        self._asked: Task | None = None
        page.words_requested.connect(self._search)

    def shut_down(self) -> None:
        """End the thread."""
        self._background.close()

    def show(self, run: Overlay) -> None:
        """Offer words where the model of an overlay takes them."""
        from viewer.inference.models.bundle import ModelBundle

        bundle = run.origin
        takes = isinstance(bundle, ModelBundle) and bundle.description.words is not None
        self._page.words.setVisible(takes)

    def _search(self, text: str) -> None:
        from viewer.inference.models.bundle import ModelBundle
        from viewer.inference.runs.word_classes import word_vectors

        run = self._active()
        if run is None or not isinstance(bundle := run.origin, ModelBundle):
            return
        shown = run.as_heatmap
        if shown is None:
            return
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None
        phrases = [each.strip() for each in text.split(_BETWEEN) if each.strip()]
        if not phrases:
            if shown.query.words is not None:
                shown.set_query(replace(shown.query, words=None))
                self._record(run, [])
            return
        self._window.say("Encoding the words...")
        self._asked = self._background.run(
            lambda: word_vectors(bundle, phrases),
            lambda words: self._show(run, shown, words),
            self._on_failed,
        )

    def _show(self, run: Overlay, shown: HeatmapPresenter, words: WordVectors) -> None:
        self._asked = None
        if run is not self._active():
            return
        shown.set_query(replace(shown.query, like=None, words=words))
        self._record(run, list(words.phrases))
        several = len(words.phrases) > 1
        told = (
            "Painted: which of the phrases fits best." if several else "Painted: how well it fits."
        )
        self._window.say(" ".join([told, *words.troubles()]))

    def _record(self, run: Overlay, phrases: list[str]) -> None:
        event = WordsAsked(run.origin.name, len(phrases), phrases)
        self._window.recording.control.record(event, run.pane)

    def _on_failed(self, error: Exception) -> None:
        self._asked = None
        self._window.show_error(str(error))
