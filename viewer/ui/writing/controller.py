"""Slides written from the window: asked for, written in the helper process, told of at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject, Signal

from viewer.files.atomic_write import atomic_write_bytes, unwritable
from viewer.prepared_types import prepared
from viewer.slides.remote.address import is_address
from viewer.slides.writing.requests import (
    CONVERT_TASK,
    DEIDENTIFY_TASK,
    ConvertSlide,
    DeidentifySlide,
    WrittenSlide,
)
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.progress_dialog import ProgressDialog
from viewer.ui.services import CommandHost, DialogHost, DrawingHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from viewer.processes.helper import HelperCall
    from viewer.ui.slides.slide_pane import SlidePane

_MOST_AT_ONCE = 2
_CANCELED = "Canceled: nothing was written."


class WritingJob(QObject):
    """One slide that is being written; `cancel` may be called at any time."""

    progressed = Signal(float)

    def __init__(self, task: str, request: msgspec.Struct, parent: QObject) -> None:
        super().__init__(parent)
        self._task = task
        self._request = request
        self._call: HelperCall | None = None
        self._is_canceled = False

    def run(self) -> WrittenSlide:
        """Have the helper write it; for a thread. Raises what `HelperCall.wait` does."""
        from viewer.processes.helper import HelperStoppedError, helper

        if self._is_canceled:
            raise HelperStoppedError(_CANCELED)
        self._call = helper().start(self._task, self._request)
        if self._is_canceled:  # it came while the helper was starting
            self._call.stop()
        body = self._call.wait(
            lambda share: self.progressed.emit(msgspec.msgpack.decode(share, type=float))
        )
        return msgspec.msgpack.decode(body, type=prepared(WrittenSlide))

    def cancel(self) -> None:
        self._is_canceled = True
        if self._call is not None:
            self._call.stop()


class WritingHost(MessageHost, DialogHost, PaneHost, CommandHost, DrawingHost, Protocol):
    """What writing slides asks of the window."""


class WritingController(QObject):
    """Owned by the window; `shut_down` gives up what is being written."""

    def __init__(self, window: WritingHost) -> None:
        super().__init__(window.window())
        self._window = window
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
            self.start(CONVERT_TASK, request, "Convert slide")

        dialog.accepted.connect(convert)
        open_dialog(dialog)

    def ask_deidentify(self) -> None:
        """Ask where the de-identified copy of the active pane's slide goes."""
        from viewer.ui.writing.deidentify_dialog import DeidentifyDialog

        path = self._local_path(self._window.panes.active)
        if path is None:
            return
        dialog = DeidentifyDialog(path.parent, self._window.window())
        dialog.accepted.connect(
            lambda: self.start(
                DEIDENTIFY_TASK, DeidentifySlide(str(path), str(dialog.folder)), "De-identify slide"
            )
        )
        open_dialog(dialog)

    def start(self, task: str, request: msgspec.Struct, title: str) -> None:
        """Write a slide in the background, with a dialog that shows progress and cancels."""
        job = WritingJob(task, request, self)
        progress = ProgressDialog(title, "Writing the slide...", self._window.window())
        progress.canceled.connect(job.cancel)
        job.progressed.connect(progress.show_share)
        self._jobs[job] = progress
        self._runner.run(
            job.run,
            lambda written: self._on_written(job, title, written),
            lambda error: self._on_failed(job, error),
        )

    def _on_written(self, job: WritingJob, title: str, written: WrittenSlide) -> None:
        from viewer.ui.writing.report_dialog import WritingReportDialog

        self._forget(job)
        self._window.say(f"Wrote {Path(written.path).name}.")
        dialog = WritingReportDialog(title, written, self._window.window())
        dialog.save_wanted.connect(lambda path: self._save_report(path, written.report))
        open_dialog(dialog)

    def _on_failed(self, job: WritingJob, error: Exception) -> None:
        from viewer.processes.helper import HelperStoppedError

        self._forget(job)
        if isinstance(error, HelperStoppedError):
            self._window.say(_CANCELED)
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
