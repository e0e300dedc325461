"""What can be asked of the overlays that are on: run, pause, stop, list, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from viewer.overlays.object_map import ObjectMap

if TYPE_CHECKING:
    from viewer.overlays.area import Area
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.main_window import MainWindow
    from viewer.ui.overlays.controller import OverlaysController


class OverlayCommands(QObject):
    """Owned by the part; acts on the overlay of the chosen model in the active pane."""

    def __init__(
        self, window: MainWindow, part: OverlaysController, background: BackgroundRunner
    ) -> None:
        super().__init__(part)
        self._window = window
        self._part = part
        self._background = background
        self._pause = window.commands["overlays.pause"]
        commands, panel = window.commands, part.panel
        commands.on("overlays.run_slide", self._run_slide)
        commands.on("overlays.run_field", self._run_field)
        commands.on_toggle("overlays.pause", self._set_paused)
        commands.on("overlays.stop", self._stop)
        commands.on("overlays.table", self._show_table)
        commands.on("overlays.clear_results", self._clear_results)
        panel.run_requested.connect(self._run_slide)
        panel.pause_requested.connect(self._pause.trigger)
        panel.stop_requested.connect(self._stop)
        panel.table_requested.connect(self._show_table)
        panel.export_requested.connect(self._export)

    @property
    def is_paused(self) -> bool:
        """Return whether models rest, those that are turned on later among them."""
        return self._pause.isChecked()

    def run_over(self, area: Area) -> None:
        """Lets the model work through an area, turned on if it is not."""
        if self._part.active is None:
            self._part.switch_chosen(on=True)
        if (run := self._part.active) is not None:
            run.run_over(area)

    def _run_slide(self) -> None:
        if (run := self._part.active) is not None:
            run.run_over(run.pane.canvas.slide_box)

    def _run_field(self) -> None:
        self.run_over(self._window.panes.active.canvas.view.box)

    def _set_paused(self, paused: bool) -> None:
        self._part.panel.show_paused(paused=paused)
        self._window.say("Models pause." if paused else "Models go on.")
        for pane in self._window.panes.panes:
            for overlay in self._part.all_of(pane):
                overlay.set_paused(paused=paused)
        self._part.show_figures()

    def _stop(self) -> None:
        if (run := self._part.active) is not None:
            run.stop()
            self._window.say(f"{run.origin.name} stops; what was found stays.")

    def _show_table(self) -> None:
        from viewer.ui.overlays.object_table_dialog import ObjectTableDialog

        run = self._part.active
        if run is not None and isinstance(run.found, ObjectMap):
            ObjectTableDialog(run, self._window).show()
        else:
            self._window.say("Turn on a model that finds objects first, in the Overlays panel.")

    def _export(self) -> None:
        from viewer.ui.overlays.exporting import ask_export

        if (run := self._part.active) is not None:
            ask_export(self._window, self._background, run)

    def _clear_results(self) -> None:
        """Of all slides; what is shown stays until its slide is closed."""
        from viewer.overlays.result_store import clear_results

        self._background.run(
            clear_results,
            lambda freed: self._window.say(f"Kept results were removed: {freed / 1e6:,.0f} MB."),
            lambda error: self._window.show_error(f"Results cannot be removed ({error})."),
        )
