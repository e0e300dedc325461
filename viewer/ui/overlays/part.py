"""All overlays of one window: commands, panel and the engines of its panes put together."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog

from viewer.inference.bundle import BundleError, ModelBundle
from viewer.inference.model_library import add_model, all_models
from viewer.overlays.export import FORMATS, check_name, write_objects
from viewer.ui.background import Background
from viewer.ui.overlays.overlay_run import OverlayRun
from viewer.ui.overlays.overlays_dock import OverlaysDock

if TYPE_CHECKING:
    from viewer.ui.main_window import MainWindow
    from viewer.ui.slide_pane import SlidePane

_log = logging.getLogger(__name__)


class OverlaysPart(QObject):
    """Owned by the window; `shut_down` ends the engines."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._background = Background("overlays", 1, self)
        self._runs: dict[SlidePane, OverlayRun] = {}
        self.dock = OverlaysDock(window)
        self._connect()
        self._background.run(all_models, self._show_models)

    def shut_down(self) -> None:
        """Ends the engines; their results are kept."""
        for pane in list(self._runs):
            self._end(pane)
        self._background.close(finish=True)

    def run_of(self, pane: SlidePane) -> OverlayRun | None:
        """The overlay that is on in a pane."""
        return self._runs.get(pane)

    def take_model(self, folder: Path) -> None:
        """Adds a model from a folder and turns it on in the active pane."""
        self._background.run(
            lambda: (add_model(folder), all_models()), self._on_added, self._on_not_added
        )

    # Turning on and off ----------------------------------------------------------------------

    def _switch(self, on: bool) -> None:
        pane, bundle = self._window.panes.active, self.dock.chosen()
        self._end(pane)
        if on and bundle is not None:
            self._begin(pane, bundle)
        self._show_active()

    def _begin(self, pane: SlidePane, bundle: ModelBundle) -> None:
        if pane.source is None or pane.path is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        run = OverlayRun(pane, pane.path, bundle, self)
        run.set_opacity(self.dock.opacity.value() / 100)
        run.set_filled(filled=self.dock.filled.isChecked())
        run.changed.connect(lambda: self._on_run_changed(run))
        run.troubled.connect(self._window.say)
        run.failed.connect(lambda sentence: self._on_failed(run, sentence))
        self._runs[pane] = run

    def _end(self, pane: SlidePane) -> None:
        run = self._runs.pop(pane, None)
        if run is not None:
            run.shut_down()
            run.deleteLater()

    def _on_failed(self, run: OverlayRun, sentence: str) -> None:
        """A model that fails is switched off, and says why."""
        if self._runs.get(run.pane) is run:
            self._end(run.pane)
            self._window.show_trouble(sentence)
            self._show_active()

    def _blink(self) -> None:
        """Hides and shows the objects, to see what is under them."""
        run = self._active
        if run is not None:
            run.set_visible(visible=not run.is_visible)

    # What happens round it -------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        run = self._runs.get(pane)
        if run is not None:
            bundle = run.bundle
            self._end(pane)
            if pane.source is not None and not self._why_not(pane):
                self._begin(pane, bundle)
        self._show_active()

    def _on_panes_changed(self) -> None:
        for pane in [pane for pane in self._runs if pane not in self._window.panes.panes]:
            self._end(pane)
        self._show_active()

    def _on_run_changed(self, run: OverlayRun) -> None:
        if run is self._active:
            self._show_figures(run)

    def _show_active(self) -> None:
        pane = self._window.panes.active
        run, why_not = self._active, self._why_not(pane)
        self._window.commands["overlays.on"].setChecked(run is not None)
        if run is not None:
            self.dock.show_models(self._models(), run.bundle.key)
        self.dock.show_run(is_on=run is not None, can_run=not why_not, why_not=why_not)
        bundle = self.dock.chosen()
        self.dock.show_legend(bundle.colours if bundle is not None else [])
        if run is not None:
            self._show_figures(run)

    def _show_figures(self, run: OverlayRun) -> None:
        lines = [
            f"{run.count_in_view:,} in view, {run.objects.count:,} on the slide so far",
        ]
        if run.device:
            lines.append(f"Working on: {run.device}")
        if run.progress.is_busy:
            lines.append("Computing...")
        self.dock.show_figures(lines, run.progress)

    def _why_not(self, pane: SlidePane) -> str:
        if pane.source is None:
            return "Open a slide first."
        if pane.canvas.optics.mpp_um is None:
            return "Set the slide's pixel size first: models are fed a fixed um/px."
        return "" if self.dock.chosen() is not None else "There is no model."

    # Models and results ----------------------------------------------------------------------

    def _models(self) -> list[ModelBundle]:
        box = self.dock.model
        return [box.itemData(index) for index in range(box.count())]

    def _show_models(self, models: list[ModelBundle]) -> None:
        self.dock.show_models(models)
        self._show_active()

    def _on_model_chosen(self) -> None:
        if self._active is not None:
            self._switch(on=True)
        self._show_active()

    def _on_added(self, added: tuple[ModelBundle, list[ModelBundle]]) -> None:
        bundle, models = added
        self.dock.show_models(models, bundle.key)
        self.dock.show()
        self._window.say(f"The model {bundle.description.name} was added.")
        if self._window.panes.active.source is not None:
            self._switch(on=True)
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

    def _ask_export(self) -> None:
        run = self._active
        if run is None:
            return
        dialog = QFileDialog(self._window, "Export objects")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(
            [f"{name} ({' '.join(f'*{end}' for end in ends)})" for name, ends in FORMATS.items()]
        )
        dialog.setDefaultSuffix("geojson")
        dialog.fileSelected.connect(lambda name: self._export(run, Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _export(self, run: OverlayRun, path: Path) -> None:
        if complaint := check_name(path):
            self._window.show_trouble(complaint)
            return
        objects, colours, mpp_um = run.objects.all_objects(), run.bundle.colours, run.mpp_um
        box = run.pane.canvas.slide_box
        self._background.run(
            lambda: write_objects(path, objects, colours, box, mpp_um),
            lambda _: self._window.say(f"{len(objects):,} objects were written to {path.name}."),
            lambda error: self._window.show_trouble(f"{path.name} cannot be written ({error})."),
        )

    # -----------------------------------------------------------------------------------------

    @property
    def _active(self) -> OverlayRun | None:
        return self._runs.get(self._window.panes.active)

    def _connect(self) -> None:
        window, dock, commands = self._window, self.dock, self._window.commands
        commands.on_toggle("overlays.on", self._switch)
        commands.on("overlays.blink", self._blink)
        commands.on("overlays.run_slide", lambda: (run := self._active) and run.run_slide())
        commands.on("overlays.stop", lambda: (run := self._active) and run.stop())
        commands.on("overlays.add_model", self._ask_model)
        dock.switched.connect(self._switch)
        dock.model_chosen.connect(self._on_model_chosen)
        dock.run_requested.connect(lambda: (run := self._active) and run.run_slide())
        dock.stop_requested.connect(lambda: (run := self._active) and run.stop())
        dock.add_requested.connect(self._ask_model)
        dock.export_requested.connect(self._ask_export)
        dock.opacity_changed.connect(
            lambda opacity: (run := self._active) and run.set_opacity(opacity)
        )
        dock.filled_changed.connect(
            lambda filled: (run := self._active) and run.set_filled(filled=filled)
        )
        window.panes.active_changed.connect(lambda _: self._show_active())
        window.panes.panes_changed.connect(self._on_panes_changed)
        for pane in window.panes.panes:
            pane.slide_changed.connect(self._on_slide_changed)
        window.panes.pane_added.connect(
            lambda pane: pane.slide_changed.connect(self._on_slide_changed)
        )
