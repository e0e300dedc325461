"""What can be asked of the overlays that are on: run, pause, stop, list, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.inference.tasks.known import kind_of
from viewer.ui.commands.command import with_model
from viewer.ui.overlays.services import NO_OBJECTS, ListedResults, OverlaysOn
from viewer.ui.overlays.tile_explaining import TileExplainer
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    DrawingHost,
    MessageHost,
    OverlayHost,
    PaneHost,
    SettingsHost,
)

if TYPE_CHECKING:
    from viewer.overlays.area import Area
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.overlays.card_body import CardBody
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_settings import OverlaySettings
    from viewer.ui.overlays.overlays_panel import OverlaysPanel


class CommandedOverlays(OverlaysOn, ListedResults, Protocol):
    """The overlays that the commands act on."""

    panel: OverlaysPanel

    def settings_of(self, card: ModelCard) -> OverlaySettings:
        """Return what keeps the body of a card in step with its overlay."""
        ...

    def switch_chosen(self, on: bool) -> None:
        """Turn the chosen model on or off in the active pane."""

    def show_chosen_heatmap(self) -> None:
        """Paint the heatmap of the chosen card instead of the one that is painted."""

    def show_figures(self) -> None:
        """Show what was found, and how far it is, as it is now."""


class OverlayCommandsHost(
    MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, DrawingHost, OverlayHost, Protocol
):
    """What the commands of overlays ask of the window."""


class OverlayCommands(QObject):
    """Owned by the part; acts on the overlay of the chosen model in the active pane."""

    about_to_run = Signal(object)
    """More than what is seen of a SlidePane is asked for."""

    def __init__(
        self,
        window: OverlayCommandsHost,
        overlays: CommandedOverlays,
        background: BackgroundRunner,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._overlays = overlays
        self._background = background
        self.explainer = TileExplainer(window, overlays, parent)
        self._pause = window.commands["overlays.pause"]
        commands = window.commands
        commands.on("overlays.run_slide", self._run_slide)
        commands.on("overlays.run_field", self._run_field)
        commands.on_toggle("overlays.pause", self._set_paused)
        commands.on("overlays.stop", self._stop)
        commands.on("overlays.table", self._show_table)
        commands.on("overlays.density", self._ask_density)
        commands.on("overlays.clear_results", self._clear_results)
        commands.on("overlays.export", self._export)
        commands.on("overlays.fill", self._fill)
        commands.on("overlays.find_similar", self.find_similar)

    def connect_body(self, body: CardBody) -> None:
        """Let the buttons of a card, which choose it first, run the commands."""
        body.run_requested.connect(self._run_slide)
        body.pause_requested.connect(self._pause.trigger)
        body.stop_requested.connect(self._stop)
        body.uncover_requested.connect(self._overlays.show_chosen_heatmap)

    @property
    def is_paused(self) -> bool:
        """Return whether models rest, those that are turned on later among them."""
        return self._pause.isChecked()

    def run_over(self, area: Area) -> None:
        """Let the model work through an area, turned on if it is not; end a pause of models."""
        if self.is_paused:
            self._pause.trigger()
        if self._overlays.active is None:
            self._overlays.switch_chosen(on=True)
        self.about_to_run.emit(self._window.panes.active)
        if (run := self._overlays.active) is not None:
            run.run_over(area)

    def find_similar(self, area: Area | None = None) -> None:
        """Ask the model of likeness that is on what is like an area, by default what is in view."""
        pane = self._window.panes.active
        runs = [run for run in self._overlays.all_of(pane) if kind_of(run.origin.task).encodes]
        run = self._overlays.active if self._overlays.active in runs else next(iter(runs), None)
        card = self._overlays.panel.models.card(run.listed_as) if run is not None else None
        if card is None:
            self._window.say("Turn on the model Tissue likeness first, on the page AI.")
            return
        self._overlays.panel.models.choose(card.source.key)
        self._overlays.settings_of(card).find_similar(area)
        self._overlays.panel.show()

    def _run_slide(self) -> None:
        self.run_over(self._window.panes.active.canvas.slide_box)

    def _run_field(self) -> None:
        self.run_over(self._window.panes.active.canvas.view.box)

    def _set_paused(self, paused: bool) -> None:
        self._window.say("Models pause." if paused else "Models go on.")
        for pane in self._window.panes.panes:
            for overlay in self._overlays.all_of(pane):
                overlay.set_paused(paused=paused)
        self._overlays.show_figures()

    def _stop(self) -> None:
        if (run := self._overlays.in_hand) is not None:
            run.stop()
            self._window.say(f"{run.origin.name} stops; what was found stays.")
        else:
            self._window.say(with_model.reason)

    @property
    def _objects_in_hand(self) -> Overlay | None:
        """Return the overlay of the chosen model, else one that is on, that holds objects."""
        on = self._overlays.all_of(self._window.panes.active)
        runs = [run for run in on if run.found.as_objects is not None]
        return self._overlays.active if self._overlays.active in runs else next(iter(runs), None)

    def _show_table(self) -> None:
        from viewer.ui.overlays.object_table_dialog import ObjectTableDialog

        if (run := self._objects_in_hand) is not None:
            ObjectTableDialog(run, self._window.window()).show()
        else:
            self._window.say(NO_OBJECTS)

    def _ask_density(self) -> None:
        from viewer.ui.overlays.density import ask_density

        if (run := self._objects_in_hand) is not None:
            ask_density(self._window, self._overlays, self._background, run)
        else:
            self._window.say(NO_OBJECTS)

    def _fill(self) -> None:
        """Fill or empty the outlines of the chosen model, else of those that are on."""
        run = self._objects_in_hand
        if run is None:
            self._window.say(NO_OBJECTS)
        else:
            card = self._overlays.panel.models.card(run.listed_as)
            if card is not None:
                self._overlays.settings_of(card).toggle_filled()

    def _export(self) -> None:
        from viewer.ui.overlays.exporting import ask_export

        if (run := self._overlays.in_hand) is not None:
            ask_export(self._window, self._background, run)
        else:
            self._window.say(with_model.reason)

    def _clear_results(self) -> None:
        """Of all slides; what is shown stays until its slide is closed."""
        from viewer.overlays.result_store import clear_results

        self._background.run(
            clear_results,
            lambda freed: self._window.say(f"Kept results were removed: {freed / 1e6:,.0f} MB."),
            lambda error: self._window.show_error(f"Results cannot be removed ({error})."),
        )
