"""What a policy of another package works with, in its process: everything goes by messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.agents.actions import (
    Annotate,
    Answer,
    Bookmark,
    CallTool,
    GoTo,
    Note,
    Observation,
    Task,
)
from viewer.agents.errors import AgentError
from viewer.agents.findings import box_of
from viewer.agents.microscope import Field
from viewer.agents.plugins import plugin_messages as messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.chat.conversation import Turn
    from viewer.geometry import Box
    from viewer.processes.channel import Channel
    from viewer.slides.source import RgbImage


class PluginScene(msgspec.Struct, frozen=True):
    """All that a policy gets; the counterpart of `actions.Scene`.

    Attributes
    ----------
    width_px, height_px
        Of level 0.
    tools
        What `CallTool` may call, as JSON schemas.
    """

    task: Task
    width_px: int
    height_px: int
    mpp_um: float | None
    native_magnification: float | None
    tools: list[dict[str, object]]
    channel: Channel[messages.Given]

    @classmethod
    def of(cls, begin: messages.Begin, channel: Channel[messages.Given]) -> PluginScene:
        """Return the scene that a message tells of."""
        return cls(
            Task(begin.question, begin.options),
            begin.width_px,
            begin.height_px,
            begin.mpp_um,
            begin.native_magnification,
            msgspec.json.decode(begin.tools),
            channel,
        )

    def picture(self, box: Box, side_px: int = 1024) -> RgbImage:
        """Return a box of the slide, uint8 (height, width, 3), its longer side `side_px` at most.

        Raises
        ------
        AgentError
            It cannot be given; one sentence.
        """
        given = self._asked(messages.WantPicture(box.bounds, side_px))
        assert isinstance(given, messages.Picture)
        pixels = np.frombuffer(given.rgb, np.uint8)
        return pixels.reshape(given.height_px, given.width_px, 3)

    def ask(self, turns: Sequence[Turn]) -> str:
        """Return the model server's answer. Raises AgentError where there is none."""
        sent = tuple(_sent(turn) for turn in turns)
        given = self._asked(messages.WantReply(sent))
        assert isinstance(given, messages.Replied)
        return given.text

    def _asked(self, want: msgspec.Struct) -> messages.Given:
        self.channel.send(want)
        given = self.channel.receive()
        if isinstance(given, messages.Refused):
            raise AgentError(given.sentence)
        return given


def observation(seen: messages.Seen) -> Observation:
    """Return what was seen as policies know it."""
    return Observation(
        Field(box_of(seen.field), seen.magnification),
        seen.steps_left,
        seen.visits,
        msgspec.json.decode(seen.result),
        seen.trouble,
        seen.remarks,
        seen.was_moved,
    )


def want_of(action: object) -> messages.Want:
    """Return an action as a message."""
    match action:
        case GoTo(box, magnification, why):
            return messages.WantGoTo(box.bounds, magnification, why)
        case CallTool(tool, arguments):
            return messages.WantTool(tool, msgspec.json.encode(arguments))
        case Annotate():
            box = None if action.box is None else action.box.bounds
            return messages.WantAnnotation(action.label, action.text, box, action.figures)
        case Note(text):
            return messages.WantNote(text)
        case Bookmark(label, box):
            return messages.WantBookmark(label, None if box is None else box.bounds)
        case Answer(text, claims, choice):
            return messages.WantAnswer(text, claims, choice)
        case _:
            raise AgentError(f"A policy yields actions, and {type(action).__name__} is none.")


def _sent(turn: Turn) -> messages.SentTurn:
    pictures = tuple(
        messages.SentPicture(
            picture.rgb.shape[1], picture.rgb.shape[0], picture.rgb.tobytes(), picture.caption
        )
        for picture in turn.pictures
    )
    role = "user" if turn.role == "tool" else turn.role
    return messages.SentTurn(role, turn.text, pictures)
