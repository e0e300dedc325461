"""Where the calls of an agent of another program arrive: one reading at a time, one call at a time.

    desk = ClientDesk(place, "claude-code")
    reply = desk.call("open_slide", {"path": "/slides/a.svs"})

The desk knows neither the protocol nor the window: `ReadingPlace` opens slides, without a window
(`viewer.agents.clients.headless_place`) or in it.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.agents.canceling import AgentCancelledError
from viewer.agents.clients import client_limits
from viewer.agents.clients.client_policy import ENDED
from viewer.agents.clients.client_reading import ClientReading
from viewer.agents.clients.client_tools import OpenArguments, checked_call
from viewer.agents.clients.nameless import nameless
from viewer.agents.errors import AgentError, ToolError
from viewer.errors import CoverslipError
from viewer.plain_text import shown_line
from viewer.policy import policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from viewer.agents.actions import Task
    from viewer.agents.clients.client_policy import ClientPolicy

_log = logging.getLogger(__name__)
_MOST_WAITING = 8
_LONGEST_NAME = 60
_LONGEST_REFUSAL = 500
ANYTHING = "What is there to see on this slide?"


class ToolReply(msgspec.Struct, frozen=True):
    """What a client is given for a call.

    Attributes
    ----------
    data
        Plain data.
    jpeg
        An image; b"" where there is none.
    refusal
        Why the call was not carried out, one sentence; "" where it was.
    """

    data: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    jpeg: bytes = b""
    refusal: str = ""


class OpenedReading(Protocol):
    """A reading that began, as a place gives it."""

    @property
    def policy(self) -> ClientPolicy: ...

    @property
    def megapixels(self) -> float:
        """Return how many pixels of the slide may be given, in millions."""
        ...

    def close(self) -> None:
        """End the reading where it has not ended, and wait for its session to be kept."""
        ...


class ReadingPlace(Protocol):
    """Where a client reads slides."""

    def open(self, path: str, client: str, task: Task) -> OpenedReading:
        """Open a slide and begin a reading.

        Raises
        ------
        CoverslipError
            It is not allowed, or cannot be opened; one sentence.
        """
        ...

    def close(self) -> None: ...


class ClientDesk:
    """Any thread may call; calls are carried out one after the other.

    Parameters
    ----------
    client
        How the client calls itself; it may say anything.
    """

    def __init__(self, place: ReadingPlace, client: str = "") -> None:
        self._place = place
        self._client = client_name(client)
        self._lock = threading.Lock()
        self._waiting = 0
        self._count = threading.Lock()
        self._opened: OpenedReading | None = None
        self._reading: ClientReading | None = None
        self._calls = 0
        self._is_closed = False

    @property
    def client(self) -> str:
        """Return the client's name as it stands in sessions and sentences."""
        return self._client

    def introduce(self, client: str) -> None:
        """Take the name by which the client calls itself; the first one counts."""
        if self._client == client_name(""):
            self._client = client_name(client)

    def call(self, tool: str, arguments: Mapping[str, object]) -> ToolReply:
        """Carry out a call; a refusal is a reply, and nothing is raised."""
        with self._count:
            if self._waiting >= _MOST_WAITING:
                return ToolReply(refusal="Too many calls at once: wait for the answers.")
            self._waiting += 1
        try:
            with self._lock:
                return self._carried_out(tool, arguments)
        finally:
            with self._count:
                self._waiting -= 1

    def close(self) -> None:
        """End the reading, and whatever waits."""
        self._is_closed = True
        opened = self._opened
        if opened is not None:
            opened.close()
        self._place.close()

    def _carried_out(self, tool: str, arguments: Mapping[str, object]) -> ToolReply:
        reading = self._reading
        try:
            if not policy().agent_clients:
                raise ToolError("The administrator's policy lets no other program read slides.")
            if self._is_closed:
                raise ToolError("The program ends.")
            if reading is not None and tool != "open_slide":
                self._calls += 1
                if self._calls > client_limits.MOST_CALLS:
                    raise ToolError(
                        f"A reading takes {client_limits.MOST_CALLS:,} calls at most: open a "
                        "slide to begin another."
                    )
            checked = checked_call(tool, arguments)
            if isinstance(checked, OpenArguments):
                return ToolReply(self._open(checked))
            if reading is None:
                raise ToolError("Open a slide first, with open_slide.")
            data, jpeg = reading.call(tool, checked, _as_json(arguments))
            return ToolReply(data, jpeg)
        except AgentCancelledError:
            return self._refused(tool, ENDED)
        except CoverslipError as error:
            return self._refused(tool, nameless(error, self._slides()))
        except Exception as error:
            _log.exception("a call of another program failed")
            return self._refused(tool, f"The call failed ({type(error).__name__}).")

    def _refused(self, tool: str, sentence: str) -> ToolReply:
        line = shown_line(sentence)[:_LONGEST_REFUSAL]
        if self._reading is not None and self._calls <= client_limits.MOST_CALLS:
            self._reading.note_refusal(tool[:_LONGEST_NAME], line)
        return ToolReply(refusal=line)

    def _slides(self) -> list[Path]:
        return [] if self._reading is None else [self._reading.slide]

    def _open(self, arguments: OpenArguments) -> dict[str, object]:
        from viewer.agents.actions import Task

        task = Task(arguments.question or ANYTHING, tuple(arguments.options))
        opened = self._place.open(arguments.path, self._client, task)
        if self._opened is not None:
            self._opened.close()
        self._opened, self._calls = opened, 0
        if self._is_closed:
            opened.close()
            raise AgentError("The program ends.")
        self._reading = ClientReading(opened, self._client)
        return self._reading.begun()


def client_name(name: str) -> str:
    """Return a client's name as a word that can stand in sessions, files and sentences."""
    word = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    return word[:_LONGEST_NAME].strip("-") or "client"


def _as_json(arguments: Mapping[str, object]) -> str:
    return msgspec.json.encode(dict(arguments)).decode(errors="replace")[:2000]
