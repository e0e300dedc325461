"""The Batch page at work: chooses slides, runs the batch, opens what is clicked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject, Qt, QTimer

from viewer.cohort.table import TABLE_FILE, write_batch_table
from viewer.files.atomic_write import unwritable
from viewer.geometry import Point
from viewer.plurals import plural
from viewer.slides.remote.address import slide_path
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.batch.batch_panel import BatchPanel
from viewer.ui.batch.batch_reading import newest_batch, run_elsewhere
from viewer.ui.batch.slides_model import BatchSlidesModel
from viewer.ui.batch.table_panel import TablePanel
from viewer.ui.file_dialogs import ask_folder, ask_new_file
from viewer.ui.services import DialogHost, MessageHost, OpeningHost, PaneHost, SettingsHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.cohort.batch import Batch, BatchWhere, SlideRecord
    from viewer.cohort.runner import BatchProgress
    from viewer.cohort.slides import NamedSlides
    from viewer.ui.batch.batch_reading import Followed
    from viewer.ui.batch.batch_thread import BatchThread
    from viewer.ui.batch.contact_sheet import ContactSheet
    from viewer.ui.cells.controller import CellsController
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.projects.controller import ProjectsController

_FOLLOW_MS = 1000
_MPP_SHOWN_UM = 0.25
"""As near as an object is traveled to: 40x."""


class BatchHost(MessageHost, DialogHost, PaneHost, SettingsHost, OpeningHost, Protocol):
    """What batches ask of the window."""

    cells: CellsController
    overlays: OverlaysController
    projects: ProjectsController


class BatchController(QObject):
    """Owns the page Batch of one window."""

    def __init__(self, window: BatchHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("batch page", 1, self)
        self.slides = BatchSlidesModel(self._name_of, self._is_blind, self)
        self.panel = BatchPanel(self.slides, window.window())
        self.table = TablePanel(self._name_of, self._is_blind, window.window())
        self._run: BatchThread | None = None
        self._batch: Batch | None = None
        self._is_paused = self._is_elsewhere = False
        self._is_known = False
        self._wanted = ""
        """Folder of the model to choose once they are known."""
        self._sheets: list[ContactSheet] = []
        self._follow = QTimer(self, interval=_FOLLOW_MS)
        self._follow.timeout.connect(self._look_elsewhere)
        panel = self.panel
        panel.visibilityChanged.connect(self._on_shown)
        panel.open_slides_requested.connect(self._add_open_slides)
        panel.folder_requested.connect(lambda: self._ask_folder("Add the slides of a folder"))
        panel.project_requested.connect(self._add_project)
        panel.cleared.connect(self._clear)
        panel.start_requested.connect(self.start)
        panel.retry_requested.connect(self.retry)
        panel.pause_requested.connect(self._pause)
        panel.cancel_requested.connect(self._cancel)
        panel.quality_requested.connect(self._ask_for_quality)
        panel.row_chosen.connect(lambda row: self._open(self.slides.paths[row]))
        panel.when_built(
            lambda: panel.models.currentIndexChanged.connect(lambda _: self.show_settings())
        )
        window.panes.active_changed.connect(lambda _: self.show_settings())
        window.projects.study.changed.connect(self._on_study)
        self.table.visibilityChanged.connect(self._on_table_shown)
        self.table.slide_chosen.connect(self._open)
        self.table.object_chosen.connect(self._travel)
        self.table.save_requested.connect(self._ask_where_to_save)

    @property
    def is_running(self) -> bool:
        """Return whether a batch runs."""
        return self._run is not None

    def add(self, paths: Sequence[Path]) -> None:
        """Add slides, those of folders and of projects; nothing while a batch runs."""
        if self._run is None:
            self.panel.show_why("")
            self.panel.show_progress(0.0, "Looking for slides...")
            self._disk.run(lambda: _named(paths), self._on_named, self._on_not_named)

    def choose(self, model: str) -> None:
        """Show the page with a model chosen by its folder, and the slides of the open project."""
        if self._run is None:
            self._wanted = model
            self._on_shown(True)
            if self._window.projects.opened.is_open:
                self._add_project()
        self.panel.show()

    def start(self) -> None:
        """Run the model over all slides that are not done."""
        if self._run is not None or not self.slides.paths or not self.panel.model:
            return
        if self._was_embedded():
            return
        paths = [slide_path(path) for path in self.slides.paths]
        settings, model = self._window.settings, self.panel.model
        options = {} if settings.device == "auto" else {"device": settings.device}
        options |= {"unconfined": ""} if settings.unconfined_models else {}
        if changes := self._cell_settings:
            options["set"] = ";".join(f"{name}={value}" for name, value in changes.items())
        named = [(path, path.name) for path in paths]
        where, store = self.panel.where.place, self.panel.where.store_name
        self._begin(lambda: _begun(model, named, options, store, where), where, store)

    def retry(self) -> None:
        """Run those slides again that failed, and no other, with the model that failed on them."""
        batch, where = self._batch, self.panel.where.place
        if self._run is not None or batch is None or self._was_embedded():
            return

        def moved() -> Batch:
            batch.move(where)
            return batch

        self._begin(moved, where, batch.settings.store, only_failed=True)

    def _was_embedded(self) -> bool:
        """Return whether the batch on screen is not one that the page runs, which it says then."""
        if self._batch is None or self._batch.settings.command != "embed":
            return False
        self.panel.show_why(
            "These slides were embedded: `coverslip runs resume` goes on with that. Clear the "
            "list to run a model here."
        )
        return True

    def shut_down(self) -> None:
        """End the batch, which can go on later, and all work of the page."""
        self._follow.stop()
        for sheet in list(self._sheets):
            sheet.close()
        run, self._run = self._run, None
        if run is not None:
            run.blockSignals(True)
            run.close()
        self._disk.close()
        self.table.shut_down()

    # What the panel asks ---------------------------------------------------------------------

    def _begin(
        self,
        begin: Callable[[], Batch],
        where: BatchWhere,
        store: str,
        *,
        only_failed: bool = False,
    ) -> None:
        from viewer.cohort.batch import LOCAL
        from viewer.ui.batch.batch_thread import BatchThread

        self._is_paused = False
        self.show_settings()
        self.panel.show_why("")
        is_local = where.on == LOCAL
        said = "Loading the model..." if is_local else "Connecting to the cluster..."
        self.panel.show_progress(0.0, said)
        run = self._run = BatchThread(begin, self, where, store, only_failed=only_failed)
        queued = Qt.ConnectionType.QueuedConnection
        run.begun.connect(self._on_begun, queued)
        run.slide_changed.connect(self._on_slide, queued)
        run.progressed.connect(self._on_progress, queued)
        run.ended.connect(self._on_ended, queued)
        run.start()
        self.panel.show_state(is_running=True)

    @property
    def _cell_settings(self) -> dict[str, object] | None:
        """Return what is set of cells on the slide on screen, other than the model's own settings.

        None of models that find no cells by settings, and without a slide.
        """
        window = self._window
        pane, chosen = window.panes.active, self.panel.model
        bundle = next((b for b in window.overlays.bundles if str(b.folder) == chosen), None)
        if bundle is None or bundle.description.cells is None or pane.source is None:
            return None
        usual = msgspec.to_builtins(bundle.description.cells)
        values = msgspec.to_builtins(window.cells.settings_of(pane, bundle))
        del values["stains"]  # of each slide its own
        return {name: value for name, value in values.items() if value != usual[name]}

    def show_settings(self) -> None:
        """Say which settings of cells hold for all slides."""
        changes, path = self._cell_settings, self._window.panes.active.path
        if changes is None or path is None:
            self.panel.show_settings("")
            return
        said = ", ".join(f"{name} {value}" for name, value in changes.items())
        name = self._name_of(path)
        self.panel.show_settings(
            f"With the settings of {name}: {said}; each slide with its own stains."
            if said
            else f"With the usual settings, as {name} has them; each slide with its own stains."
        )

    def _pause(self) -> None:
        if self._run is not None:
            self._is_paused = not self._is_paused
            self._run.pause(paused=self._is_paused)
            self.panel.show_state(is_running=True, is_paused=self._is_paused)
            if self._is_paused:
                self.panel.show_progress(self.panel.progress.value() / 1000, "Paused.")

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()
        elif self._is_elsewhere and self._batch is not None:
            self._disk.run(self._batch.ask_to_cancel, lambda _: None, self._on_failed)

    def _clear(self) -> None:
        self._batch = None
        self.slides.show_slides([])
        self.table.show_batch(None)
        self.panel.show_progress(0.0, "")
        self.panel.show_why("")

    def _add_open_slides(self) -> None:
        panes = self._window.panes.panes
        paths = [pane.path for pane in panes if pane.path is not None and pane.source is not None]
        if paths:
            self.add(paths)
        else:
            self.panel.show_why("No slide is open: open one, or add a folder or a project.")

    def _add_project(self) -> None:
        opened = self._window.projects.opened
        if opened.is_open and opened.folder is not None:
            self.add([opened.folder])
        else:
            self._ask_folder("Add the slides of a project")

    def _ask_folder(self, title: str) -> None:
        ask_folder(self._window.window(), title, lambda folder: self.add([folder]))

    def _ask_for_quality(self) -> None:
        ask_folder(
            self._window.window(),
            "Check the slides of a folder",
            self.show_quality,
            start=Path(self.slides.paths[0]).parent if self.slides.paths else None,
        )

    def show_quality(self, folder: Path) -> None:
        """Show the contact sheet of a folder, which is watched for as long as it is open."""
        from viewer.ui.batch.contact_sheet import ContactSheet

        sheet = ContactSheet(folder, self._name_of, self._window.window())
        sheet.slide_chosen.connect(self._open)
        self._sheets.append(sheet)
        sheet.finished.connect(lambda _: self._sheets.remove(sheet))
        sheet.show()

    def _open(self, path: str) -> None:
        slide = slide_path(path)
        if self._window.panes.active.path != slide:
            self._window.open_paths([slide])

    def _travel(self, path: str, x_px: float, y_px: float) -> None:
        """Open the slide of an object and go there."""
        slide, pane = slide_path(path), self._window.panes.active

        def arrive(opened: Path) -> None:
            if opened == slide:
                canvas = pane.canvas
                mpp_um = canvas.optics.mean_mpp_um
                downsample = _MPP_SHOWN_UM / mpp_um if mpp_um is not None else 1.0
                canvas.go_to(Point(x_px, y_px), downsample)

        if pane.path == slide:
            arrive(slide)
        else:
            pane.opened.connect(arrive, Qt.ConnectionType.SingleShotConnection)
            pane.open(slide)

    def _ask_where_to_save(self) -> None:
        batch = self.table.batch
        if batch is None:
            return
        ask_new_file(
            self._window.window(),
            "Save the table over all slides",
            lambda path, _: self._save(batch, path),
            formats={"CSV (*.csv)": ".csv"},
            stem=Path(TABLE_FILE).stem,
        )

    def _save(self, batch: Batch, path: Path) -> None:
        self._disk.run(
            lambda: write_batch_table(batch, path),
            lambda _: self._window.say(f"Saved {path.name}."),
            lambda error: self._window.show_error(unwritable(path, error)),
            keeps=path.name,
        )

    def _name_of(self, path: Path) -> str:
        return self._window.projects.opened.name_of_path(path)

    def _is_blind(self, path: Path) -> bool:
        """Return whether the study that is open hides what models find on a slide."""
        projects = self._window.projects
        if not projects.opened.project.stages:
            return False
        slide = projects.opened.slide_at(path)
        return slide is not None and "ai" in projects.study.hides_of(slide.identity)

    def _on_study(self) -> None:
        """What a study hides from now on goes from the page; what it shows comes."""
        self.slides.renew()
        self.table.follow_study()

    # What others tell ------------------------------------------------------------------------

    def _on_shown(self, is_shown: bool) -> None:
        """Read models each time, and once the batch that was not finished."""
        if is_shown:
            self._follow.start()
        else:
            self._follow.stop()
        if not is_shown or self._run is not None:
            return
        self._disk.run(_known_models, self._on_models, self._on_failed)
        if not self._is_known:
            self._is_known = True
            self._disk.run(newest_batch, self._on_kept, self._on_failed)

    def _on_models(self, models: list[tuple[str, str]]) -> None:
        self.panel.show_models(models, self._wanted or self.panel.model)
        self._wanted = ""
        self.show_settings()

    def _on_kept(self, batch: Batch | None) -> None:
        if batch is None or self.slides.paths or self._run is not None:
            return
        self._on_begun(batch)
        self.panel.models.setCurrentIndex(max(0, self.panel.models.findData(batch.settings.model)))
        self.panel.where.show_batch(batch)
        self._show_outcome()

    def _on_named(self, named: NamedSlides) -> None:
        problems = " ".join(named.problems)
        self.panel.show_why(problems)
        paths = [str(path.absolute()) for path, _ in named.slides]
        if self._run is not None:
            return
        self.panel.show_progress(0.0, "")
        if paths:
            self._batch = None
            self.slides.show_slides([*self.slides.paths, *paths])
        elif self._batch is not None:
            self._show_outcome()

    def _on_not_named(self, error: Exception) -> None:
        self.panel.show_progress(0.0, "")
        self._on_failed(error)

    def _on_begun(self, batch: Batch) -> None:
        self._batch = batch
        self.slides.show_slides([slide.path for slide in batch.slides], batch.records())
        self.table.show_batch(batch)

    def _on_slide(self, record: SlideRecord) -> None:
        self.slides.show_record(record)
        if record.state in ("done", "failed"):
            self.table.show_batch(self._batch)

    def _on_progress(self, progress: BatchProgress) -> None:
        from viewer.cohort.runner import duration_text

        if self._is_paused:
            return
        finished = progress.done + progress.failed
        parts = [f"{finished:,} of {plural(progress.total, 'slide')}"]
        if progress.failed:
            parts.append(f"{progress.failed:,} failed")
        if progress.left_s:
            parts.append(f"{duration_text(progress.left_s)} left")
        share = (finished + progress.share) / max(1, progress.total)
        self.panel.show_progress(share, ", ".join(parts))
        if progress.slide:
            self.slides.show_share(progress.slide, progress.slide_share)

    def _look_elsewhere(self) -> None:
        """See whether another program runs the batch, such as `coverslip run` on a cluster."""
        if self._run is None and not self._disk.waiting_count:  # a drive may hold it for long
            shown = self._batch if self._is_elsewhere else None
            self._disk.run(lambda: run_elsewhere(shown), self._on_elsewhere, self._on_failed)

    def _on_elsewhere(self, followed: Followed | None) -> None:
        if self._run is not None:
            return
        if followed is None:
            if self._is_elsewhere and self._batch is not None:
                self._is_elsewhere = False
                self.panel.show_state(is_running=False)
                ended = self._batch.id
                self._disk.run(
                    lambda: newest_batch(ended), self._on_elsewhere_ended, self._on_failed
                )
            return
        batch, former = followed.batch, self._batch
        if not self._is_elsewhere or former is None or former.id != batch.id:
            self._is_elsewhere = True
            self._on_begun(batch)
            self.panel.show_state(is_running=True, is_elsewhere=True)
        elif followed.changed and followed.since is former:
            self._batch = batch
            for record in followed.changed:
                self.slides.show_record(record)
            self.table.show_batch(batch)
        if followed.progress is not None:
            self._on_progress(followed.progress)

    def _on_elsewhere_ended(self, batch: Batch | None) -> None:
        if batch is not None and self._run is None:
            self._on_begun(batch)
            self._on_ended("")

    def _on_ended(self, sentence: str) -> None:
        if self._run is not None:
            self._run.deleteLater()
        self._run = None
        said = self._show_outcome()
        self.panel.show_why(sentence)
        self._window.say(sentence or f"Batch: {said}")

    def _show_outcome(self) -> str:
        """Show how many slides of a batch that does not run are done; return it in words."""
        done, failed = self.slides.count("done"), self.slides.count("failed")
        total = len(self.slides.paths)
        said = f"{done:,} of {plural(total, 'slide is', 'slides are')} done"
        said += f", {failed:,} failed" if failed else ""
        is_over = done + failed == total
        said += "." if is_over else "; Start goes on."
        self.panel.show_progress((done + failed) / max(1, total), said)
        self.panel.show_state(is_running=False)
        return said

    def _on_table_shown(self, is_shown: bool) -> None:
        if is_shown:
            self._on_shown(is_shown)
            self.table.show_batch(self._batch)

    def _on_failed(self, error: Exception) -> None:
        self.panel.show_why(str(error))


# Readers of slides and models are loaded at need, in a worker: the window stands sooner.


def _named(paths: Sequence[Path]) -> NamedSlides:
    from viewer.cohort.slides import named_slides

    return named_slides(paths)


def _begun(
    model: str, named: list[tuple[Path, str]], options: dict[str, str], store: str,
    where: BatchWhere,
) -> Batch:  # fmt: skip
    from viewer.cohort.starting import begin_batch

    return begin_batch(model, named, options, store=store, where=where)


def _known_models() -> list[tuple[str, str]]:
    from viewer.inference.models.model_library import all_models

    return [(each.name, str(each.folder)) for each in all_models()]
