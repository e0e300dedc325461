"""What an agent can do, and what it sees after each thing it did."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.agents.canceling import Cancel
    from viewer.agents.findings import Claim, Visit
    from viewer.agents.microscope import Field, Microscope
    from viewer.agents.slide_tools import SlideTools
    from viewer.geometry import Box


class GoTo(msgspec.Struct, frozen=True):
    """Look at a box, or at its middle at a magnification; level-0 pixels. Counts as a step."""

    box: Box
    magnification: float | None = None
    why: str = ""


class CallTool(msgspec.Struct, frozen=True):
    """Call one of `SlideTools` with arguments that are still to be checked. Counts as a step."""

    tool: str
    arguments: dict[str, object]


class Annotate(msgspec.Struct, frozen=True):
    """Mark what was found in the present region, or in a box of it."""

    label: str
    text: str
    box: Box | None = None
    figures: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    author: str = ""


class Note(msgspec.Struct, frozen=True):
    """Say something that is not about one place."""

    text: str


class Bookmark(msgspec.Struct, frozen=True):
    """Mark a place to come back to: the middle of a box, or of what is on screen."""

    label: str
    box: Box | None = None


class Answer(msgspec.Struct, frozen=True):
    """The conclusion; ends the walk. `choice` is the index of an option."""

    text: str
    claims: tuple[Claim, ...] = ()
    choice: int | None = None


Action = GoTo | CallTool | Annotate | Note | Bookmark | Answer


class Observation(msgspec.Struct, frozen=True):
    """What an agent sees.

    Attributes
    ----------
    steps_left
        At 0 only an answer, notes and annotations are taken.
    visits
        The regions gone to so far, the present one last.
    result
        What the tool of the last action gave.
    trouble
        Why the last action was not done, one sentence; "" where it was.
    remarks
        What the user said since the last observation.
    was_moved
        Whether the user moved the slide meanwhile.
    """

    field: Field
    steps_left: int
    visits: tuple[Visit, ...] = ()
    result: object = None
    trouble: str = ""
    remarks: tuple[str, ...] = ()
    was_moved: bool = False


class Task(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes
    ----------
    options
        Answers to choose from; empty for a free answer.
    labels
        What stands before the options where they are not numbered from 1, such as A, C, D.
    """

    question: str
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def numbered_options(self) -> tuple[str, ...]:
        """Return the options as they are listed, each with its number or label."""
        labels = self.labels or tuple(str(number) for number in range(1, len(self.options) + 1))
        return tuple(f"{label}. {each}" for label, each in zip(labels, self.options, strict=True))


class Scene(msgspec.Struct, frozen=True):
    """All that a policy works with.

    Attributes
    ----------
    say
        Shows the user a text as it is being written, whole each time.
    """

    task: Task
    microscope: Microscope
    tools: SlideTools
    cancel: Cancel
    say: Callable[[str], object]


Walk = Generator[Action, Observation, None]


class Policy(Protocol):
    """How an agent decides."""

    @property
    def name(self) -> str:
        """Return the name as it stands in sessions, such as "local"."""
        ...

    def walk(self, scene: Scene, first: Observation) -> Walk:
        """Yield actions and is sent what is seen after each, until it yields an Answer.

        Raises
        ------
        AgentError, AgentCancelledError
            It cannot go on.
        """
        ...
