"""Figures from the window: asked for, made in the background, saved or copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication, QImage

from viewer.annotations.annotation import NO_CLASS
from viewer.canvas.scale_bar import ScaleBar
from viewer.overlays.shown_overlays import overlays_text
from viewer.slides.remote.address import folder_beside
from viewer.ui.figures.figure_choice import FigureChoice, figure_size_px, figure_view, region_view
from viewer.ui.figures.legend import Entry, Legend, gradient_entries
from viewer.ui.file_dialogs import ask_new_file
from viewer.ui.progress_dialog import ProgressDialog
from viewer.ui.services import CommandHost, DialogHost, DrawingHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from viewer.canvas.layer import Layer
    from viewer.geometry import Box, View
    from viewer.ui.figures.figure_job import FigureJob
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.slides.slide_pane import SlidePane

FIGURE_FILTERS = {
    "PNG picture (*.png)": ".png",
    "TIFF picture (*.tif *.tiff)": ".tif",
    "PDF document (*.pdf)": ".pdf",
    "JPEG picture (*.jpg *.jpeg)": ".jpg",
}
_MOST_COPIED_PX = 64_000_000


class FiguresHost(MessageHost, DialogHost, PaneHost, CommandHost, DrawingHost, Protocol):
    """What figures ask of the window."""

    overlays: OverlaysController


class FigureController(QObject):
    """Owned by the window; `shut_down` gives up what is being made."""

    def __init__(self, window: FiguresHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._choice = FigureChoice()
        self._jobs: dict[FigureJob, tuple[SlidePane, ProgressDialog]] = {}
        window.commands.on("file.save_picture", self.ask)
        window.commands.on("edit.copy_region", self.copy_region)
        window.panes.watch(self._watch)

    def shut_down(self) -> None:
        for job in list(self._jobs):
            job.shut_down()

    def ask(self) -> None:
        """Ask how the active pane's view, or the selected region, becomes a figure."""
        from viewer.ui.figures.figure_dialog import FigureDialog
        from viewer.ui.opened_dialog import open_dialog

        pane = self._window.panes.active
        if pane.source is None:
            return
        view, region = self._views(pane)
        size = region.size if region is not None else None
        dialog = FigureDialog(self._choice, view.size, size, self._window.window())

        def chosen() -> View | None:
            choice = dialog.choice
            if choice is None:
                return None
            self._choice = choice
            return region if choice.is_region else view

        def save() -> None:
            which = chosen()
            if which is not None:
                self._ask_where(pane, which)

        def copy() -> None:
            which = chosen()
            if which is not None:
                self._copy(pane, which, self._choice)

        dialog.accepted.connect(save)
        dialog.copy_wanted.connect(copy)
        open_dialog(dialog)

    def copy_region(self) -> None:
        """Copy the selected region as the screen shows it, or as large as the view allows."""
        pane = self._window.panes.active
        if pane.source is None:
            return
        _, region = self._views(pane)
        if region is None:
            self._window.say("Select a region first, to copy its image.")
            return
        ratio = pane.canvas.devicePixelRatioF()
        choice = FigureChoice(
            True, 96.0 * ratio, max(region.size.width, 1.0) / 96.0 * 2.54, has_legend=False
        )
        self._copy(pane, region, choice)

    # -----------------------------------------------------------------------------------------

    def _views(self, pane: SlidePane) -> tuple[View, View | None]:
        """Return the view of a pane, and that of what is selected in it."""
        view = pane.canvas.destination
        active = self._window.annotations.of(pane)
        box = None if active is None else active.chosen_bounds
        return view, None if box is None else region_view(view, box)

    def _ask_where(self, pane: SlidePane, view: View) -> None:
        if pane.path is None:
            return
        choice = self._choice
        ask_new_file(
            self._window.window(),
            "Save figure",
            lambda path, _: self.write(pane, view, choice, path),
            formats=FIGURE_FILTERS,
            start=folder_beside(pane.path),
            stem=f"{pane.path.stem} figure",
        )

    def write(self, pane: SlidePane, view: View, choice: FigureChoice, path: Path) -> None:
        """Write a view of a pane's slide as a figure; the ending of the name tells the format."""
        from viewer.ui.figures.writing import too_large, write_figure

        size_px = figure_size_px(view.size, choice)
        if problem := too_large(path, size_px):
            self._window.show_error(f"{problem}: choose fewer dpi or a smaller width.")
            return

        shown = self._window.overlays.shown_in(pane) if choice.has_overlays else []
        description = overlays_text(shown)

        def write(strips: Iterator[QImage]) -> str:
            write_figure(strips, size_px, choice.dpi, path, description)
            return f"Wrote {path.name}."

        self._run(pane, view, choice, write, lambda text: self._window.say(str(text)))

    def _copy(self, pane: SlidePane, view: View, choice: FigureChoice) -> None:
        from viewer.ui.figures.writing import joined

        size_px = figure_size_px(view.size, choice)
        if size_px[0] * size_px[1] > _MOST_COPIED_PX:
            self._window.say(
                f"{size_px[0]:,} × {size_px[1]:,} px are too many for the clipboard: save the "
                "figure instead."
            )
            return

        def take(picture: object) -> None:
            assert isinstance(picture, QImage)
            QGuiApplication.clipboard().setImage(picture)
            self._window.say(f"Copied {picture.width():,} × {picture.height():,} px.")

        self._run(pane, view, choice, lambda strips: joined(strips, size_px, choice.dpi), take)

    def _run(
        self,
        pane: SlidePane,
        view: View,
        choice: FigureChoice,
        write: Callable[[Iterator[QImage]], object],
        done: Callable[[object], object],
    ) -> None:
        from viewer.ui.figures.figure_job import FigureJob, FigurePlan

        whole = figure_view(view, choice)
        furniture: list[Layer] = []
        if choice.has_scale_bar:
            furniture.append(ScaleBar())
        if choice.has_legend and choice.has_overlays:
            furniture.append(Legend(self._entries(pane, whole.box)))
        size_px = figure_size_px(view.size, choice)
        plan = FigurePlan(whole, size_px, choice.dpi, choice.has_overlays, tuple(furniture))
        job = FigureJob(pane.canvas, plan, write, self)
        window = self._window.window()
        progress = ProgressDialog("Export figure", "Painting the figure...", window)
        progress.canceled.connect(job.cancel)
        self._jobs[job] = pane, progress
        job.progressed.connect(progress.show_share)
        job.done.connect(lambda result: self._on_done(job, result, done))
        job.failed.connect(lambda error: self._on_failed(job, error))

    def _entries(self, pane: SlidePane, field: Box) -> list[Entry]:
        """Return what the colors over the slide mean."""
        from viewer.canvas.annotations_layer import AnnotationsLayer

        entries: list[Entry] = []
        for overlay in self._window.overlays.all_of(pane):
            if not overlay.is_visible:
                continue
            if overlay.as_objects is not None:
                entries += [(color, name) for name, color in overlay.origin.colors]
            elif (shown := overlay.as_heatmap) is not None and shown.heatmap is not None:
                heatmap = shown.heatmap
                if heatmap.classes is None:
                    entries += gradient_entries(overlay.origin.name, heatmap)
                else:
                    entries += [(color, name) for name, color in shown.legend()]
        for _, layer in pane.canvas.layers_over_slide():
            if isinstance(layer, AnnotationsLayer) and layer.is_shown:
                entries += [
                    (each.shown_color, each.class_name or NO_CLASS)
                    for each in layer.document.inside(field)
                ]
        return entries

    def _on_done(self, job: FigureJob, result: object, done: Callable[[object], object]) -> None:
        unreadable = job.unreadable
        self._forget(job)
        done(result)
        if unreadable:
            self._window.show_error(
                f"The figure is incomplete: {unreadable:,} tiles cannot be read and are hatched."
            )

    def _on_failed(self, job: FigureJob, error: Exception) -> None:
        from viewer.ui.figures.figure_job import FigureCanceledError

        self._forget(job)
        if isinstance(error, FigureCanceledError):
            self._window.say(str(error))
        else:
            self._window.show_error(str(error))

    def _forget(self, job: FigureJob) -> None:
        _, progress = self._jobs.pop(job)
        progress.finish()
        job.deleteLater()

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_closing.connect(self._on_closing)

    def _on_closing(self, pane: SlidePane) -> None:
        """A slide that leaves takes its figures along: the rest of them could not be read."""
        for job, (of, _) in list(self._jobs.items()):
            if of is pane:
                job.cancel()
