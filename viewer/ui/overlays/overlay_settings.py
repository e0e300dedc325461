"""Keeps the body of a card and its overlay in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog

from viewer.geometry import Box
from viewer.overlays.heatmap import Mark, Query
from viewer.overlays.object_style import histogram
from viewer.overlays.result_at import ResultAt
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.overlays.area import Area
    from viewer.overlays.heatmap import HeatmapStyle
    from viewer.overlays.object_style import ObjectStyle
    from viewer.ui.overlays.card_body import CardBody
    from viewer.ui.overlays.card_state import CardState
    from viewer.ui.overlays.elsewhere_search import ElsewhereSearch
    from viewer.ui.overlays.gallery import GalleryField
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter
    from viewer.ui.overlays.presenters.objects import ObjectsPresenter
    from viewer.ui.overlays.word_search import WordSearch
    from viewer.ui.recording.controller import RecordingController


_MARKED = 0.9
"""Of each side of the view: the frame of a marked field is to be seen."""


class OverlaySettingsHost(MessageHost, DialogHost, PaneHost, SettingsHost, Protocol):
    """What the settings of an overlay ask of the window."""

    recording: RecordingController


class OverlaySettings(QObject):
    """Between the body of a card and the overlay that `active` gives.

    Parameters
    ----------
    active
        Gives the overlay of the card's model in the active pane; None while it is off.
    """

    def __init__(
        self,
        window: OverlaySettingsHost,
        body: CardBody,
        active: Callable[[], Overlay | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._body = body
        self._active = active
        self._new_classes: list[str] = []
        body.opacity_changed.connect(self._set_opacity)
        body.legend.switched.connect(self._switch_class)
        body.gallery.travel_requested.connect(self._travel)
        if body.objects is not None:
            body.objects.filled_changed.connect(self._set_filled)
            body.objects.style_changed.connect(self._set_object_style)
        if body.heatmap is not None:
            body.heatmap.style_changed.connect(self._set_style)
        self._elsewhere: ElsewhereSearch | None = None
        self._words: WordSearch | None = None
        if body.query is not None:
            from viewer.ui.overlays.elsewhere_search import ElsewhereSearch
            from viewer.ui.overlays.word_search import WordSearch

            self._words = WordSearch(window, body.query, active, self)
            self._elsewhere = ElsewhereSearch(window, body, active, self)
            body.query.similar_requested.connect(self.find_similar)
            body.query.class_requested.connect(self._ask_class)
            body.query.mark_requested.connect(self._mark)
            body.query.unmark_requested.connect(self._unmark)
            body.query.clear_requested.connect(self._clear)

    def shut_down(self) -> None:
        """End the threads of the card."""
        self._body.close_reading()
        if self._elsewhere is not None:
            self._elsewhere.shut_down()
        if self._words is not None:
            self._words.shut_down()

    def show_names(self) -> None:
        """Name other slides as a study lets them be named now."""
        if self._elsewhere is not None:
            self._elsewhere.show_names()

    def show(self, run: Overlay, state: CardState) -> None:
        """Show an overlay that is on, with all that can be set of it."""
        if (shown := run.as_objects) is not None:
            self._show_objects(shown)
            if self._body.objects is not None:
                self._body.objects.filled.setChecked(shown.layer.is_filled)
        elif (heatmap := run.as_heatmap) is not None:
            self._show_heatmap_style(heatmap)
            self._show_marks(heatmap)
            if self._words is not None:
                self._words.show(run)
            if self._elsewhere is not None:
                self._elsewhere.show_slide()
        self.show_figures(run, state)

    def show_figures(self, run: Overlay, state: CardState) -> None:
        """Show what was found so far."""
        self._body.show_state(state)
        objects, page = self._body.objects, self._body.heatmap
        outlined, shown = run.as_objects, run.as_heatmap
        if outlined is not None and objects is not None and objects.measurement.count() == 1:
            self._show_objects(outlined)  # the first objects came
        if shown is not None and page is not None:
            if shown.choices() != page.names:
                self._show_heatmap_style(shown)  # a slide model told its heads
            painted = shown.heatmap
            page.show_kind(are_classes=painted is not None and painted.classes is not None)
            if (heatmap := shown.heatmap) is not None:
                page.show_span(heatmap.low, heatmap.high, is_rank=heatmap.ranks is not None)
            self._show_gallery(run, shown)

    def toggle_filled(self) -> None:
        """Fill the outlines, or no longer."""
        if self._body.objects is not None:
            self._body.objects.filled.click()

    def _show_heatmap_style(self, shown: HeatmapPresenter) -> None:
        if (page := self._body.heatmap) is not None:
            names = shown.choices()
            page.show_style(shown.style, names, shown.whole, is_value=shown.shows_a_value)

    # Objects and heatmaps --------------------------------------------------------------------

    def _set_opacity(self, opacity: float) -> None:
        if (run := self._active()) is not None:
            run.set_opacity(opacity)

    def _set_filled(self, filled: bool) -> None:
        if (shown := self._shown_objects()) is not None:
            shown.set_filled(filled=filled)

    def _set_object_style(self, style: ObjectStyle) -> None:
        if (shown := self._shown_objects()) is not None:
            is_other = style.measurement != shown.style.measurement
            shown.set_style(style)
            if is_other:
                self._show_objects(shown)

    def _show_objects(self, shown: ObjectsPresenter) -> None:
        from viewer.ui.overlays.presenters.objects import MEASURE_COLORS

        page, style = self._body.objects, shown.style
        if page is None:
            return
        page.show_style(style, shown.measurements)
        if style.measurement is not None:
            page.show_histogram(histogram(shown.found, style.measurement), MEASURE_COLORS)

    def _switch_class(self, index: int, on: bool) -> None:
        if (run := self._active()) is None:
            return
        run.shown.switch_class(index, on=on)
        if (heatmap := run.as_heatmap) is not None:
            self._show_heatmap_style(heatmap)
        elif (objects := run.as_objects) is not None:
            self._show_objects(objects)
        run.changed.emit()

    def _set_style(self, style: HeatmapStyle) -> None:
        if (shown := self._shown_heatmap()) is not None:
            shown.set_style(style)

    def show_score(self, run: Overlay, index: int) -> None:
        """Show one of the scores of a heatmap."""
        if (shown := run.as_heatmap) is not None:
            shown.set_style(replace(shown.style, shown=index))
            if run is self._active():
                self._show_heatmap_style(shown)

    # Likeness and few-shot classes -----------------------------------------------------------

    def find_similar(self, area: Area | None = None) -> None:
        """Ask what is like an area, by default the field of view, of what is known and comes."""
        run, shown = self._active(), self._shown_heatmap()
        if run is None or shown is None:
            return
        canvas = run.pane.canvas
        like = canvas.view.box.intersection(canvas.slide_box) if area is None else area
        shown.set_query(replace(shown.query, like=like, words=None))

    def _ask_class(self) -> None:
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("New class")
        dialog.setLabelText("What do the fields of this class show?")
        dialog.textValueSelected.connect(self._add_class)
        open_dialog(dialog)

    def _add_class(self, name: str) -> None:
        name, shown = name.strip(), self._shown_heatmap()
        if name and shown is not None:
            if name not in shown.query.names and name not in self._new_classes:
                self._new_classes.append(name)
            self._show_marks(shown, name)

    def _mark(self, name: str) -> None:
        run, shown = self._active(), self._shown_heatmap()
        if run is None or shown is None:
            return
        canvas = run.pane.canvas
        seen = canvas.view.box
        field = Box.around(seen.center, _MARKED * seen.width, _MARKED * seen.height)
        mark = Mark(field.intersection(canvas.slide_box), name)
        shown.set_query(Query(marks=(*shown.query.marks, mark)))
        self._show_marks(shown, name)
        run.changed.emit()

    def _unmark(self) -> None:
        if (shown := self._shown_heatmap()) is not None:
            gone = shown.query.marks[-1:]
            self._new_classes += [m.name for m in gone if m.name not in self._new_classes]
            shown.set_query(Query(marks=shown.query.marks[:-1]))
            self._show_marks(shown)

    def _clear(self) -> None:
        if (shown := self._shown_heatmap()) is not None:
            self._new_classes.clear()
            shown.set_query(Query())
            self._show_marks(shown)

    def _show_marks(self, shown: HeatmapPresenter, chosen: str = "") -> None:
        from viewer.ui.overlays.presenters.heatmap import mark_color

        if (page := self._body.query) is None:
            return
        names = shown.query.names
        names += [name for name in self._new_classes if name not in names]
        counts = [sum(mark.name == name for mark in shown.query.marks) for name in names]
        colors = [mark_color(index, name) for index, name in enumerate(names)]
        page.show_classes(list(zip(names, colors, counts, strict=True)), chosen)

    # The gallery -----------------------------------------------------------------------------

    def _show_gallery(self, run: Overlay, shown: HeatmapPresenter) -> None:
        from viewer.ui.overlays.gallery import GalleryField

        heatmap = shown.heatmap
        is_value = heatmap is not None and heatmap.classes is None
        if heatmap is None or not is_value:
            self._body.gallery.show_fields(None, [])
            return
        fields = [
            GalleryField(shown.found.cell_box(*cell), heatmap.value_text(*cell))
            for cell in heatmap.best
        ]
        self._body.gallery.show_fields(run.pane.source, fields)

    def _travel(self, field: GalleryField) -> None:
        from viewer.ui.overlays.gallery import travel_to

        if (run := self._active()) is not None:
            travel_to(run.pane.canvas, field.box)
            run.viewed.emit(ResultAt(field.text, field.box))

    def _shown_heatmap(self) -> HeatmapPresenter | None:
        run = self._active()
        return None if run is None else run.as_heatmap

    def _shown_objects(self) -> ObjectsPresenter | None:
        run = self._active()
        return None if run is None else run.as_objects
