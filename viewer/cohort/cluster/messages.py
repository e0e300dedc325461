"""What the program and the process that holds the cluster say to each other."""

from __future__ import annotations

import msgspec

from viewer.cohort.executor import Command  # noqa: TC001 - msgspec reads it


class Connect(msgspec.Struct, frozen=True, tag=True):
    """The first message: which cluster, and what each task takes of it."""

    host: str
    port: int
    gpus_per_task: float


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Have a worker run `coverslip COMMAND ARGUMENTS`.

    Attributes
    ----------
    files
        Small files that the arguments name by `FILES` and their name.
    address
        Of a slide on a server the whole address, with whatever the server wants to see.
    """

    id: int
    arguments: list[str]
    files: dict[str, bytes]
    address: str = ""
    command: Command = "run"


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """End a run."""

    id: int


class Connected(msgspec.Struct, frozen=True, tag=True):
    """The cluster answers; so many tasks fit on it at once as it is now."""

    slots: int


class Unreachable(msgspec.Struct, frozen=True, tag=True):
    """There is no cluster, or it is gone: one sentence; the process ends."""

    sentence: str


class Going(msgspec.Struct, frozen=True, tag=True):
    """How far a run is, in blocks; a run that has just begun has none."""

    id: int
    done: int
    total: int
    left_s: float | None = None


class Ended(msgspec.Struct, frozen=True, tag=True):
    """What came of a run, as `RunResult` has it."""

    id: int
    record: dict[str, object] | None = None
    error: str = ""
    notes: list[str] = []
    bands: int = 0
    was_stopped: bool = False


FILES = "{files}/"
"""In arguments: the folder of the files of a run, wherever its worker puts them."""

Question = Connect | Submit | Cancel
Answer = Connected | Unreachable | Going | Ended


def lost_sentence(where: str) -> str:
    """Return what is said when a cluster is gone while slides run."""
    return (
        f"The Ray cluster at {where} is gone. What was computed is kept: start the cluster, and "
        "`coverslip runs resume` goes on."
    )
