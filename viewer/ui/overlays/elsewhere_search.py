"""Looks for fields like the one in view on other slides, and travels there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt

from viewer.errors import reason_of
from viewer.overlays.scoring import mean_vector, typical
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.services import MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.overlays.elsewhere import FieldElsewhere
    from viewer.overlays.word_vectors import WordVectors
    from viewer.ui.overlays.card_body import CardBody
    from viewer.ui.overlays.gallery import GalleryField
    from viewer.ui.overlays.overlay import Overlay


_COUNT = 24


class _Found(msgspec.Struct, frozen=True):
    """Fields of other slides, and a sentence for each store that could not be searched."""

    fields: list[FieldElsewhere]
    problems: list[str]


class ElsewhereHost(MessageHost, PaneHost, SettingsHost, Protocol):
    """What a search on other slides asks of the window."""


class ElsewhereSearch(QObject):
    """Between the body of a card and the overlay that `active` gives."""

    def __init__(
        self,
        window: ElsewhereHost,
        body: CardBody,
        active: Callable[[], Overlay | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._body = body
        self._active = active
        self._background = BackgroundRunner("search", 1, self)
        self._found: list[FieldElsewhere] = []
        self._asked_on: Path | None = None
        """The slide whose field was looked for."""
        if body.query is not None:
            body.query.everywhere_requested.connect(self._search)
        body.elsewhere.travel_requested.connect(self._travel)
        body.back.clicked.connect(self._go_back)

    def shut_down(self) -> None:
        self._background.close()

    def show_names(self) -> None:
        """Name the slides of what was found as a study lets them be named now."""
        self._body.elsewhere.show_fields(None, [self._shown(field) for field in self._found])
        self.show_slide()

    def show_slide(self) -> None:
        """Offer the way back while another slide is on screen than the one that was asked about."""
        pane, asked_on = self._window.panes.active, self._asked_on
        is_away = bool(self._found) and asked_on is not None and pane.path != asked_on
        self._body.show_back(pane.name_of(asked_on) if is_away and asked_on is not None else "")

    def _search(self) -> None:
        from viewer.inference.runs.results import reference_mean
        from viewer.overlays.elsewhere import common_mean, similar_elsewhere
        from viewer.overlays.files.result_file import ResultFile
        from viewer.slides.known_slides import find

        overlay = self._active()
        if overlay is None or (shown := overlay.as_heatmap) is None:
            return
        if isinstance(overlay.origin, ResultFile):
            self._window.say(
                "The vectors of a file are of this slide alone: ask for likeness on this slide."
            )
            return
        canvas, found = overlay.pane.canvas, shown.found
        if shown.query.words is not None:
            self._search_by_words(shown.query.words, overlay)
            return
        like = shown.query.like or canvas.view.box.intersection(canvas.slide_box)
        marked = found.cells_in(like)
        if not marked.any():
            self._window.say("Nothing is known of this field yet: wait a moment, then ask again.")
            return
        shown.set_query(replace(shown.query, like=like, words=None))
        model, identity = overlay.origin.key, overlay.identity
        stores = list(self._window.settings.result_stores)
        reference = reference_mean(overlay.origin)

        def work() -> _Found:
            in_stores = _in_stores(stores, model, mean_vector(found.values[marked]), identity)
            if in_stores.fields:
                return in_stores
            length = found.values.shape[2]
            origin = reference if reference is not None else common_mean(model, length)
            wanted = typical(found.values, marked, origin)
            alike = similar_elsewhere(wanted, model, identity, origin=origin)
            here = [replace(field, slide=find(field.identity) or field.slide) for field in alike]
            return _Found(here, in_stores.problems)

        self._look(work, overlay)

    def _search_by_words(self, words: WordVectors, overlay: Overlay) -> None:
        """Look for what the phrases fit that color the slide now."""
        from viewer.overlays.elsewhere import similar_elsewhere

        model, identity = overlay.origin.key, overlay.identity
        stores = list(self._window.settings.result_stores)

        def work() -> _Found:
            fields: list[FieldElsewhere] = []
            problems: list[str] = []
            for vector in words.vectors:
                in_stores = _in_stores(stores, model, vector, identity)
                fields += in_stores.fields
                problems += in_stores.problems
            if not fields:
                # Words lie apart from images, so nothing is taken off.
                origin = np.zeros_like(words.vectors[0])
                for vector in words.vectors:
                    fields += similar_elsewhere(vector, model, identity, _COUNT, origin)
            fields.sort(key=lambda field: field.likeness)
            best = {(each.identity, each.box): each for each in fields}.values()
            return _Found(sorted(best, key=lambda field: -field.likeness)[:_COUNT], problems)

        self._look(work, overlay)

    def _look(self, work: Callable[[], _Found], overlay: Overlay) -> None:
        """Do the work in a thread, and show what it finds for the slide of an overlay."""
        asked_on = overlay.pane.path
        self._window.say("Looking through the other slides...")
        self._background.run(
            work,
            lambda answer: self._show(answer, asked_on),
            lambda error: self._window.show_error(
                f"The other slides could not be searched: {reason_of(error)}."
            ),
        )

    def _show(self, answer: _Found, asked_on: Path | None) -> None:
        found = self._found = answer.fields
        self._asked_on = asked_on
        if answer.problems:
            self._window.say(answer.problems[0])
        elif not found:
            self._window.say("This model has worked on no other slide yet.")
        else:
            self._window.say(f"{plural(len(found), 'field')} found on other slides.")
        self._body.show_elsewhere([self._shown(field) for field in found])
        self.show_slide()

    def _shown(self, field: FieldElsewhere) -> GalleryField:
        """Return a field with what its slide is called, which a study may hide."""
        from viewer.ui.overlays.gallery import GalleryField

        slide = field.slide
        name = self._window.panes.active.name_of(slide)
        is_hidden = name != slide.name
        text = f"{field.likeness:.2f} {name if is_hidden else slide.stem}"
        tip = name if is_hidden else str(slide)
        return GalleryField(field.box, text, slide, tip, field.identity)

    def _travel(self, field: GalleryField) -> None:
        from viewer.ui.overlays.gallery import travel_to

        pane, slide = self._window.panes.active, field.slide
        if slide is None:
            return

        def go() -> bool:
            source = pane.source
            if source is None or not source.info.is_called(field.identity):
                self._window.say(
                    f"Another slide lies in the place of {pane.name_of(slide)} now: the field was "
                    "found on the one before."
                )
                return False
            travel_to(pane.canvas, field.box)
            return True

        if pane.path == slide:
            go()
            return

        def arrived(path: Path) -> None:
            if path == slide and go():
                self._body.reveal_elsewhere()

        pane.opened.connect(arrived, Qt.ConnectionType.SingleShotConnection)
        pane.open(slide)

    def _go_back(self) -> None:
        if self._asked_on is not None:
            self._window.panes.active.open(self._asked_on)  # to where it was left


def _in_stores(stores: list[str], model: str, wanted: NDArray[np.float32], identity: str) -> _Found:
    """Return what the stores of a cohort have that looks like it; waits for the helper."""
    from viewer.cohort.features.asked import ask_similar
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.geometry import Box
    from viewer.overlays.elsewhere import FieldElsewhere
    from viewer.slides.known_slides import find

    if not stores:
        return _Found([], [])
    try:
        answer = ask_similar(stores, model, wanted, identity, _COUNT)
    except FeatureStoreError as error:
        return _Found([], [str(error)])
    fields = [
        FieldElsewhere(
            find(each.slide) or Path(each.path), each.slide, Box(*each.box), each.likeness
        )
        for each in answer.patches
    ]
    return _Found(fields, answer.problems)
