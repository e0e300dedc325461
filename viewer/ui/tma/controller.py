"""Tissue microarrays in one window: finding cores, correcting the grid, ids, counts and files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer

from viewer.annotations.document import ReadOnlyError, changing
from viewer.annotations.tma.cores import (
    CASE_ID,
    cores_of,
    grid_of,
    is_missing,
    marking,
    replacing,
)
from viewer.annotations.tma.dearraying import DearrayOptions, dearray
from viewer.annotations.tma.labels import TmaError
from viewer.plurals import plural
from viewer.slides import TileError
from viewer.slides.remote.address import folder_beside
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.file_dialogs import ALL_FILES, ask_file, ask_new_file
from viewer.ui.overlays.services import NO_OBJECTS
from viewer.ui.services import CommandHost, DialogHost, MessageHost, OverlayHost, PaneHost
from viewer.ui.tma.tma_panel import TmaPanel
from viewer.ui.written_file import write_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Edit
    from viewer.annotations.tma.core_ids import CoreIds
    from viewer.annotations.tma.cores import Line, TmaGrid
    from viewer.annotations.tma.dearraying import FoundArray
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.pane_annotations import PaneAnnotations

_PAUSE_MS = 60
_FILTERS = {"CSV table (*.csv)": ".csv", "QuPath GeoJSON (*.geojson)": ".geojson"}
_FINDING = "Finding cores..."
_NO_CORES = "No cores on this slide: find them first (Annotate page, TMA)."


class TmaHost(MessageHost, DialogHost, PaneHost, CommandHost, OverlayHost, Protocol):
    """What microarrays ask of the window."""

    annotations: AnnotationsController


class TmaController(QObject):
    """Owned by the window; `shut_down` writes what is left."""

    def __init__(self, window: TmaHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._work = BackgroundRunner("cores", 1, self)
        self._options = DearrayOptions()
        self._grid: TmaGrid | None = None
        self._notes = ""
        self._finding: PaneAnnotations | None = None
        self._ends: list[Callable[[], object]] = []
        self._watched: PaneAnnotations | None = None
        self.panel = TmaPanel(window.window())
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._show)
        self._connect()

    @property
    def grid(self) -> TmaGrid | None:
        """Return the cores of the slide in the active pane; None where it has none."""
        active = self._active
        cores = [] if active is None else active.document.cores
        return grid_of(cores) if cores else None

    def shut_down(self) -> None:
        """Write what is left."""
        self._pause.stop()
        self._unwatch()
        self._work.close(finish=True)

    # Finding ---------------------------------------------------------------------------------

    def ask_find(self) -> None:
        """Ask what is known of the array, and find its cores."""
        from viewer.ui.opened_dialog import open_dialog
        from viewer.ui.tma.find_dialog import FindDialog

        active = self._drawable()
        if active is None:
            return
        dialog = FindDialog(
            self._options, self._window.window(),
            replaces=len(active.document.cores), has_scale=active.mpp_um is not None,
        )  # fmt: skip

        def take() -> None:
            if dialog.options is not None:
                self.find(dialog.options)

        dialog.accepted.connect(take)
        open_dialog(dialog)

    def find(self, options: DearrayOptions) -> None:
        """Find the cores of the active pane's slide, in a thread."""
        active = self._drawable()
        source = None if active is None else active.pane.source
        if active is None or source is None:
            return
        self.panel.show()
        self._options, mpp_um = options, active.mpp_um
        self._finding = active
        self.panel.search.setEnabled(False)
        self._tell(_FINDING)
        self._work.run(
            lambda: dearray(source, options, mpp_um),
            lambda found: self._take(active, found, options),
            lambda error: self._on_not_found(active, error),
        )

    def _take(self, active: PaneAnnotations, found: FoundArray, options: DearrayOptions) -> None:
        self._end_finding()
        if active is not self._active:
            return
        try:
            cores = cores_of(found, options.labels)
        except TmaError as error:
            self._tell(str(error))
            return
        self._notes = " ".join(found.notes)
        if active.do(replacing(grid_of(active.document.cores), cores)):
            names = self._window.commands["annotate.names"]
            if not names.isChecked():
                names.trigger()
            self._window.say(
                f"{plural(len(cores), 'core')} in {found.rows} rows and {found.columns} columns, "
                f"{len(cores) - found.present:,} missing. Select tool (S): move a core, Delete "
                "removes it."
            )

    def _on_not_found(self, active: PaneAnnotations, error: Exception) -> None:
        self._end_finding()
        sentence = str(error) if isinstance(error, (TmaError, TileError)) else f"({error})"
        if active is self._active:
            self._tell(sentence)

    def _end_finding(self) -> None:
        self._finding = None
        self.panel.search.setEnabled(True)
        if self._notes == _FINDING:
            self._notes = ""
            self._show()

    def _tell(self, sentence: str) -> None:
        """Say what is done or went wrong where the user looks, and keep it there."""
        self._notes = sentence
        self._window.say(sentence)
        self._show()

    # The grid --------------------------------------------------------------------------------

    def mark(self, *, missing: bool) -> None:
        """Mark the selected cores as missing, or as there."""
        cores = self._chosen()
        if cores:
            self._do(marking(cores, missing=missing))

    def add_line(self, what: Line, *, after: bool) -> None:
        """Add a row or column beside that of the first selected core."""
        grid, at = self.grid, self._chosen_place()
        if grid is None or at is None:
            return
        index = at[0] if what == "row" else at[1]
        self._try(lambda: grid.with_line(what, index + after))

    def remove_line(self, what: Line) -> None:
        """Remove the row or column of the first selected core."""
        grid, at = self.grid, self._chosen_place()
        if grid is not None and at is not None:
            self._try(lambda: grid.without_line(what, at[0] if what == "row" else at[1]))

    def ask_labels(self) -> None:
        """Ask how rows and columns are labeled, and name all cores so."""
        from viewer.ui.opened_dialog import open_dialog
        from viewer.ui.tma.find_dialog import LabelsDialog

        grid = self.grid
        if grid is None:
            self._window.say(_NO_CORES)
            return
        dialog = LabelsDialog(grid.labels, self._window.window())

        def take() -> None:
            labels, now = dialog.labels, self.grid
            if labels is not None and now is not None:
                self._try(lambda: now.relabeled(labels))

        dialog.accepted.connect(take)
        open_dialog(dialog)

    # Ids and files ---------------------------------------------------------------------------

    def ask_ids(self) -> None:
        """Ask for a table of ids."""
        pane = self._window.panes.active
        if self.grid is None or pane.path is None:
            self._window.say(_NO_CORES)
            return
        ask_file(
            self._window.window(),
            "Import core ids",
            self.import_ids,
            start=folder_beside(pane.path),
            filters=["Tables (*.csv *.tsv *.txt)", ALL_FILES],
        )

    def import_ids(self, path: Path) -> None:
        """Give the cores the ids of a table."""
        from viewer.annotations.tma.core_ids import read_core_ids

        active, grid = self._active, self.grid
        if active is None or grid is None:
            self._window.say(_NO_CORES)
            return

        def take(read: CoreIds) -> None:
            now = self.grid
            if active is not self._active or now is None:
                return
            self._notes = " ".join(read.problems)
            edit = read.edit(now)
            if not edit.changes:
                self._tell(f"{path.name} says nothing new of these cores. {self._notes}".strip())
            elif self._do(edit):
                self._window.say(f"{len(edit.changes):,} cores have what {path.name} says of them.")

        self._work.run(lambda: read_core_ids(path, grid), take, lambda e: self._tell(str(e)))

    def ask_export(self) -> None:
        """Ask for a file, and write the cores to it."""
        pane = self._window.panes.active
        if self.grid is None or pane.path is None:
            self._window.say(_NO_CORES)
            return
        ask_new_file(
            self._window.window(),
            "Export cores",
            lambda path, _: self.write(path),
            formats=_FILTERS,
            start=folder_beside(pane.path),
            stem=f"{pane.path.stem} cores",
        )

    def write(self, path: Path) -> None:
        """Write the cores: GeoJSON as QuPath has it by the ending of the name, else a table."""
        from viewer.annotations.formats.qupath_writing import write_qupath
        from viewer.annotations.tma.table import exported_cores, write_core_table

        active, grid = self._active, self.grid
        if active is None or grid is None:
            self._window.say(_NO_CORES)
            return
        mpp_um = active.calibration.mpp_um

        def work() -> None:
            if path.suffix.lower() in (".geojson", ".json"):
                write_qupath(path, exported_cores(grid, mpp_um))
            else:
                write_core_table(path, grid, mpp_um)

        write_file(self._window, self._work, active.pane, path, work)

    # Counts ----------------------------------------------------------------------------------

    def run_model(self) -> None:
        """Let the model that is on work through all cores that are not missing."""
        import shapely

        grid, overlay = self.grid, self._window.annotations.models.objects_overlay()
        if grid is None or overlay is None or not overlay.can_run:
            self._window.say(_NO_CORES if grid is None else NO_OBJECTS)
            return
        shapes = [core.geometry for *_, core in grid if not is_missing(core)]
        if not shapes:
            self._window.say("All cores are marked as missing.")
            return
        overlay.run_over(shapely.union_all(shapes))
        self._window.say(f"{overlay.origin.name} works through {plural(len(shapes), 'core')}.")

    def count(self) -> None:
        """Count what the model on screen found in each core, and keep it with the cores."""
        from viewer.inference.models.bundle import ModelBundle
        from viewer.overlays.core_scores import measured_cores

        active, grid = self._drawable(), self.grid
        overlay = self._window.annotations.models.objects_overlay()
        if active is None or grid is None:
            self._window.say(_NO_CORES)
            return
        if overlay is None or (shown := overlay.as_objects) is None:
            self._tell(NO_OBJECTS)
            return
        found, style, origin = shown.found, shown.style, overlay.origin
        is_model = isinstance(origin, ModelBundle)
        cells = origin.description.cells if is_model else None
        version = f" {origin.version}" if is_model else ""
        model = f"{origin.name}{version} at {overlay.mpp_um:.4g} µm/px"
        names, held = [name for name, _ in origin.colors], active.document.snapshot()
        is_scored = cells is not None and cells.is_scored
        is_whole = not overlay.can_run
        self._window.say("Counting in the cores...")
        self._work.run(
            lambda: measured_cores(
                grid, found, style, names, model, list(held), is_scored=is_scored, is_whole=is_whole
            ),
            partial(self._keep, active, grid, origin.name),
        )

    def _keep(
        self, active: PaneAnnotations, grid: TmaGrid, name: str, counted: tuple[Edit, int]
    ) -> None:
        edit, analyzed = counted
        there = grid.present
        self._notes = ""
        if analyzed < there:
            self._notes = (
                f"{name} has analyzed {analyzed:,} of {plural(there, 'core')}: run it in the "
                "cores, then count again."
            )
        try:
            active.do(edit)
        except ValueError:  # a core was changed while they were counted
            self._notes = "A core was changed meanwhile: count again."
        self._window.say(self._notes or f"{name}: counted in {plural(analyzed, 'core')}.")
        self._show()

    # -----------------------------------------------------------------------------------------

    @property
    def _active(self) -> PaneAnnotations | None:
        return self._window.annotations.active

    def _drawable(self) -> PaneAnnotations | None:
        """Return the annotations of the active pane if they can be changed; says why not."""
        active = self._active
        if active is None:
            self._window.say(with_slide.reason)
        elif active.document.is_read_only:
            self._window.say(str(ReadOnlyError(active.document.why_read_only)))
        else:
            return active
        return None

    def _chosen(self) -> list[Annotation]:
        active = self._active
        chosen = [] if active is None else _chosen_cores(active)
        if not chosen:
            self._window.say("Select a core first, on the slide (S) or in the list.")
        return chosen

    def _chosen_place(self) -> tuple[int, int] | None:
        chosen, grid = self._chosen(), self.grid
        return grid.place_of(chosen[0]) if chosen and grid is not None else None

    def _try(self, make: Callable[[], Edit]) -> None:
        try:
            self._do(make())
        except TmaError as error:
            self._tell(str(error))

    def _do(self, edit: Edit) -> bool:
        active = self._drawable()
        self._notes = self._notes if edit.label == "Import core ids" else ""
        return active is not None and active.do(edit)

    def _on_case_id(self, core: Annotation, text: str) -> None:
        self._do(changing("Set case id", [(core, core.noted(CASE_ID, text))]))

    def _on_rows(self, ids: list[UUID]) -> None:
        """Rows are selected: so are their cores, and one alone is traveled to."""
        active = self._active
        if active is None:
            return
        active.selection.choose(ids)
        if len(ids) == 1:
            active.travel(active.document.of(ids))

    def _on_step(self, edit: Edit) -> None:
        if edit.is_reset or any("tmaCore" in (c.before and c.before.kind, c.after and c.after.kind)
                                for c in edit.special_changes):  # fmt: skip
            self._pause.start()

    def _show(self) -> None:
        grid = self.grid
        self._grid = grid
        self.panel.show_grid(grid, self._notes)
        self._on_chosen()

    def _on_chosen(self) -> None:
        active = self._active
        if active is not None and self._grid is not None:
            self.panel.show_chosen([each.id for each in _chosen_cores(active)])

    def _follow(self) -> None:
        """Watch the annotations of the active pane."""
        active = self._active
        if active is self._watched:
            return
        self._unwatch()
        self._watched, self._notes = active, ""
        if active is not None:
            self._ends = [
                active.document.listen(self._on_step),
                active.selection.listen(self._on_chosen),
            ]
        self._show()

    def _unwatch(self) -> None:
        for end in self._ends:
            end()
        self._ends, self._watched = [], None

    def _on_closing(self, each: PaneAnnotations) -> None:
        if each is self._watched:
            self._unwatch()
            QTimer.singleShot(0, self, self._follow)
        if each is self._finding:
            self._end_finding()

    def _connect(self) -> None:
        window, panel = self._window, self.panel
        window.commands.on("annotate.find_cores", self.ask_find)
        panel.when_built(self._connect_panel)
        panel.chosen.connect(self._on_rows)
        window.annotations.opened.connect(lambda _: self._follow())
        window.annotations.closing.connect(self._on_closing)
        window.panes.active_changed.connect(lambda _: self._follow())

    def _connect_panel(self) -> None:
        panel = self.panel
        for button, act in (
            (panel.search, self.ask_find), (panel.count, self.count), (panel.run, self.run_model),
            (panel.ids, self.ask_ids), (panel.export, self.ask_export),
        ):  # fmt: skip
            button.clicked.connect(lambda _=False, act=act: act())
        entries: tuple[tuple[str, Callable[[], object]], ...] = (
            ("Mark &missing", partial(self.mark, missing=True)),
            ("Mark &present", partial(self.mark, missing=False)),
            ("Add row &above", partial(self.add_line, "row", after=False)),
            ("Add row &below", partial(self.add_line, "row", after=True)),
            ("Add column &left", partial(self.add_line, "column", after=False)),
            ("Add column &right", partial(self.add_line, "column", after=True)),
            ("Remove r&ow", partial(self.remove_line, "row")),
            ("Remove &column", partial(self.remove_line, "column")),
            ("La&bels...", self.ask_labels),
        )
        for number, (text, act) in enumerate(entries):
            if number in (2, 6, 8):
                panel.menu.addSeparator()
            panel.add_action(text, "").triggered.connect(lambda _=False, act=act: act())
        panel.model.case_id_typed.connect(self._on_case_id)


def _chosen_cores(active: PaneAnnotations) -> list[Annotation]:
    """Return the cores that are selected; there may be a million cells among them."""
    selection = active.selection
    return [core for core in active.document.cores if core.id in selection]
