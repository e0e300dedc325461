"""All overlays of one window: commands, panel and the engines of its panes put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.inference.ai_extra import missing_ai
from viewer.inference.runs.ending import wait_for_ending
from viewer.inference.tasks.known import kind_of
from viewer.overlays.shown_overlays import ShownOverlay
from viewer.ui.background_runner import BackgroundRunner, Urgency
from viewer.ui.commands.command import with_slide
from viewer.ui.loading_ahead import LoadingAhead
from viewer.ui.overlays.card_menu import CardMenu, CardMenuHost
from viewer.ui.overlays.card_settings import CardSettings
from viewer.ui.overlays.click_segmenting import ClickHost, ClickSegmenting
from viewer.ui.overlays.earlier_notice import EarlierNotice
from viewer.ui.overlays.model_files import ModelFiles, ModelFilesHost
from viewer.ui.overlays.overlay_commands import OverlayCommands, OverlayCommandsHost
from viewer.ui.overlays.overlay_making import FOR_AN_OVERLAY, QT_FOR_AN_OVERLAY, OverlayMaker
from viewer.ui.overlays.overlay_settings import OverlaySettingsHost
from viewer.ui.overlays.overlay_stacks import OverlayStacks
from viewer.ui.overlays.overlays_panel import OverlaysPanel
from viewer.ui.overlays.pane_results import PaneResults, PaneResultsHost
from viewer.ui.overlays.score_question import ask_score
from viewer.ui.overlays.tissue_view import TissueHost, TissueView
from viewer.ui.overlays.values_under_cursor import CursorHost, ValuesUnderCursor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.files.result_file import ResultFile
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_settings import OverlaySettings
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.slides.slide_pane import SlidePane

_FIGURES_MS = 100
"""A slide that is opened again brings thousands of blocks at once; counting anew for each of them
would hold up the window."""

_SAME_SCALE = 1e-6
"""A pixel size that differs by a smaller share is the same."""


class OverlaysHost(
    CardMenuHost,
    ClickHost,
    CursorHost,
    ModelFilesHost,
    OverlayCommandsHost,
    OverlaySettingsHost,
    PaneResultsHost,
    TissueHost,
    Protocol,
):
    """What the overlays ask of the window."""


class OverlaysController(QObject):
    """Owned by the window; `shut_down` ends the engines."""

    figures_changed = Signal()
    """What is found or shown in the active pane is other than it was."""
    began = Signal(object)
    """An Overlay is on."""
    models_changed = Signal(object)
    """All ModelBundles at hand."""
    about_to_run = Signal(object)
    """More than what is seen of a SlidePane is asked for."""

    def __init__(self, window: OverlaysHost) -> None:
        from viewer.inference.models.model_library import all_models
        from viewer.overlays.result_store import clear_results

        super().__init__(window.window())
        self._window = window
        self._background = BackgroundRunner("overlays", 1, self)
        self._stacks = OverlayStacks(lambda sentence: window.say(sentence))
        self._kept_on: dict[SlidePane, list[ModelBundle]] = {}
        """Of panes whose slide has left for another: the models that are to be on there, too."""
        self.hidden_by: Callable[[SlidePane], str] = lambda _: ""
        """Says why a study hides models and results on a pane's slide; "" where it does not."""
        self.tuned: Callable[[SlidePane, ModelBundle], ModelBundle] = lambda _, bundle: bundle
        """Gives a model as it is set for the slide of a pane."""
        self.panel = OverlaysPanel(window.window())
        self.commands = OverlayCommands(window, self, self._background, self)
        self.commands.about_to_run.connect(self.about_to_run)
        self.values = ValuesUnderCursor(window, self._stacks, lambda: self.commands.is_paused, self)
        self.model_files = ModelFiles(window, self, self._background, self)
        refuse = self.model_files.show_refusal
        self._results = PaneResults(window, self, self._background, self._why_not, refuse)
        self._maker = OverlayMaker(
            window,
            self._results,
            lambda: self.bundles,
            lambda pane, bundle: self.tuned(pane, bundle),
            lambda: self._prepare(self.panel.isVisible()),
            self,
        )
        self._settings = CardSettings(window, self.panel.models, self._stacks, self.commands, self)
        self._menu = CardMenu(window, self, self.panel.models, self.model_files, self)
        self._clicks = ClickSegmenting(window, self)
        self.tissue = TissueView(window, self._background, self)
        self._earlier = EarlierNotice(window, self.panel, self._background)
        self._figures = QTimer(self, singleShot=True, interval=_FIGURES_MS)
        self._figures.timeout.connect(self.show_figures)
        self._connect()

        def listed() -> tuple[list[ModelBundle], list[str]]:
            problems: list[str] = []
            return all_models(problems), problems

        self._background.run(listed, self._on_listed)
        keep_bytes = window.settings.results_gib << 30
        self._background.run(
            lambda: clear_results(keep_bytes=keep_bytes), lambda _: None, urgency=Urgency.REST
        )
        LoadingAhead(FOR_AN_OVERLAY, QT_FOR_AN_OVERLAY, self._background, self)

    def shut_down(self) -> None:
        """End the engines; their results are kept."""
        self._figures.stop()
        for pane in self._stacks.panes:
            self._stacks.end_all(pane)
        wait_for_ending()
        self.model_files.shut_down()
        self._background.close(finish=True)
        self._clicks.shut_down()
        self.commands.explainer.shut_down()
        self._settings.shut_down()

    def run_of(self, pane: SlidePane) -> Overlay | None:
        """Return the overlay of the chosen model or file that is on in a pane."""
        bundle = self.panel.models.chosen()
        return self._stacks.find(pane, bundle.key) if bundle is not None else None

    def all_of(self, pane: SlidePane) -> list[Overlay]:
        """Return the overlays that are on in a pane."""
        return self._stacks.all_of(pane)

    def shown_in(self, pane: SlidePane) -> list[ShownOverlay]:
        """Return the overlays that are painted in a pane, for what is exported from it."""
        return [
            ShownOverlay(run.origin.name, run.version, round(run.opacity, 2))
            for run in self.all_of(pane)
            if run.is_visible
        ]

    @property
    def active(self) -> Overlay | None:
        """Return the overlay of the chosen model in the active pane."""
        return self.run_of(self._window.panes.active)

    @property
    def in_hand(self) -> Overlay | None:
        """Return the overlay that commands are for: the chosen one, else one that is on."""
        return self.active or next(iter(self.all_of(self._window.panes.active)), None)

    def take_model(self, path: Path) -> None:
        """Add a model from a folder, file or zip file and turn it on in the active pane."""
        self.model_files.add(path)

    def take_results(
        self,
        path: Path,
        pane: SlidePane,
        origin: Origin | None = None,
        *,
        turns_on: bool = True,
    ) -> None:
        """List results made elsewhere for the slide of a pane, and show them with `turns_on`.

        `origin` as `read_result_file`.
        """
        self._results.read(path, pane, origin, turns_on=turns_on)

    def switch_results(self, path: Path, *, on: bool) -> None:
        """Show the results of a file in the active pane, or no longer, where they are listed."""
        for file in self._results.of(self._window.panes.active):
            if file.path == path:
                self._switch(file, on)

    def show_names(self) -> None:
        """Name other slides as a study lets them be named now."""
        self._settings.show_names()

    def end_hidden(self) -> None:
        """End the overlays of slides on which a study hides them now."""
        for pane in self._window.panes.panes:
            if pane.source is not None and self.hidden_by(pane):
                self._stacks.end_all(pane)
                self._forget_files(pane)
                self._clicks.forget(pane)
        self._show_active()

    # Turning on and off ----------------------------------------------------------------------

    def switch_chosen(self, on: bool) -> None:
        """Turn the chosen model on or off in the active pane."""
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
        if kind_of(origin.task).asks_for == "prompt" and isinstance(origin, ModelBundle):
            self._clicks.use_model(origin if on else None)
            return
        self._stacks.end(pane, origin.key)
        if on:
            self._begin(pane, origin)
        self._restack(pane)
        self._stacks.paint_one_heatmap(pane, self.run_of(pane), even_if_hidden=True)
        self._show_active()

    def restart(self, pane: SlidePane, bundle: ModelBundle) -> None:
        """Turn a model that is on in a pane off and on, by what is set for it now."""
        if self._stacks.find(pane, bundle.key) is not None:
            self._stacks.end(pane, bundle.key)
            self._begin(pane, bundle)
            self._restack(pane)
            self._show_active()

    def _begin(self, pane: SlidePane, origin: OverlaySource) -> None:
        from viewer.inference.models.bundle import BundleError

        if pane.source is None or pane.path is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        try:
            run = self._maker.made(pane, origin)
        except BundleError as error:
            self._window.show_error(str(error))
            return
        run.set_paused(paused=self.commands.is_paused)
        run.changed.connect(lambda: self._on_run_changed(run))
        run.look_changed.connect(lambda: self._on_look_changed(run))
        run.troubled.connect(self._window.say)
        run.failed.connect(lambda sentence: self._on_failed(run, sentence))
        self._stacks.add(origin.key, run)
        self.began.emit(run)

    @property
    def bundles(self) -> list[ModelBundle]:
        """Return the models at hand, without files of results."""
        from viewer.inference.models.bundle import ModelBundle

        return [each for each in self.panel.models.models() if isinstance(each, ModelBundle)]

    def _on_failed(self, run: Overlay, sentence: str) -> None:
        """A model that fails is switched off, and says why."""
        if self._stacks.find(run.pane, run.listed_as) is run:
            self._stacks.end(run.pane, run.listed_as)
            self._window.show_error(sentence)
            self._show_active()

    def _blink(self) -> None:
        pane = self._window.panes.active
        self._stacks.blink(pane, self.panel.models.models(), self.run_of(pane))

    def show_overlay(self, run: Overlay, shown: bool) -> None:
        """Show or hide one overlay of a pane; the model goes on."""
        self._stacks.show_overlay(run, shown)

    def _restack(self, pane: SlidePane) -> None:
        """Paint the overlays in the order of the list, the first on top."""
        self._stacks.restack(pane, self.panel.models.models(), self.run_of(pane))

    def show_chosen_heatmap(self) -> None:
        """Paint the heatmap of the chosen card instead of the one that is painted."""
        pane = self._window.panes.active
        self._stacks.paint_one_heatmap(pane, self.run_of(pane), even_if_hidden=True)
        self._show_active()

    # What happens round it -------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        from viewer.inference.models.bundle import ModelBundle

        runs = self.all_of(pane)
        keys = [run.listed_as for run in runs if isinstance(run.origin, ModelBundle)]
        bundles = [bundle for bundle in self.bundles if bundle.key in keys]
        self._say_left_undone(runs)
        self._stacks.end_all(pane)
        self._forget_files(pane)
        self._clicks.forget(pane)
        self._results.read_pointed_out(pane)
        if pane is self._window.panes.active:
            self._earlier.show()
        if pane.awaits_slide:
            self._kept_on[pane] = bundles or self._kept_on.get(pane, [])
        elif pane.source is None:
            self._kept_on.pop(pane, None)
        elif pane.canvas.optics.mpp_um is None and not self.hidden_by(pane):
            self._say_waiting(self._kept_on.get(pane, []))
        else:
            self._begin_kept(pane)
        self._show_active()
        self._prepare(self.panel.isVisible())

    def _begin_kept(self, pane: SlidePane) -> None:
        """Turn the models on that were on for the slide before."""
        kept = self._kept_on.pop(pane, [])
        if not self._why_not(pane):
            for bundle in kept:
                self._begin(pane, bundle)
            self._restack(pane)

    def _say_waiting(self, kept: list[ModelBundle]) -> None:
        """Say so where nothing is said of the slide itself; the page AI says it in any case."""
        if kept and not self._window.status.currentMessage():
            names = " and ".join(bundle.name for bundle in kept)
            self._window.say(f"{names} will go on once the pixel size of this slide is set.")

    def _prepare(self, is_visible: bool) -> None:
        """Have a model process ready where one may be wanted soon.

        That is while the panel that turns models on is seen, and while one is on, for the next
        slide; not while one is at work, which would take longer beside it.
        """
        from viewer.inference.process.spare_process import prepare_model_process

        pane = self._window.panes.active
        runs = [run for run in self.all_of(pane) if run.can_run]
        is_at_work = any(run.progress.is_busy for run in runs)
        if (is_visible or runs) and not is_at_work and not self._why_not(pane):
            prepare_model_process()

    def _on_view_changed(self, pane: SlidePane, cause: str) -> None:
        """A new pixel size ends what was made with the former: sizes and places would be wrong."""
        if cause != "optics":
            return
        mpp_um = pane.canvas.optics.mean_mpp_um
        ended = [
            run
            for run in self.all_of(pane)
            if mpp_um is None or abs(run.mpp_um / mpp_um - 1) > _SAME_SCALE
        ]
        for run in ended:
            self._stacks.end(pane, run.listed_as)
        if ended:
            names = " and ".join(run.origin.name for run in ended)
            self._window.say(f"The pixel size changed: {names} ended. Turn it on again.")
        if mpp_um is not None and pane.source is not None and not pane.awaits_slide:
            self._begin_kept(pane)
        self._show_active()

    def _on_panes_changed(self) -> None:
        for pane in [each for each in self._stacks.panes if each not in self._window.panes.panes]:
            self._say_left_undone(self.all_of(pane))
            self._stacks.end_all(pane)
        for pane in [each for each in self._kept_on if each not in self._window.panes.panes]:
            del self._kept_on[pane]
        self._show_active()

    def _say_left_undone(self, runs: list[Overlay]) -> None:
        """A run over a slide ends where the slide goes, which is not to be found out later."""
        if undone := [sentence for run in runs if (sentence := run.left_undone())]:
            self._window.say(" ".join(undone))

    def _forget_files(self, pane: SlidePane) -> None:
        """Results of files belong to the slide that they were read for."""
        gone = self._results.forget(pane)
        if gone:
            models = self.panel.models
            models.show_models([each for each in models.models() if each.key not in gone])

    def _on_run_changed(self, run: Overlay) -> None:
        if run.pane is self._window.panes.active and not self._figures.isActive():
            self._figures.start()

    def _on_look_changed(self, run: Overlay) -> None:
        """The list of layers shows, hides and sets opacities too."""
        self._on_run_changed(run)

    def show_figures(self) -> None:
        """Show what was found, and how far it is, as it is now."""
        self._settings.show_figures()
        run = self.active
        if run is not None and run.progress.total:
            self.values.tell(run.pane, run.pane.canvas.pointed_at)
        self.figures_changed.emit()

    def _show_active(self) -> None:
        pane = self._window.panes.active
        self._window.commands["overlays.on"].setChecked(self.active is not None)
        self.panel.models.show_on(self._stacks.by_key(pane))
        self.panel.show_count()
        self._stacks.paint_one_heatmap(pane, self.run_of(pane))
        lacks_size = pane.source is not None and pane.canvas.optics.mpp_um is None
        self.panel.show_why_not(
            self._why_not(pane), lacks_pixel_size=lacks_size and not self.hidden_by(pane)
        )
        self._settings.show()
        self.figures_changed.emit()

    def settings_of(self, card: ModelCard) -> OverlaySettings:
        """Return what keeps the body of a card in step with its overlay."""
        return self._settings.of(card)

    def _why_not(self, pane: SlidePane) -> str:
        if pane.source is None:
            return with_slide.reason
        if hidden := self.hidden_by(pane):
            return hidden
        if pane.canvas.optics.mpp_um is None:
            return "Set the pixel size to run models."
        if sentence := missing_ai():
            return sentence
        return "" if self.panel.models.count() else "There is no model."

    # Models and results ----------------------------------------------------------------------

    def _listed(self, models: list[ModelBundle]) -> list[OverlaySource]:
        return [*self._results.all, *models]

    def show_results(
        self, file: ResultFile, pane: SlidePane, *, turns_on: bool = True, said: str = ""
    ) -> None:
        """List results for the slide of a pane, and show them with `turns_on`; `said` tells it."""
        self._stacks.end(pane, file.key)
        self._results.add(file, pane)
        if not turns_on:
            self.panel.models.show_models(self._listed(self.bundles))
            return
        self._window.panes.activate(pane)
        self.panel.models.show_models(self._listed(self.bundles), file.key)
        self.panel.show()
        self._switch(file, on=True)
        self.panel.reveal(file.key)
        self._window.say(said or f"{file.found.count:,} results were read from {file.name}.")
        if file.troubles:
            self._window.show_error(" ".join(file.troubles))
        run, card = self._stacks.find(pane, file.key), self.panel.models.card(file.key)
        if not file.is_score_sure and run is not None and card is not None:
            ask_score(self._window.window(), file, run, self.settings_of(card))

    def _on_listed(self, listed: tuple[list[ModelBundle], list[str]]) -> None:
        models, problems = listed
        self.show_models(models)
        if problems:
            which = "A model is" if len(problems) == 1 else f"{len(problems):,} models are"
            self._window.say(f"{which} left out: {problems[0]}")

    def show_models(self, models: list[ModelBundle], added: ModelBundle | None = None) -> None:
        """List the models at hand; one that was added is turned on in the active pane."""
        from viewer.inference.models.bundle import ModelBundle

        keys = {model.key for model in models}
        for pane in self._stacks.panes:
            for key, run in self._stacks.by_key(pane).items():
                if isinstance(run.origin, ModelBundle) and key not in keys:
                    self._stacks.end(pane, key)
        chosen = "" if added is None else added.key
        self.panel.models.show_models(self._listed(models), chosen)
        self.models_changed.emit(models)
        if added is not None:
            self.panel.show()
            if self._window.panes.active.source is not None:
                self._switch(added, on=True)
            self.panel.reveal(added.key)
        self._show_active()
        self._prepare(self.panel.isVisible())

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)
        pane.canvas.view_changed.connect(lambda _, cause: self._on_view_changed(pane, cause))
        pane.canvas.cursor_moved.connect(lambda point: self.values.tell(pane, point))

    def _connect(self) -> None:
        window, panel, commands = self._window, self.panel, self._window.commands
        commands.on_toggle("overlays.on", self.switch_chosen)
        commands.on("overlays.blink", self._blink)
        panel.models.switched.connect(self._switch)
        panel.models.chosen_changed.connect(self._show_active)
        panel.models.order_changed.connect(lambda: self._restack(window.panes.active))
        panel.folder_requested.connect(commands["overlays.add_model"].trigger)
        panel.file_requested.connect(commands["overlays.add_model_file"].trigger)
        panel.results_requested.connect(commands["overlays.import_results"].trigger)
        panel.pixel_size_requested.connect(commands["slide.pixel_size"].trigger)
        for button, command in (
            (panel.teach_cells, commands["teach.cells"]),
            (panel.teach_pixels, commands["teach.pixels"]),
            (panel.teach_outlines, commands["teach.outlines"]),
        ):
            button.clicked.connect(command.trigger)
            button.setEnabled(command.isEnabled())
            command.enabledChanged.connect(button.setEnabled)
        panel.visibilityChanged.connect(self._prepare)
        window.panes.active_changed.connect(lambda _: self._show_active())
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.watch(self._watch)
