"""Tasks that the tests of the helper ask for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.audit_log import trail

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext

_stopped: list[str] = []


def _text(body: bytes) -> str:
    return msgspec.msgpack.decode(body)["text"]


def shout(body: bytes, _context: TaskContext) -> bytes:
    return msgspec.msgpack.encode(_text(body).upper())


def wait_for_ever(body: bytes, context: TaskContext) -> bytes:
    event = threading.Event()
    context.when_stopped(event.set)
    context.report(msgspec.msgpack.encode("waiting"))
    event.wait()
    _stopped.append(_text(body))
    return b""


def hear_nothing(_body: bytes, context: TaskContext) -> bytes:
    context.report(msgspec.msgpack.encode("begun"))
    threading.Event().wait()
    return b""


def note(body: bytes, _context: TaskContext) -> bytes:
    trail.note("sent", _text(body))
    trail.flush()
    return b""


def stopped(_body: bytes, _context: TaskContext) -> bytes:
    return msgspec.msgpack.encode(str(len(_stopped)))


def fail(body: bytes, _context: TaskContext) -> bytes:
    raise ValueError(_text(body))


def read(body: bytes, _context: TaskContext) -> bytes:
    return Path(_text(body)).read_bytes()
