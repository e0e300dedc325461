"""Asks a vision-language model, over the chat completions protocol, within what was allowed.

    client = Client(endpoint, study, permission, key=keys.key_of(endpoint.host), log=log)
    reply = client.ask([Turn("user", "What is this?", (Picture(rgb),))], cancel=cancel)

Nothing is sent unless the host is among the allowed ones and the user gave a `Permission` for the
study and host. Redirections are not followed, so that nothing goes elsewhere. All methods wait
for the answer: they belong in a worker thread.
"""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from viewer.agents.canceling import Cancel
from viewer.agents.chat.conversation import (
    PictureEncoder,
    Reply,
    Turn,
    estimated_tokens,
    merged,
    text_tokens,
    within_pictures,
)
from viewer.agents.chat.model_server import (
    LONGEST_PAUSE_S,
    ModelServer,
    TryAgainError,
    UnreachableError,
)
from viewer.agents.endpoint import check_key
from viewer.agents.errors import (
    MODEL_DIALOG,
    AgentError,
    BadAnswerError,
    EndpointError,
    LimitError,
)
from viewer.agents.permission import check_permitted
from viewer.audit_log import sent_detail, trail
from viewer.errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.agents.chat.conversation import Tool
    from viewer.agents.endpoint import Endpoint
    from viewer.agents.exchanges import ExchangeLog
    from viewer.agents.permission import Permission

_log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_S = 0.5


