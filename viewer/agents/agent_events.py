"""What an agent tells whoever shows it, as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Paused, taken over, going on, over."""

    state: AgentState


@dataclass(frozen=True, slots=True)
class Step:
    """The agent begins its next step, of at most so many."""

    number: int
    most: int


@dataclass(frozen=True, slots=True)
class Said:
    """A text as it is being written, whole each time; `is_done` with its last piece.

    Plain text from a model: never rendered as HTML.
    """

    text: str
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class Moved:
    """The agent went to a region."""

    visit: Visit
    why: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A tool was used; `result` is plain data, or one sentence where it gave none."""

    tool: str
    arguments: dict[str, object]
    result: object


@dataclass(frozen=True, slots=True)
class Found:
    """A finding was marked on the slide."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Finished:
    """The agent concluded."""

    answer: GroundedAnswer


@dataclass(frozen=True, slots=True)
class Failed:
    """The agent cannot go on; one sentence says why."""

    sentence: str


AgentEvent = StateChanged | Step | Said | Moved | Measured | Found | Finished | Failed
