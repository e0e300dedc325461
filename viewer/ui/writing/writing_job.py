"""Slides that are being written in the helper process, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from PySide6.QtCore import QObject, Signal

from viewer.errors import CoverslipError
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural
from viewer.prepared_types import prepared
from viewer.slides.writing.requests import ConvertSlide, DeidentifySlide, WrittenSlide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.processes.helper import HelperCall

SlideRequest = ConvertSlide | DeidentifySlide
CANCELED = "Canceled: nothing was written."


class WritingReport(NamedTuple):
    """What was written, for people and as JSON.

    Attributes
    ----------
    paths
        The slides that were written, in order.
    """

    heading: str
    lines: tuple[str, ...]
    report: bytes
    paths: tuple[Path, ...]


class WritingJob(QObject):
    """Slides that are being written one after the other; `cancel` may be called at any time.

    Parameters
    ----------
    requests
        What each slide is called, and what the helper is asked for.
    """

    progressed = Signal(float)
    """Which share of all is done, 0 to 1."""
    began = Signal(str)
    """Which of several slides is written from now on, as a sentence."""

    def __init__(
        self, task: str, requests: Sequence[tuple[str, SlideRequest]], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._task = task
        self._requests = requests
        self._call: HelperCall | None = None
        self._is_canceled = False

    @property
    def count(self) -> int:
        """Return how many slides are to be written."""
        return len(self._requests)

    def run(self) -> WritingReport:
        """Have the helper write them; for a thread.

        Of several slides one that cannot be written is told of in the report, and the others are
        written; what was written before it was canceled stays. Raises what `HelperCall.wait` does.
        """
        from viewer.processes.helper import HelperStoppedError

        if self.count == 1:
            return _report_of_one(self._written(0))
        done: list[WrittenSlide | str] = []
        for number in range(self.count):
            self.began.emit(f"Writing slide {number + 1} of {self.count}...")
            try:
                done.append(self._written(number))
            except HelperStoppedError:
                if not any(isinstance(each, WrittenSlide) for each in done):
                    raise
                break
            except (CoverslipError, OSError) as error:
                done.append(_sentence(*self._requests[number], error))
        return _report_of_several([name for name, _ in self._requests], done)

    def cancel(self) -> None:
        self._is_canceled = True
        if self._call is not None:
            self._call.stop()

    def _written(self, number: int) -> WrittenSlide:
        from viewer.processes.helper import HelperStoppedError, helper

        if self._is_canceled:
            raise HelperStoppedError(CANCELED)
        self._call = helper().start(self._task, self._requests[number][1])
        if self._is_canceled:  # it came while the helper was starting
            self._call.stop()

        def tell(share: bytes) -> None:
            part = msgspec.msgpack.decode(share, type=float)
            self.progressed.emit((number + part) / self.count)

        return msgspec.msgpack.decode(self._call.wait(tell), type=prepared(WrittenSlide))


def _sentence(name: str, request: SlideRequest, error: CoverslipError | OSError) -> str:
    """Say why a slide was not written, by what it is called here."""
    if isinstance(error, OSError):
        return f"{name}: {unwritable(Path(error.filename or ''), error)}"
    sentence = str(error).replace(Path(request.slide).name, name)
    return sentence if name in sentence else f"{name}: {sentence}"


def _report_of_one(written: WrittenSlide) -> WritingReport:
    path = Path(written.path)
    return WritingReport(f"Wrote {path.name}", written.lines, written.report, (path,))


def _report_of_several(names: Sequence[str], done: Sequence[WrittenSlide | str]) -> WritingReport:
    """Tell first what was not written; `done` ends where it was canceled."""
    failed: list[str] = []
    lines: list[str] = []
    data: list[dict[str, object]] = []
    paths: list[Path] = []
    for name, each in zip(names, done, strict=False):
        if isinstance(each, str):
            failed.append(each)
            data.append({"slide": name, "error": each})
        else:
            paths.append(Path(each.path))
            lines.append("\n".join((f"{name} is {paths[-1].name} now.", *each.lines)))
            data.append({"slide": name, **msgspec.json.decode(each.report, type=dict[str, object])})
    left = len(names) - len(done)
    if left:
        failed.append(f"Canceled: {plural(left, 'slide was', 'slides were')} not written.")
    heading = f"Wrote {len(paths)} of {plural(len(names), 'slide')}"
    report = msgspec.json.format(msgspec.json.encode({"slides": data}), indent=2)
    return WritingReport(heading, (*failed, *lines), report, tuple(paths))
