"""What an agent tells whoever shows it, as it happens."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from viewer.agents.findings import Finding, GroundedAnswer, Visit


class AgentState(Enum):
    """Who moves the slide."""

    RUNNING = "running"
    PAUSED = "paused"
    TAKEN_OVER = "taken over"
    FINISHED = "finished"
    CANCELED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (AgentState.FINISHED, AgentState.CANCELED, AgentState.FAILED)


class StateChanged(msgspec.Struct, frozen=True):
    """Paused, taken over, going on, over."""

    state: AgentState


class Step(msgspec.Struct, frozen=True):
    """The agent begins its next step, of at most so many."""

    number: int
    most: int


class Said(msgspec.Struct, frozen=True):
    """A text as it is being written, whole each time; `is_done` with its last piece.

    Plain text from a model: never rendered as HTML.
    """

    text: str
    is_done: bool = True


class Moved(msgspec.Struct, frozen=True):
    """The agent went to a region."""

    visit: Visit
    why: str


class Measured(msgspec.Struct, frozen=True):
    """A tool was used; `result` is plain data, or one sentence where it gave none."""

    tool: str
    arguments: dict[str, object]
    result: object


class Found(msgspec.Struct, frozen=True):
    """A finding was marked on the slide."""

    finding: Finding


class Finished(msgspec.Struct, frozen=True):
    """The agent concluded."""

    answer: GroundedAnswer


class Failed(msgspec.Struct, frozen=True):
    """The agent cannot go on; one sentence says why."""

    sentence: str


AgentEvent = StateChanged | Step | Said | Moved | Measured | Found | Finished | Failed
