"""All overlays of one window: commands, panel and the engines of its panes put together."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QFileDialog

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Size
from viewer.inference.ai_extra import missing_ai
from viewer.overlays.clicked_regions import regions_path
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.overlays.click_segmenting import ClickSegmenting
from viewer.ui.overlays.elsewhere_search import ElsewhereSearch
from viewer.ui.overlays.one_heatmap import paint_one_heatmap
from viewer.ui.overlays.overlay import Overlay
from viewer.ui.overlays.overlay_commands import OverlayCommands
from viewer.ui.overlays.overlay_settings import OverlaySettings
from viewer.ui.overlays.overlays_panel import OverlaysPanel, shown_progress
from viewer.ui.overlays.tissue_view import TissueView
from viewer.ui.slides.slide_place import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.formats.origins import Origin
    from viewer.geometry import Point
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.earlier_results import EarlierResults
    from viewer.overlays.files.result_file import ResultFile
    from viewer.slides.source import SlideSource
    from viewer.ui.main_window import MainWindow
    from viewer.ui.overlays.overlay import OverlaySource
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)

_FIGURES_MS = 100
"""A slide that is opened again brings thousands of blocks at once; counting anew for each of them
would hold up the window."""

_SAME_SCALE = 1e-6
"""A pixel size that differs by a smaller share is the same."""

Overlays = dict[str, Overlay]
"""By the key of where they come from."""


class OverlaysController(QObject):
    """Owned by the window; `shut_down` ends the engines."""

    figures_changed = Signal()
    """What is found or shown in the active pane is other than it was."""
    began = Signal(object)
    """An Overlay is on."""
    models_changed = Signal(object)
    """All ModelBundles at hand."""
    pointed_at = Signal(object, object)
    """The Overlay and its ResultAt under the cursor, or None and None where there is none."""

    def __init__(self, window: MainWindow) -> None:
        from viewer.inference.models.model_library import all_models
        from viewer.overlays.result_store import clear_results

        super().__init__(window)
        self._window = window
        self._background = BackgroundRunner("overlays", 1, self)
        self._runs: dict[SlidePane, Overlays] = {}
        self._files: dict[SlidePane, list[ResultFile]] = {}
        self.hidden_by: Callable[[SlidePane], str] = lambda _: ""
        """Says why a study hides models and results on a pane's slide; "" where it does not."""
        self.other_values: list[Callable[[SlidePane, Point], str]] = []
        """Give what else is known of a level-0 point of a pane's slide, for the status bar."""
        self.panel = OverlaysPanel(window)
        self.commands = OverlayCommands(window, self, self._background)
        self.settings = OverlaySettings(window, self.panel, lambda: self.active, self)
        self._elsewhere = ElsewhereSearch(window, self.panel, lambda: self.active, self)
        self._clicks = ClickSegmenting(window, self)
        self.tissue = TissueView(window, self._background, self)
        self._figures = QTimer(self, singleShot=True, interval=_FIGURES_MS)
        self._figures.timeout.connect(self.show_figures)
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
        self._elsewhere.shut_down()
        self._clicks.shut_down()
        for gallery in (self.panel.gallery, self.panel.elsewhere):
            gallery.close_reading()

    def run_of(self, pane: SlidePane) -> Overlay | None:
        """Return the overlay of the chosen model or file that is on in a pane."""
        bundle = self.panel.models.chosen()
        return self._runs.get(pane, {}).get(bundle.key) if bundle is not None else None

    def all_of(self, pane: SlidePane) -> list[Overlay]:
        """Return the overlays that are on in a pane."""
        return list(self._runs.get(pane, {}).values())

    @property
    def active(self) -> Overlay | None:
        """Return the overlay of the chosen model in the active pane."""
        return self.run_of(self._window.panes.active)

    def take_model(self, folder: Path) -> None:
        """Adds a model from a folder or zip file and turns it on in the active pane."""
        from viewer.inference.models.model_library import add_model, all_models

        self._background.run(
            lambda: (add_model(folder), all_models()), self._on_added, self._on_not_added
        )

    def take_results(self, path: Path, pane: SlidePane, origin: Origin | None = None) -> None:
        """Shows results made elsewhere over the slide of a pane; `origin` as `read_result_file`."""
        from viewer.overlays.files.result_files import read_result_file
        from viewer.ui.slides.origin_question import UnstatedOriginError, ask_origin, check_origin

        if pane.source is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        box, source, place = pane.canvas.slide_box, pane.source, place_of(pane)
        size, mpp_um = Size(box.width, box.height), pane.canvas.optics.mean_mpp_um or 1.0

        def read() -> ResultFile:
            if path.suffix.lower() in (".geojson", ".json"):
                check_origin(path, place, origin)
            return read_result_file(path, size, mpp_um, place, origin)

        def on_error(error: Exception) -> None:
            if isinstance(error, UnstatedOriginError):
                ask_origin(window, path.name, lambda said: self.take_results(path, pane, said))
            else:
                self._on_not_added(error)

        window = self._window
        self._background.run(
            read,
            lambda file: self._on_results(file, pane) if pane.source is source else None,
            on_error,
        )

    def end_hidden(self) -> None:
        """End the overlays of slides on which a study hides them now."""
        for pane in self._window.panes.panes:
            if pane.source is not None and self.hidden_by(pane):
                self._end_all(pane)
                self._forget_files(pane)
                self._clicks.forget(pane)
        self._show_active()

    # Turning on and off ----------------------------------------------------------------------

    def switch_chosen(self, on: bool) -> None:
        """Turns the chosen model on or off in the active pane."""
        bundle = self.panel.models.chosen()
        if bundle is not None:
            self._switch(bundle, on)
            if on and self.active is not None:
                self._window.say(f"{bundle.name} is on: it looks at what is in view first.")

    def _switch(self, origin: OverlaySource, on: bool) -> None:
        from viewer.inference.models.bundle import ModelBundle

        pane = self._window.panes.active
        if on and pane.source is not None and (hidden := self.hidden_by(pane)):
            self._window.say(hidden)
            self._show_active()
            return
        if origin.task == "prompt" and isinstance(origin, ModelBundle):
            self._clicks.use_model(origin if on else None)
            return
        self._end(pane, origin.key)
        if on:
            self._begin(pane, origin)
        self._restack(pane)
        self._paint_one_heatmap(pane, even_if_hidden=True)
        self._show_active()

    def _begin(self, pane: SlidePane, origin: OverlaySource) -> None:
        from viewer.inference.models.bundle import BundleError, ModelBundle
        from viewer.inference.models.training_data import refusal
        from viewer.inference.runs.slide_inference import engine_model
        from viewer.overlays.files.result_file import ResultFile
        from viewer.ui.overlays.overlay import FileOverlay, JudgedFile
        from viewer.ui.overlays.overlay_run import OverlayRun

        if pane.source is None or pane.path is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        run: Overlay
        if isinstance(origin, ResultFile):
            run = FileOverlay(pane, origin, self)
        elif isinstance(origin, ModelBundle):
            sentence = refusal(origin.description.training, origin.name, pane.source.info)
            if sentence:
                self._window.show_error(sentence)
                return
            if (file := self._vectors_for(origin, pane)) is not None:
                run = JudgedFile(pane, origin, file, self)
            else:
                try:
                    fed = engine_model(origin, self._bundles())
                except BundleError as error:
                    self._window.show_error(str(error))
                    return
                run = OverlayRun(pane, pane.path, origin, fed, self._window.settings.device, self)
        else:
            raise TypeError(f"{origin} is neither a model nor a file")
        run.set_paused(paused=self.commands.is_paused)
        run.changed.connect(lambda: self._on_run_changed(run))
        run.look_changed.connect(lambda: self._on_look_changed(run))
        run.troubled.connect(self._window.say)
        run.failed.connect(lambda sentence: self._on_failed(run, sentence))
        self._runs.setdefault(pane, {})[origin.key] = run
        self.began.emit(run)

    def _vectors_for(self, bundle: ModelBundle, pane: SlidePane) -> ResultFile | None:
        """Return the file of a pane whose vectors a slide model judges; None without one."""
        from viewer.inference.runs.slide_inference import JudgingError, check_vectors

        if bundle.description.encoder is None:
            return None
        for file in self._files.get(pane, []):
            try:
                notes = check_vectors(bundle, file)
            except JudgingError as error:
                if file.vectors is not None:
                    self._window.show_error(str(error))
                continue
            known = f"{bundle.name} judges the vectors of {file.name}: nothing is embedded anew."
            self._window.say(" ".join([known, *notes]))
            return file
        return None

    def _end(self, pane: SlidePane, key: str) -> None:
        run = self._runs.get(pane, {}).pop(key, None)
        if run is not None:
            run.shut_down()
            run.look_changed.emit()
            run.deleteLater()

    def _end_all(self, pane: SlidePane) -> None:
        for key in list(self._runs.get(pane, {})):
            self._end(pane, key)
        self._runs.pop(pane, None)

    def _bundles(self) -> list[ModelBundle]:
        from viewer.inference.models.bundle import ModelBundle

        return [each for each in self.panel.models.models() if isinstance(each, ModelBundle)]

    def _on_failed(self, run: Overlay, sentence: str) -> None:
        """A model that fails is switched off, and says why."""
        if self._runs.get(run.pane, {}).get(run.origin.key) is run:
            self._end(run.pane, run.origin.key)
            self._window.show_error(sentence)
            self._show_active()

    def _blink(self) -> None:
        """Hides and shows all overlays of the pane, to see what is under them."""
        runs = list(self._runs.get(self._window.panes.active, {}).values())
        is_any = any(run.is_visible for run in runs)
        for run in runs:
            run.set_visible(visible=not is_any)
        if not is_any:
            self._restack(self._window.panes.active)
        for run in runs:
            run.look_changed.emit()

    def show_overlay(self, run: Overlay, shown: bool) -> None:
        """Show or hide one overlay of a pane; the model goes on."""
        run.set_visible(visible=shown)
        run.look_changed.emit()
        if shown and run.shown.stratum is LayerOrder.HEATMAPS:
            others = [each for each in self.all_of(run.pane) if each is not run]
            if sentence := paint_one_heatmap([run, *others], run):
                self._window.say(sentence)

    def _restack(self, pane: SlidePane) -> None:
        """Paints the overlays in the order of the list, the first on top."""
        runs = self._runs.get(pane, {})
        for bundle in reversed(self.panel.models.models()):
            run = runs.get(bundle.key)
            if run is not None and run.is_visible:
                run.set_visible(visible=False)
                run.set_visible(visible=True)
        self._paint_one_heatmap(pane)

    def _paint_one_heatmap(self, pane: SlidePane, *, even_if_hidden: bool = False) -> None:
        runs, chosen = self.all_of(pane), self.run_of(pane)
        if sentence := paint_one_heatmap(runs, chosen, even_if_hidden=even_if_hidden):
            self._window.say(sentence)

    # What happens round it -------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        from viewer.inference.models.bundle import ModelBundle

        runs = self._runs.get(pane, {}).values()
        bundles = [run.origin for run in runs if isinstance(run.origin, ModelBundle)]
        self._end_all(pane)
        self._forget_files(pane)
        self._clicks.forget(pane)
        self._show_pointed_out(pane)
        if pane is self._window.panes.active:
            self._show_earlier()
        if pane.source is not None and not self._why_not(pane):
            for bundle in bundles:
                self._begin(pane, bundle)
        self._show_active()
        self._prepare(self.panel.isVisible())

    def _prepare(self, is_visible: bool) -> None:
        """Have a model process ready while the panel that turns models on is seen."""
        from viewer.inference.process.spare_process import prepare_model_process

        if is_visible and not self._why_not(self._window.panes.active):
            prepare_model_process()

    def _on_view_changed(self, pane: SlidePane, cause: str) -> None:
        """A new pixel size ends what was made with the former: sizes and places would be wrong."""
        if cause != "optics":
            return
        mpp_um = pane.canvas.optics.mean_mpp_um
        ended = [
            run
            for run in self._runs.get(pane, {}).values()
            if mpp_um is None or abs(run.mpp_um / mpp_um - 1) > _SAME_SCALE
        ]
        for run in ended:
            self._end(pane, run.origin.key)
        if ended:
            names = " and ".join(run.origin.name for run in ended)
            self._window.say(f"The pixel size changed: {names} ended. Turn it on again.")
        self._show_active()

    def _show_earlier(self) -> None:
        """Says what earlier versions kept of the slide in the active pane."""
        from viewer.inference.models.bundle import STEPS_VERSION
        from viewer.overlays.earlier_results import earlier_results
        from viewer.slides.identity import former_names_of

        source = self._window.panes.active.source
        if source is None:
            self.panel.show_earlier(())
            return
        identity = source.info.identity
        names = former_names_of(identity)
        self._background.run(
            lambda: earlier_results(identity, names, STEPS_VERSION),
            lambda found: self._on_earlier(source, found),
        )

    def _on_earlier(self, source: SlideSource, found: list[EarlierResults]) -> None:
        if self._window.panes.active.source is source:
            self.panel.show_earlier([each.sentence for each in found])

    def _on_panes_changed(self) -> None:
        for pane in [pane for pane in self._runs if pane not in self._window.panes.panes]:
            self._end_all(pane)
        self._show_active()

    def _show_pointed_out(self, pane: SlidePane) -> None:
        """What was pointed out on a slide is there again when it is opened."""
        if pane.source is not None and not self._why_not(pane):
            path = regions_path(pane.source.info.identity)
            self._background.run(
                path.exists,
                lambda exists: self.take_results(path, pane, "slide") if exists else None,
            )

    def _forget_files(self, pane: SlidePane) -> None:
        """Results of files belong to the slide that they were read for."""
        gone = {file.key for file in self._files.pop(pane, [])}
        if gone:
            models = self.panel.models
            models.show_models([each for each in models.models() if each.key not in gone])

    def _on_run_changed(self, run: Overlay) -> None:
        if run.pane is self._window.panes.active and not self._figures.isActive():
            self._figures.start()

    def _on_look_changed(self, run: Overlay) -> None:
        """The list of layers sets opacities too."""
        if run is self.active:
            self.panel.show_opacity(run.opacity)

    def show_figures(self) -> None:
        """What was found, and how far it is, as it is now."""
        run = self.active
        if run is not None:
            self.settings.show_figures(run)
        if run is not None and run.progress.total:
            self._tell_value(run.pane, None)
        self.figures_changed.emit()

    def _show_active(self) -> None:
        pane = self._window.panes.active
        self._window.commands["overlays.on"].setChecked(self.active is not None)
        self.panel.models.show_on(set(self._runs.get(pane, {})))
        self._paint_one_heatmap(pane)
        self.settings.show(self.active, self._why_not(pane))
        self.figures_changed.emit()

    def _why_not(self, pane: SlidePane) -> str:
        if pane.source is None:
            return "Open a slide first."
        if hidden := self.hidden_by(pane):
            return hidden
        if pane.canvas.optics.mpp_um is None:
            return "Set the pixel size to run models."
        if sentence := missing_ai():
            return sentence
        return "" if self.panel.models.count() else "There is no model."

    # Models and results ----------------------------------------------------------------------

    def _listed(self, models: list[ModelBundle]) -> list[OverlaySource]:
        return [*(file for files in self._files.values() for file in files), *models]

    def _on_results(self, file: ResultFile, pane: SlidePane) -> None:
        files = [each for each in self._files.get(pane, []) if each.key != file.key]
        self._end(pane, file.key)
        self._files[pane] = [file, *files]
        self._window.panes.activate(pane)
        self.panel.models.show_models(self._listed(self._bundles()), file.key)
        self.panel.show()
        self._switch(file, on=True)
        self._window.say(f"{file.found.count:,} results were read from {file.name}.")
        if file.troubles:
            self._window.show_error(" ".join(file.troubles))
        if not file.is_score_sure:
            self._ask_score(file, pane)

    def _ask_score(self, file: ResultFile, pane: SlidePane) -> None:
        """Let the reader choose among the columns of a table that does not name its score."""
        from viewer.overlays.patch_feature_map import PatchFeatureMap
        from viewer.ui.overlays.score_question import ScoreQuestion

        run = self._runs.get(pane, {}).get(file.key)
        if run is None or not isinstance(run.found, PatchFeatureMap):
            return
        question = ScoreQuestion(file, run.found, self._window)
        question.score_chosen.connect(lambda index: self.settings.show_score(run, index))
        run.destroyed.connect(question.close)
        question.show()

    def _show_models(self, models: list[ModelBundle]) -> None:
        self.panel.models.show_models(self._listed(models))
        self.models_changed.emit(models)
        self._show_active()
        self._prepare(self.panel.isVisible())

    def _on_added(self, added: tuple[ModelBundle, list[ModelBundle]]) -> None:
        bundle, models = added
        self.panel.models.show_models(self._listed(models), bundle.key)
        self.models_changed.emit(models)
        self.panel.show()
        self._window.say(f"The model {bundle.description.name} was added.")
        if self._window.panes.active.source is not None:
            self._switch(bundle, on=True)
        self._show_active()

    def _on_not_added(self, error: Exception) -> None:
        from viewer.inference.models.bundle import BundleError
        from viewer.overlays.files.result_file import ResultFileError

        if not isinstance(error, BundleError | ResultFileError):
            _log.error("a model or file could not be added", exc_info=error)
        self._window.show_error(str(error))

    def _ask_model(self) -> None:
        dialog = QFileDialog(self._window, "Folder of a model")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.take_model(Path(name)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _ask_results(self) -> None:
        from viewer.overlays.files.result_files import RESULT_SUFFIXES

        dialog = QFileDialog(self._window, "Results for this slide")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(f"Results ({' '.join(f'*{end}' for end in RESULT_SUFFIXES)})")
        pane = self._window.panes.active
        dialog.fileSelected.connect(lambda name: self.take_results(Path(name), pane))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _tell_value(self, pane: SlidePane, point: Point | None) -> None:
        """Tells what the overlays have under the cursor, else how far a run over the slide is."""
        if pane is not self._window.panes.active:
            return
        runs = list(self._runs.get(pane, {}).values())
        shown = [run for run in runs if point is not None and run.is_visible]
        results = [(run, run.result_at(point)) for run in shown if point is not None]
        known = [(run, result) for run, result in results if result is not None]
        texts = [result.text for _, result in known]
        if point is not None:
            texts += filter(None, (value(pane, point) for value in self.other_values))
        summary = "; ".join(texts)
        self._window.status.show_overlay(summary or self._progress(runs))
        self.pointed_at.emit(*(known[0] if known else (None, None)))

    def _progress(self, runs: list[Overlay]) -> str:
        going = [run for run in runs if run.progress.total > run.progress.done]
        paused = self.commands.is_paused
        return "; ".join(
            f"{run.origin.name} {shown_progress(run.progress, is_paused=paused)}" for run in going
        )

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)
        pane.canvas.view_changed.connect(lambda _, cause: self._on_view_changed(pane, cause))
        pane.canvas.cursor_moved.connect(lambda point: self._tell_value(pane, point))

    def _connect(self) -> None:
        window, panel, commands = self._window, self.panel, self._window.commands
        commands.on_toggle("overlays.on", self.switch_chosen)
        commands.on("overlays.blink", self._blink)
        commands.on("overlays.add_model", self._ask_model)
        commands.on("overlays.import_results", self._ask_results)
        panel.models.switched.connect(self._switch)
        panel.models.chosen_changed.connect(self._show_active)
        panel.models.order_changed.connect(lambda: self._restack(window.panes.active))
        panel.add_requested.connect(self._ask_model)
        panel.visibilityChanged.connect(self._prepare)
        window.panes.active_changed.connect(lambda _: self._show_active())
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.active_changed.connect(lambda _: self._show_earlier())
        for pane in window.panes.panes:
            self._watch(pane)
        window.panes.pane_added.connect(self._watch)
