"""Slides written from the window: asked for, written in the helper process, told of at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from viewer.files.atomic_write import atomic_write_bytes, unwritable
from viewer.slides.remote.address import is_address
from viewer.slides.writing.requests import (
    CONVERT_TASK,
    DEIDENTIFY_TASK,
    ConvertSlide,
    DeidentifySlide,
)
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.progress_dialog import ProgressDialog
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    DrawingHost,
    MessageHost,
    PaneHost,
)
from viewer.ui.writing.writing_job import CANCELED, SlideRequest, WritingJob, WritingReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.ui.slides.slide_pane import SlidePane

_MOST_AT_ONCE = 2


class WritingHost(MessageHost, DialogHost, PaneHost, CommandHost, DrawingHost, Protocol):
    """What writing slides asks of the window."""

    def open_paths(self, paths: Sequence[Path], pane: SlidePane | None = None) -> None:
        """Open slides in the active pane."""


class WritingController(QObject):
    """Owned by the window; `shut_down` gives up what is being written.

    Parameters
    ----------
    listed
        Gives the slides that are listed beside the one that is shown.
    """

    def __init__(self, window: WritingHost, listed: Callable[[], Sequence[Path]] = tuple) -> None:
        super().__init__(window.window())
        self._window = window
        self._listed = listed
        self._runner = BackgroundRunner("writing", _MOST_AT_ONCE, self)
        self._jobs: dict[WritingJob, ProgressDialog] = {}
        window.commands.on("file.convert", self.ask_convert)
        window.commands.on("file.deidentify", self.ask_deidentify)

    def shut_down(self) -> None:
        for job in list(self._jobs):
            job.cancel()
        self._runner.close()

    def ask_convert(self) -> None:
        """Ask how the slide of the active pane is converted."""
        from viewer.ui.writing.convert_dialog import ConvertDialog

        pane = self._window.panes.active
        source, path = pane.source, self._local_path(pane)
        if source is None or path is None:
            return
        active = self._window.annotations.of(pane)
        box = None if active is None else active.chosen_bounds
        names = [channel.name for channel in source.info.axes.channels]
        image = source.info.image if source.info.images else None
        mpp_um = pane.canvas.optics.mean_mpp_um
        dialog = ConvertDialog(path, names, self._window.window(), has_region=box is not None)

        def convert() -> None:
            region = None
            if dialog.is_region and box is not None:
                x, y = max(math.floor(box.x0), 0), max(math.floor(box.y0), 0)
                region = (x, y, math.ceil(box.x1) - x, math.ceil(box.y1) - y)
            request = ConvertSlide(
                str(path), str(dialog.out), dialog.kind, dialog.quality.value(), region,
                dialog.channels, image, mpp_um, dialog.replace.isChecked(),
            )  # fmt: skip
            self.start(CONVERT_TASK, [(path.name, request)], "Convert slide")

        dialog.accepted.connect(convert)
        open_dialog(dialog)

    def ask_deidentify(self) -> None:
        """Ask where the de-identified copies go, of the active pane's slide or of all listed."""
        from viewer.ui.writing.deidentify_dialog import DeidentifyDialog

        pane = self._window.panes.active
        path = self._local_path(pane)
        if path is None:
            return
        listed = [each for each in self._listed() if not is_address(each)]
        others = listed if path in listed and len(listed) > 1 else []
        dialog = DeidentifyDialog(path.parent, len(others), self._window.window())

        def write() -> None:
            slides = others if dialog.is_all else [path]
            folder = str(dialog.folder)
            requests = [(pane.name_of(each), DeidentifySlide(str(each), folder)) for each in slides]
            self.start(DEIDENTIFY_TASK, requests, dialog.windowTitle())

        dialog.accepted.connect(write)
        open_dialog(dialog)

    def start(self, task: str, requests: Sequence[tuple[str, SlideRequest]], title: str) -> None:
        """Write slides in the background, with a dialog that shows progress and cancels.

        `requests` as `WritingJob`.
        """
        job = WritingJob(task, requests, self)
        progress = ProgressDialog(title, "Writing the slide...", self._window.window())
        progress.canceled.connect(job.cancel)
        job.progressed.connect(progress.show_share)
        job.began.connect(progress.setLabelText)
        self._jobs[job] = progress
        self._runner.run(
            job.run,
            lambda written: self._on_written(job, title, written),
            lambda error: self._on_failed(job, error),
        )

    def _on_written(self, job: WritingJob, title: str, written: WritingReport) -> None:
        from viewer.ui.writing.report_dialog import WritingReportDialog

        self._forget(job)
        self._window.say(f"{written.heading}.")
        dialog = WritingReportDialog(title, written, self._window.window())
        dialog.save_wanted.connect(lambda path: self._save_report(path, written.report))
        dialog.open_wanted.connect(lambda: self._window.open_paths(written.paths))
        open_dialog(dialog)

    def _on_failed(self, job: WritingJob, error: Exception) -> None:
        from viewer.processes.helper import HelperStoppedError

        self._forget(job)
        if isinstance(error, HelperStoppedError):
            self._window.say(CANCELED)
        elif isinstance(error, OSError):
            self._window.show_error(unwritable(Path(error.filename or ""), error))
        else:
            self._window.show_error(str(error))

    def _forget(self, job: WritingJob) -> None:
        self._jobs.pop(job).finish()
        job.deleteLater()

    def _save_report(self, path: Path, report: bytes) -> None:
        def failed(error: Exception) -> None:
            text = unwritable(path, error) if isinstance(error, OSError) else str(error)
            self._window.show_error(text)

        self._runner.run(
            lambda: atomic_write_bytes(path, report),
            lambda _: self._window.say(f"Saved {path.name}."),
            failed,
            keeps=path.name,
        )

    def _local_path(self, pane: SlidePane) -> Path | None:
        """Return the file of a pane's slide; None, and says why, where it lies on a server."""
        path = pane.path
        if path is None:
            return None
        if is_address(path):
            self._window.say("The slide lies on a server: copy it to this computer first.")
            return None
        return path
