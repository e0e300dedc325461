"""Keeps the panel's settings and the chosen overlay in step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog

from viewer.colors import class_color
from viewer.geometry import Box
from viewer.overlays.heatmap import Mark, Query
from viewer.overlays.object_style import histogram
from viewer.overlays.result_at import ResultAt

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.overlays.area import Area
    from viewer.overlays.heatmap import HeatmapStyle
    from viewer.overlays.object_style import ObjectStyle
    from viewer.ui.main_window import MainWindow
    from viewer.ui.overlays.gallery import GalleryField
    from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter
    from viewer.ui.overlays.objects_presenter import ObjectsPresenter
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlays_panel import OverlaysPanel


_MARKED = 0.9
"""Of each side of the view: the frame of a marked field is to be seen."""


class OverlaySettings(QObject):
    """Between the panel and the overlay that `active` gives."""

    def __init__(
        self,
        window: MainWindow,
        panel: OverlaysPanel,
        active: Callable[[], Overlay | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._panel = panel
        self._active = active
        self._new_classes: list[str] = []
        panel.opacity_changed.connect(self._set_opacity)
        panel.objects.filled_changed.connect(self._set_filled)
        panel.objects.style_changed.connect(self._set_object_style)
        panel.heatmap.style_changed.connect(self._set_style)
        panel.query.similar_requested.connect(self.find_similar)
        panel.query.class_requested.connect(self._ask_class)
        panel.query.mark_requested.connect(self._mark)
        panel.query.unmark_requested.connect(self._unmark)
        panel.query.clear_requested.connect(self._clear)
        panel.gallery.travel_requested.connect(self._travel)
        window.commands.on("overlays.find_similar", self.find_similar)
        window.commands.on("overlays.fill", panel.objects.filled.click)

    def show(self, run: Overlay | None, why_not: str) -> None:
        """Shows the settings of an overlay that is on, or why none is."""
        from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter
        from viewer.ui.overlays.objects_presenter import ObjectsPresenter

        if run is None:
            self._panel.show_settings("")
            self._panel.show_figures([why_not] if why_not else [], None)
            return
        self._panel.show_settings(run.origin.task, run.opacity, can_run=run.can_run)
        match run.shown:
            case ObjectsPresenter():
                self._show_objects(run, run.shown)
                self._panel.objects.filled.setChecked(run.shown.layer.is_filled)
            case HeatmapPresenter():
                self._show_heatmap_style(run.shown)
                self._show_marks(run.shown)
        self.show_figures(run)

    def show_figures(self, run: Overlay) -> None:
        from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter
        from viewer.ui.overlays.objects_presenter import ObjectsPresenter

        lines = run.lines()
        if run.device:
            lines.append(f"Running on {run.device.upper()}")
        if run.progress.is_busy:
            lines.append("Paused." if self._panel.pause.isChecked() else "Computing...")
        self._panel.show_figures(lines, run.progress)
        if isinstance(run.shown, ObjectsPresenter) and self._panel.objects.measurement.count() == 1:
            self._show_objects(run, run.shown)  # the first objects came
        if isinstance(run.shown, HeatmapPresenter):
            if run.shown.choices() != self._panel.heatmap.names:
                self._show_heatmap_style(run.shown)  # a slide model told its heads
            self._panel.heatmap.show_classes(run.shown.color_key())
            if (heatmap := run.shown.heatmap) is not None:
                is_rank = heatmap.ranks is not None
                self._panel.heatmap.show_span(heatmap.low, heatmap.high, is_rank=is_rank)
            self._show_gallery(run, run.shown)
        else:
            self._panel.gallery.show_fields(None, [])

    def _show_heatmap_style(self, shown: HeatmapPresenter) -> None:
        page, names = self._panel.heatmap, shown.choices()
        page.show_style(shown.style, names, shown.whole, is_value=shown.shows_a_value)

    # Objects and heatmaps --------------------------------------------------------------------

    def _set_opacity(self, opacity: float) -> None:
        if (run := self._active()) is not None:
            run.set_opacity(opacity)

    def _set_filled(self, filled: bool) -> None:
        from viewer.ui.overlays.objects_presenter import ObjectsPresenter

        if (run := self._active()) is not None and isinstance(run.shown, ObjectsPresenter):
            run.shown.set_filled(filled=filled)

    def _set_object_style(self, style: ObjectStyle) -> None:
        from viewer.ui.overlays.objects_presenter import ObjectsPresenter

        run = self._active()
        if run is not None and isinstance(run.shown, ObjectsPresenter):
            is_other = style.measurement != run.shown.style.measurement
            run.shown.set_style(style)
            if is_other:
                self._show_objects(run, run.shown)

    def _show_objects(self, run: Overlay, shown: ObjectsPresenter) -> None:
        from viewer.ui.overlays.objects_presenter import MEASURE_COLORS

        page, style = self._panel.objects, shown.style
        page.show_style(style, run.origin.colors, shown.measurements)
        if style.measurement is not None:
            page.show_histogram(histogram(shown.found, style.measurement), MEASURE_COLORS)

    def _set_style(self, style: HeatmapStyle) -> None:
        if (shown := self._shown_heatmap()) is not None:
            shown.set_style(style)

    def show_score(self, run: Overlay, index: int) -> None:
        """Show one of the scores of a heatmap."""
        from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter

        if isinstance(run.shown, HeatmapPresenter):
            run.shown.set_style(replace(run.shown.style, shown=index))
            if run is self._active():
                self._show_heatmap_style(run.shown)

    # Likeness and few-shot classes -----------------------------------------------------------

    def find_similar(self, area: Area | None = None) -> None:
        """Asks what is like an area, by default the field of view, of what is known and comes."""
        run, shown = self._active(), self._shown_heatmap()
        if run is None or shown is None or run.origin.task != "embedding":
            self._window.say("Turn on the model Tissue likeness first, in the Overlays panel.")
            return
        canvas = run.pane.canvas
        like = canvas.view.box.intersection(canvas.slide_box) if area is None else area
        shown.set_query(replace(shown.query, like=like))
        self._panel.show()

    def _ask_class(self) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("New class")
        dialog.setLabelText("What do the fields of this class show?")
        dialog.textValueSelected.connect(self._add_class)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

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
        names = shown.query.names
        names += [name for name in self._new_classes if name not in names]
        counts = [sum(mark.name == name for mark in shown.query.marks) for name in names]
        colors = [class_color(index) for index in range(len(names))]
        self._panel.query.show_classes(list(zip(names, colors, counts, strict=True)), chosen)

    # The gallery -----------------------------------------------------------------------------

    def _show_gallery(self, run: Overlay, shown: HeatmapPresenter) -> None:
        from viewer.ui.overlays.gallery import GalleryField

        heatmap = shown.heatmap
        is_value = heatmap is not None and heatmap.classes is None
        if heatmap is None or not is_value:
            self._panel.gallery.show_fields(None, [])
            return
        fields = [
            GalleryField(shown.found.cell_box(*cell), heatmap.value_text(*cell))
            for cell in heatmap.best
        ]
        self._panel.gallery.show_fields(run.pane.source, fields)

    def _travel(self, field: GalleryField) -> None:
        from viewer.ui.overlays.gallery import travel_to

        if (run := self._active()) is not None:
            travel_to(run.pane.canvas, field.box)
            run.viewed.emit(ResultAt(field.text, field.box))

    def _shown_heatmap(self) -> HeatmapPresenter | None:
        from viewer.ui.overlays.heatmap_presenter import HeatmapPresenter

        run = self._active()
        return run.shown if run is not None and isinstance(run.shown, HeatmapPresenter) else None
