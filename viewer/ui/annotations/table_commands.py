"""Tables of the annotations: figures of each class, and the versions to go back to."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.annotations.counted import current
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.commands.command import with_slide
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost
from viewer.utc import shown_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.annotations.statistics import ClassFigures
    from viewer.annotations.storage.store import Version
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.annotations.versions_dialog import VersionsDialog
    from viewer.ui.overlays.controller import OverlaysController


class TableCommandsHost(MessageHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What tables of annotations ask of the window."""

    overlays: OverlaysController


class TableCommands(QObject):
    """Owned by the part; `shut_down` ends its thread."""

    def __init__(
        self,
        window: TableCommandsHost,
        active: Callable[[], PaneAnnotations | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._active = active
        self._background = BackgroundRunner("annotation tables", 1, self)
        self._previewing: Task | None = None
        window.commands.on("annotate.statistics", self.show_statistics)
        window.commands.on("annotate.versions", self.show_versions)
        window.commands.on("edit.copy_measurements", self.copy_measurements)

    def shut_down(self) -> None:
        self._background.close(finish=True)

    # Statistics ------------------------------------------------------------------------------

    def show_statistics(self) -> None:
        """Count in a thread and open the table."""
        from viewer.annotations.statistics import class_figures

        active = self._active()
        if active is None:
            self._window.say(with_slide.reason)
            return
        held = active.document.snapshot()
        mpp_um, path = active.calibration.mpp_um, active.pane.path
        pixel_um = active.mpp_um
        name = path.stem if path is not None else "slide"
        self._background.run(
            lambda: class_figures([current(each, pixel_um) for each in held], mpp_um),
            lambda figures: self._open(figures, mpp_um, name),
        )

    def _open(self, figures: list[ClassFigures], mpp_um: MicronsPerPixel | None, name: str) -> None:
        from viewer.ui.annotations.statistics_dialog import StatisticsDialog
        from viewer.ui.opened_dialog import open_dialog

        dialog = StatisticsDialog(figures, mpp_um, name, self._window.window())
        dialog.export_requested.connect(lambda path: self._write(path, figures, mpp_um))
        open_dialog(dialog)

    def _write(
        self, path: Path, figures: list[ClassFigures], mpp_um: MicronsPerPixel | None
    ) -> None:
        from viewer.annotations.statistics import write_statistics
        from viewer.ui.written_file import write_file

        pane = self._window.panes.active
        write = partial(write_statistics, path, figures, mpp_um)
        write_file(self._window, self._background, pane, path, write)

    # Measurements ----------------------------------------------------------------------------

    def copy_measurements(self) -> None:
        """Copy the table of what is chosen, else of all annotations; made in a thread."""
        from viewer.annotations.measurement_table import measurement_rows
        from viewer.ui.annotations.shown import kind_of
        from viewer.ui.clipboard import copy_table

        active = self._active()
        if active is None or not len(active.document):
            self._window.say("There are no annotations to copy measurements of.")
            return
        held, ids = active.document.snapshot(), active.selection.ids
        mpp_um = active.calibration.mpp_um

        def take(rows: list[list[str | float]]) -> None:
            copy_table(rows)
            count = len(rows) - 1
            which = plural(count, "annotation")
            self._window.say(f"Copied the measurements of {which}.")

        def rows() -> list[list[str | float]]:
            chosen = list(held.of(ids)) if ids else None
            return measurement_rows(list(held), mpp_um, kind_of, chosen)

        self._background.run(rows, take)

    # Versions --------------------------------------------------------------------------------

    def show_versions(self) -> None:
        """Read what was done from the file, once all is in it, and list it."""
        active = self._active()
        if active is None:
            return
        slide = active.slide
        self._background.run(
            lambda: _versions(slide),
            lambda versions: self._open_versions(active, versions),
            self._on_failed,
        )

    def _open_versions(self, active: PaneAnnotations, versions: list[Version]) -> None:
        from viewer.ui.annotations.versions_dialog import VersionsDialog
        from viewer.ui.opened_dialog import open_dialog

        dialog = VersionsDialog(versions, self._window.window())
        dialog.bring_back_requested.connect(lambda version: self._bring_back(active, version))
        dialog.preview_requested.connect(lambda version: self._preview(active, version, dialog))
        dialog.ask_preview()
        open_dialog(dialog)

    def _preview(self, active: PaneAnnotations, version: Version, dialog: VersionsDialog) -> None:
        """Work out in a thread what the version that is looked at last would change."""
        from viewer.ui.annotations.version_preview import version_preview

        if self._previewing is not None:
            self._previewing.cancel()
        slide, held, box = active.slide, active.document.snapshot(), active.pane.canvas.slide_box
        self._previewing = self._background.run(
            lambda: version_preview(held, _then(slide, version.number), box),
            lambda preview: dialog.show_preview(version, preview),
            self._on_failed,
        )
        dialog.finished.connect(self._previewing.cancel)

    def _bring_back(self, active: PaneAnnotations, version: Version) -> None:
        slide = active.slide
        self._background.run(
            lambda: _then(slide, version.number),
            lambda then: self._on_then(active, version, then),
            self._on_failed,
        )

    def _on_then(
        self, active: PaneAnnotations, version: Version, then: dict[UUID, Annotation | None]
    ) -> None:
        from viewer.annotations.storage.store import bringing_back

        if active is not self._active():
            return
        step = bringing_back(active.document, then, "Bring back")
        if not step.changes:
            self._window.say("The annotations are as they were then.")
        elif active.do(step):
            moment = shown_moment(version.at_utc)
            self._window.say(
                f"The annotations are as before {version.label.lower()} of {moment};"
                " Ctrl+Z takes that back."
            )

    def _on_failed(self, error: Exception) -> None:
        self._window.show_error(f"The versions cannot be read ({error}).")


def _versions(slide: SlideAnnotations) -> list[Version]:
    slide.flush()
    with closing(slide.place.reading()) as store:
        return store.versions()


def _then(slide: SlideAnnotations, number: int) -> dict[UUID, Annotation | None]:
    slide.flush()
    with closing(slide.place.reading()) as store:
        return store.then(number)