class Spending(msgspec.Struct):
    """What was asked so far; shown to the user.

    Attributes
    ----------
    cost
        In the endpoint's currency.
    is_estimated
        Whether some of it is an estimate, since the server did not count.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    is_estimated: bool = False

    def add(self, reply: Reply) -> None:
        self.requests += 1
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        self.cost += reply.cost
        self.is_estimated = self.is_estimated or reply.is_estimated


class Client:
    """One conversation partner. Used by one thread at a time.

    Parameters
    ----------
    permission
        What the user agreed to; without it nothing is sent.
    log
        Where every exchange is kept.
    spending
        Counts on; shared by clients whose cost is one.
    refused
        What the server does not know and goes without; shared by clients of one server.
    slide
        The name of the slide that is asked about, for the list of what was sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        study: str,
        permission: Permission | None,
        *,
        key: str | None = None,
        log: ExchangeLog | None = None,
        spending: Spending | None = None,
        refused: set[str] | None = None,
        slide: str = "",
    ) -> None:
        self.endpoint = endpoint
        self.study = study
        self.spending = spending or Spending()
        self._permission = permission
        self._log = log
        self._slide = slide
        self._encoder = PictureEncoder(endpoint.picture_side_px, endpoint.jpeg_quality)
        self._key = key
        self._server = ModelServer(endpoint, key, self._encoder, refused)
        self._next_at_s = 0.0

    def ask(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Tool] = (),
        *,
        on_text: Callable[[str], object] | None = None,
        cancel: Cancel | None = None,
    ) -> Reply:
        """Return the model's answer; tried again while the server fails, with growing pauses.

        Parameters
        ----------
        on_text
            Called with all of the text so far, each time more of it came.

        Raises
        ------
        AgentError
            There is no answer; one sentence says why and what to do.
        AgentCancelledError
            The user stopped it.
        """
        cancel = cancel or Cancel()
        self.endpoint.check()
        check_key(self._key, self.endpoint.host)
        check_permitted(
            self.endpoint, self.study, self._permission, carries_key=self._server.has_key
        )
        fitting = merged(within_pictures(turns, self.endpoint.most_pictures))
        self._encoder.forget_but(turns)
        for attempt in range(1, self.endpoint.tries + 1):
            self._check_cost()
            self._keep_rate(cancel)
            pictures = sum(len(turn.pictures) for turn in fitting)
            detail = sent_detail(self.study, self.endpoint.model, self._slide)
            trail.note("sent", self.endpoint.host, detail, pictures)
            try:
                reply = self._server.exchange(fitting, tools, on_text, cancel)
            except TryAgainError as error:
                self._keep(fitting, tools, str(error))
                if attempt == self.endpoint.tries:
                    later = "" if isinstance(error, UnreachableError) else "; try again later"
                    raise EndpointError(f"{error} It was tried {attempt} times{later}.") from None
                _log.info("the model is asked again: %s", error)
                cancel.wait(_pause_s(attempt) if error.pause_s is None else error.pause_s)
            except AgentError as error:
                self._keep(fitting, tools, str(error))
                raise
            else:
                reply = self._counted(reply, fitting, tools)
                self.spending.add(reply)
                self._keep(fitting, tools, reply)
                return reply
        raise AssertionError("a request is tried at least once")

    def ask_checked(
        self,
        turns: Sequence[Turn],
        check: Callable[[Reply], T],
        tools: Sequence[Tool] = (),
        *,
        on_text: Callable[[str], object] | None = None,
        cancel: Cancel | None = None,
    ) -> tuple[T, list[Turn]]:
        """Return what `check` makes of the answer, and the turns that came to be on the way.

        An answer that `check` refuses is asked for once more, with the complaint.

        Parameters
        ----------
        check
            Raises BadAnswerError with a sentence that tells the model what was wrong.

        Raises
        ------
        AgentError, AgentCancelledError
            As `ask`; BadAnswerError where the second answer is no better.
        """
        reply = self.ask(turns, tools, on_text=on_text, cancel=cancel)
        try:
            return check(reply), [reply.turn]
        except BadAnswerError as error:
            _log.info("the model's answer cannot be used: %s", error)
            added = [reply.turn, *complaints(reply, str(error))]
        again = self.ask([*turns, *added], tools, on_text=on_text, cancel=cancel)
        try:
            return check(again), [*added, again.turn]
        except BadAnswerError as error:
            raise BadAnswerError(f"The model's answer cannot be used: {error}") from error

    def _keep(self, turns: Sequence[Turn], tools: Sequence[Tool], outcome: Reply | str) -> None:
        if self._log is None:
            return
        try:
            self._log.add(self.endpoint, turns, tools, outcome, self._encoder)
        except OSError as error:
            raise AgentError(
                f"The exchange with the model cannot be kept ({reason_of(error)}): "
                "make room or choose another place."
            ) from error

    def _counted(self, reply: Reply, turns: Sequence[Turn], tools: Sequence[Tool]) -> Reply:
        """Return the reply with an estimate of its tokens where the server did not count them."""
        if reply.tokens_in or reply.tokens_out:
            return reply
        sent = estimated_tokens(turns, tools, self._encoder)
        calls = "".join(call.name + call.arguments for call in reply.calls)
        answered = text_tokens(reply.text + reply.thoughts + calls)
        cost = self.endpoint.cost(sent, answered)
        return replace(reply, tokens_in=sent, tokens_out=answered, cost=cost, is_estimated=True)

    def _check_cost(self) -> None:
        most = self.endpoint.most_cost
        if most and self.spending.cost >= most:
            about = "about " if self.spending.is_estimated else ""
            raise LimitError(
                f"The limit of {most:g} {self.endpoint.currency} is reached "
                f"({about}{self.spending.cost:.4g} spent): raise it with {MODEL_DIALOG} to go on."
            )

    def _keep_rate(self, cancel: Cancel) -> None:
        cancel.wait(self._next_at_s - time.monotonic())
        if self.endpoint.requests_per_min:
            self._next_at_s = time.monotonic() + 60.0 / self.endpoint.requests_per_min


def complaints(reply: Reply, complaint: str) -> list[Turn]:
    """Return the complaint about an answer that cannot be used; every call has to be answered."""
    message = f"Your answer cannot be used: {complaint} Answer again."
    if reply.calls:
        return [Turn("tool", message, call_id=call.id) for call in reply.calls]
    return [Turn("user", message)]


def _pause_s(attempt: int) -> float:
    """Doubles with each attempt, spread by chance so that many clients do not come at once."""
    longest = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
