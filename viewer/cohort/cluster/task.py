"""What a worker of the cluster does: it starts `coverslip run` or `embed`, and passes on its words.

The reader, the model and the network are in processes that the run starts, confined as ever; the
worker itself holds none of them.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from viewer.access import OWNER_FILE
from viewer.cohort.cluster.messages import FILES
from viewer.cohort.executor import Command, LocalExecutor, RunProgress
from viewer.files.atomic_write import atomic_write_bytes
from viewer.slides.remote.address import slide_path

Note = tuple[int, int, int, float | None]
"""Number of a run, blocks done and of all, and seconds left."""


def run_slide(
    number: int, arguments: list[str], files: dict[str, bytes], address: str, notes: Any,
    command: Command = "run",
) -> dict[str, object]:  # fmt: skip
    """Run one slide, or a band of one, to its end; return what `RunResult` holds.

    Parameters
    ----------
    number
        Of the run; its progress goes to the actor `notes` under it.
    files, address, command
        As `messages.Submit` has them.
    """

    def note(progress: RunProgress) -> None:
        notes.put.remote((number, progress.done, progress.total, progress.left_s))

    if address:
        slide_path(address)
    note(RunProgress(0, 0))
    with tempfile.TemporaryDirectory(prefix="coverslip-") as folder:
        for name, data in files.items():
            atomic_write_bytes(Path(folder) / name, data, mode=OWNER_FILE)
        placed = [argument.replace(FILES, f"{folder}/") for argument in arguments]
        return msgspec.to_builtins(_executor(command).run(placed, note))


@cache
def _executor(command: Command) -> LocalExecutor:
    """Return what runs the slides of this worker; its process is kept from slide to slide.

    Ray gives a worker slides of one batch alone, and ends it with the batch.
    """
    return LocalExecutor(command)


class Notes:
    """The actor that gathers how far all runs are; the last word of each counts."""

    def __init__(self) -> None:
        self._last: dict[int, Note] = {}

    def put(self, note: Note) -> None:
        """Take what a run says."""
        self._last[note[0]] = note

    def take(self) -> list[Note]:
        """Return what was said since this was asked last."""
        notes, self._last = list(self._last.values()), {}
        return notes
