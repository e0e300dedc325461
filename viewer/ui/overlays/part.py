"""All overlays of one window: commands, panel and the engines of its panes put together."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QFileDialog

from viewer.inference.bundle import BundleError, ModelBundle
from viewer.inference.judging import engine_model
from viewer.inference.model_library import add_model, all_models
from viewer.overlays.result_store import clear_results
from viewer.ui.background import Background
from viewer.ui.overlays.exporting import ask_export
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.overlay_settings import OverlaySettings
from viewer.ui.overlays.overlays_dock import OverlaysDock, shown_progress

if TYPE_CHECKING:
    from viewer.geometry import Point
    from viewer.ui.main_window import MainWindow
    from viewer.ui.slide_pane import SlidePane

_log = logging.getLogger(__name__)

_FIGURES_MS = 100
"""A slide that is opened again brings thousands of blocks at once; counting anew for each of them
would hold up the window."""

Runs = dict[str, OverlayRun]
"""By the key of their model."""


class OverlaysPart(QObject):
    """Owned by the window; `shut_down` ends the engines."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._background = Background("overlays", 1, self)
        self._runs: dict[SlidePane, Runs] = {}
        self.dock = OverlaysDock(window)
        self._settings = OverlaySettings(window, self.dock, lambda: self.active, self)
        self._figures = QTimer(self, singleShot=True, interval=_FIGURES_MS)
        self._figures.timeout.connect(self._show_figures)
        self._connect()
        self._background.run(all_models, self._show_models)
        keep_bytes = window.settings.results_gib << 30
        self._background.run(lambda: clear_results(keep_bytes=keep_bytes), lambda _: None)

    def shut_down(self) -> None:
        """Ends the engines; their results are kept."""
        self._figures.stop()
        for pane in list(self._runs):
            self._end_all(pane)
        self._background.close(finish=True)
        self.dock.gallery.close_reading()

    def run_of(self, pane: SlidePane) -> OverlayRun | None:
        """The overlay of the chosen model that is on in a pane."""
        bundle = self.dock.models.chosen()
        return self._runs.get(pane, {}).get(bundle.key) if bundle is not None else None

    @property
    def active(self) -> OverlayRun | None:
        """The overlay of the chosen model in the active pane."""
        return self.run_of(self._window.panes.active)

    def take_model(self, folder: Path) -> None:
        """Adds a model from a folder or zip file and turns it on in the active pane."""
        self._background.run(
            lambda: (add_model(folder), all_models()), self._on_added, self._on_not_added
        )

    # Turning on and off ----------------------------------------------------------------------

    def _switch_chosen(self, on: bool) -> None:
        bundle = self.dock.models.chosen()
        if bundle is not None:
            self._switch(bundle, on)

    def _switch(self, bundle: ModelBundle, on: bool) -> None:
        pane = self._window.panes.active
        self._end(pane, bundle.key)
        if on:
            self._begin(pane, bundle)
        self._restack(pane)
        self._show_active()

    def _begin(self, pane: SlidePane, bundle: ModelBundle) -> None:
        if pane.source is None or pane.path is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        try:
            fed = engine_model(bundle, self.dock.models.models())
        except BundleError as error:
            self._window.show_trouble(str(error))
            return
        run = OverlayRun(pane, pane.path, bundle, fed, self._window.settings.device, self)
        run.changed.connect(lambda: self._on_run_changed(run))
        run.troubled.connect(self._window.say)
        run.failed.connect(lambda sentence: self._on_failed(run, sentence))
        self._runs.setdefault(pane, {})[bundle.key] = run

    def _end(self, pane: SlidePane, key: str) -> None:
        run = self._runs.get(pane, {}).pop(key, None)
        if run is not None:
            run.shut_down()
            run.deleteLater()

    def _end_all(self, pane: SlidePane) -> None:
        for key in list(self._runs.get(pane, {})):
            self._end(pane, key)
        self._runs.pop(pane, None)

    def _on_failed(self, run: OverlayRun, sentence: str) -> None:
        """A model that fails is switched off, and says why."""
        if self._runs.get(run.pane, {}).get(run.bundle.key) is run:
            self._end(run.pane, run.bundle.key)
            self._window.show_trouble(sentence)
            self._show_active()

    def _blink(self) -> None:
        """Hides and shows all overlays of the pane, to see what is under them."""
        runs = list(self._runs.get(self._window.panes.active, {}).values())
        is_any = any(run.is_visible for run in runs)
        for run in runs:
            run.set_visible(visible=not is_any)
        if not is_any:
            self._restack(self._window.panes.active)

    def _restack(self, pane: SlidePane) -> None:
        """Paints the overlays in the order of the list, the first on top."""
        runs = self._runs.get(pane, {})
        for bundle in reversed(self.dock.models.models()):
            run = runs.get(bundle.key)
            if run is not None and run.is_visible:
                run.set_visible(visible=False)
                run.set_visible(visible=True)

    # What happens round it -------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        bundles = [run.bundle for run in self._runs.get(pane, {}).values()]
        self._end_all(pane)
        if pane.source is not None and not self._why_not(pane):
            for bundle in bundles:
                self._begin(pane, bundle)
        self._show_active()

    def _on_panes_changed(self) -> None:
        for pane in [pane for pane in self._runs if pane not in self._window.panes.panes]:
            self._end_all(pane)
        self._show_active()

    def _on_run_changed(self, run: OverlayRun) -> None:
        if run.pane is self._window.panes.active and not self._figures.isActive():
            self._figures.start()

    def _show_figures(self) -> None:
        run = self.active
        if run is not None:
            self._settings.show_figures(run)
        if run is not None and run.progress.total:
            self._tell_value(run.pane, None)

    def _show_active(self) -> None:
        pane = self._window.panes.active
        self._window.commands["overlays.on"].setChecked(self.active is not None)
        self.dock.models.show_on(set(self._runs.get(pane, {})))
        self._settings.show(self.active, self._why_not(pane))

    def _why_not(self, pane: SlidePane) -> str:
        if pane.source is None:
            return "Open a slide first."
        if pane.canvas.optics.mpp_um is None:
            return "Set the slide's pixel size first: models are fed a fixed um/px."
        return "" if self.dock.models.count() else "There is no model."

    # Models and results ----------------------------------------------------------------------

    def _show_models(self, models: list[ModelBundle]) -> None:
        self.dock.models.show_models(models)
        self._show_active()

    def _on_added(self, added: tuple[ModelBundle, list[ModelBundle]]) -> None:
        bundle, models = added
        self.dock.models.show_models(models, bundle.key)
        self.dock.show()
        self._window.say(f"The model {bundle.description.name} was added.")
        if self._window.panes.active.source is not None:
            self._switch(bundle, on=True)
        self._show_active()

    def _on_not_added(self, error: Exception) -> None:
        if not isinstance(error, BundleError):
            _log.error("a model could not be added", exc_info=error)
        self._window.show_trouble(str(error))

    def _ask_model(self) -> None:
        dialog = QFileDialog(self._window, "Folder of a model")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.take_model(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _export(self) -> None:
        if self.active is not None:
            ask_export(self._window, self._background, self.active)

    def _clear_results(self) -> None:
        """Of all slides; what is shown stays until its slide is closed."""
        self._background.run(
            clear_results,
            lambda freed: self._window.say(f"Kept results were removed: {freed / 1e6:,.0f} MB."),
            lambda error: self._window.show_trouble(f"Results cannot be removed ({error})."),
        )

    def _tell_value(self, pane: SlidePane, point: Point | None) -> None:
        """Tells what the overlays have under the cursor, else how far a run over the slide is."""
        if pane is not self._window.panes.active:
            return
        runs = list(self._runs.get(pane, {}).values())
        values = [run.shown.value_at(point) for run in runs] if point is not None else []
        self._window.status.show_overlay("; ".join(filter(None, values)) or self._progress(runs))

    def _progress(self, runs: list[OverlayRun]) -> str:
        going = [run for run in runs if run.progress.total > run.progress.done]
        return "; ".join(
            f"{run.bundle.description.name} {shown_progress(run.progress)}" for run in going
        )

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)
        pane.canvas.cursor_moved.connect(lambda point: self._tell_value(pane, point))

    def _run_slide(self) -> None:
        if self.active is not None:
            self.active.run_slide()

    def _stop(self) -> None:
        if self.active is not None:
            self.active.stop()

    def _connect(self) -> None:
        window, dock, commands = self._window, self.dock, self._window.commands
        commands.on_toggle("overlays.on", self._switch_chosen)
        commands.on("overlays.blink", self._blink)
        commands.on("overlays.run_slide", self._run_slide)
        commands.on("overlays.stop", self._stop)
        commands.on("overlays.add_model", self._ask_model)
        commands.on("overlays.clear_results", self._clear_results)
        dock.models.switched.connect(self._switch)
        dock.models.chosen_changed.connect(self._show_active)
        dock.models.order_changed.connect(lambda: self._restack(window.panes.active))
        dock.run_requested.connect(self._run_slide)
        dock.stop_requested.connect(self._stop)
        dock.add_requested.connect(self._ask_model)
        dock.export_requested.connect(self._export)
        window.panes.active_changed.connect(lambda _: self._show_active())
        window.panes.panes_changed.connect(self._on_panes_changed)
        for pane in window.panes.panes:
            self._watch(pane)
        window.panes.pane_added.connect(self._watch)
