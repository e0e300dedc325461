"""Requests to a model's server, sent by the helper process so that no network library is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.canceling import AgentCancelledError
from viewer.agents.chat.conversation import PictureEncoder, Reply, on_wire, tool_on_wire
from viewer.agents.endpoint import Endpoint  # noqa: TC001 - msgspec reads the annotations
from viewer.agents.errors import BadAnswerError, DeclinedError, RefusedError
from viewer.errors import CoverslipError
from viewer.prepared_types import prepared
from viewer.processes.helper import (
    HelperEndedError,
    HelperFailedError,
    HelperStoppedError,
    helper,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.agents.canceling import Cancel
    from viewer.agents.chat.conversation import Tool, Turn

_TASK = "viewer.agents.chat.connection:chat"
LONGEST_PAUSE_S = 60.0


class TryAgainError(CoverslipError):
    """The server failed in a way that may pass.

    Attributes
    ----------
    pause_s
        What the server asked for; None where it did not.
    """

    def __init__(self, sentence: str, pause_s: float | None = None) -> None:
        super().__init__(sentence)
        self.pause_s = pause_s


class UnreachableError(TryAgainError):
    """Nothing answers at the address; the sentence says what to do."""


class ChatRequest(msgspec.Struct, frozen=True):
    """One request, as the helper takes it.

    Attributes
    ----------
    key
        Goes over a pipe that only these two processes hold, and to the server.
    messages, tools
        As they are written in the protocol.
    without
        What the server refused before, such as "stream_options" or "tools".
    """

    endpoint: Endpoint
    key: str | None
    messages: list[dict[str, object]]
    tools: list[dict[str, object]]
    without: tuple[str, ...] = ()


class ModelServer:
    """Sends single requests; nothing is tried again here.

    Parameters
    ----------
    key
        Shown to the server and to nobody else: it is blotted out of all that comes back.
    refused
        What the server does not know, such as "tools"; shared by all who ask it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        key: str | None,
        encoder: PictureEncoder,
        refused: set[str] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._key = key
        self._encoder = encoder
        self._refused = set[str]() if refused is None else refused

    @property
    def has_key(self) -> bool:
        """Return whether a key goes along."""
        return bool(self._key)

    def exchange(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Tool],
        on_text: Callable[[str], object] | None,
        cancel: Cancel,
    ) -> Reply:
        """Send one request; `cancel` cuts the connection at any moment.

        Raises
        ------
        TryAgainError
            The server failed in a way that may pass.
        RefusedError
            It refused the request.
        DeclinedError
            It declined this question.
        BadAnswerError
            The model never came to an answer.
        AgentCancelledError
            The user stopped it.
        """
        request = ChatRequest(
            self.endpoint,
            self._key,
            [on_wire(turn, self._encoder) for turn in turns],
            [tool_on_wire(tool) for tool in tools],
            tuple(sorted(self._refused)),
        )

        def on_progress(body: bytes) -> None:
            if on_text is not None:
                on_text(msgspec.msgpack.decode(body, type=str))

        try:
            call = helper().start(_TASK, request)
            with cancel.stopping(call.stop):
                reply = msgspec.msgpack.decode(call.wait(on_progress), type=prepared(Reply))
            self._refused.update(reply.left_out)
        except HelperStoppedError:
            raise AgentCancelledError from None
        except HelperEndedError as error:
            raise TryAgainError(str(error)) from None
        except HelperFailedError as error:
            for kind in (RefusedError, DeclinedError, BadAnswerError, UnreachableError):
                if error.kind == kind.__name__:
                    raise kind(str(error)) from None
            raise TryAgainError(str(error), error.value) from None
        return reply
