"""What the window and its helper process say to each other."""

from __future__ import annotations

import msgspec


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Asks for a task; `body` is the task's own request, as msgpack.

    Attributes
    ----------
    task
        Where its function is, as "package.module:function".
    """

    id: int
    task: str
    body: bytes


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Asks to stop a task at once; nothing more is said of it."""

    id: int


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Tells what a task has so far."""

    id: int
    body: bytes


class Done(msgspec.Struct, frozen=True, tag=True):
    """Ends a task with its result."""

    id: int
    body: bytes


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Ends a task with an error.

    Attributes
    ----------
    kind
        The name of the error's class.
    code, file
        Of an OSError: its number and file; otherwise 0 and "".
    value
        A number that belongs to the error, such as seconds to wait.
    """

    id: int
    kind: str
    sentence: str
    code: int = 0
    file: str = ""
    value: float | None = None


class Unusable(msgspec.Struct, frozen=True, tag=True):
    """Tells of a file of the program's own that cannot be used, whatever task wanted it."""

    sentence: str


Request = Ask | Stop
Answer = Progress | Done | Failed | Unusable
