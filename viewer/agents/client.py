"""Asks a vision-language model, over the chat completions protocol, within what was allowed.

    client = Client(endpoint, study, permission, key=keys.key_of(endpoint.host), log=log)
    reply = client.ask([Turn("user", "What is this?", (Picture(rgb),))], cancel=cancel)

Nothing is sent unless the host is among the allowed ones and the user gave a `Permission` for the
study and host. Redirections are not followed, so that nothing goes elsewhere. All methods wait
for the answer: they belong in a worker thread.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import openai

from viewer.agents.cancelling import AgentCancelledError, Cancel
from viewer.agents.conversation import (
    PictureEncoder,
    Reply,
    Turn,
    merged,
    on_wire,
    tool_on_wire,
    within_pictures,
)
from viewer.agents.errors import AgentError, BadAnswerError, EndpointError, RefusedError
from viewer.agents.keys import scrubbed
from viewer.agents.permission import check_permitted
from viewer.agents.wire import DamagedAnswerError, Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from viewer.agents.conversation import Tool
    from viewer.agents.endpoint import Endpoint
    from viewer.agents.exchanges import ExchangeLog
    from viewer.agents.permission import Permission

_log = logging.getLogger(__name__)

T = TypeVar("T")

_CONNECT_S = 15.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_WHOLE_ANSWER = 10
"""An answer may take this many times `Endpoint.timeout_s` in all, however it trickles."""
_MOST_COMPLAINT_CHARS = 300
_NO_KEY = "none"
"""Servers on one's own machine ask for none, but the protocol's header has to hold something."""


@dataclass(slots=True)
class Spending:
    """What was asked so far; shown to the user.

    Attributes
    ----------
    cost
        In the endpoint's currency.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def add(self, reply: Reply) -> None:
        self.requests += 1
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        self.cost += reply.cost


class _TryAgainError(Exception):
    """The server failed in a way that may pass.

    Attributes
    ----------
    pause_s
        What the server asked for; None where it did not.
    """

    def __init__(self, sentence: str, pause_s: float | None = None) -> None:
        super().__init__(sentence)
        self.pause_s = pause_s


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
    ) -> None:
        self.endpoint = endpoint
        self.study = study
        self.spending = spending or Spending()
        self._permission = permission
        self._key = key
        self._log = log
        self._encoder = PictureEncoder(endpoint.picture_side_px, endpoint.jpeg_quality)
        self._next_at_s = 0.0
        _silence_libraries()

    def ask(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Tool] = (),
        *,
        on_text: Callable[[str], object] | None = None,
        cancel: Cancel | None = None,
    ) -> Reply:
        """The model's answer; tried again while the server fails, with growing pauses.

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
        check_permitted(self.endpoint, self.study, self._permission)
        fitting = merged(within_pictures(turns, self.endpoint.most_pictures))
        self._encoder.forget_but(turns)
        for attempt in range(1, self.endpoint.tries + 1):
            self._check_cost()
            self._keep_rate(cancel)
            try:
                reply = self._exchange(fitting, tools, on_text, cancel)
            except _TryAgainError as error:
                self._keep(fitting, tools, str(error))
                if attempt == self.endpoint.tries:
                    sentence = f"{error} It was tried {attempt} times; try again later."
                    raise EndpointError(sentence) from None
                _log.info("the model is asked again: %s", error)
                cancel.wait(_pause_s(attempt) if error.pause_s is None else error.pause_s)
            except AgentError as error:
                self._keep(fitting, tools, str(error))
                raise
            else:
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
        """What `check` makes of the answer, and the turns that came to be on the way.

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

    # What goes over the network ---------------------------------------------------------------

    def _exchange(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Tool],
        on_text: Callable[[str], object] | None,
        cancel: Cancel,
    ) -> Reply:
        """One request, with an event loop of its own so that it can be cut off at any moment."""
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(self._request(turns, tools, on_text))
            try:
                with cancel.stopping(lambda: loop.call_soon_threadsafe(task.cancel)):
                    return loop.run_until_complete(task)
            except asyncio.CancelledError:
                raise AgentCancelledError from None

    async def _request(
        self,
        turns: Sequence[Turn],
        tools: Sequence[Tool],
        on_text: Callable[[str], object] | None,
    ) -> Reply:
        started_s = time.monotonic()
        gathered = Gathered()
        endpoint = self.endpoint
        whole_s = endpoint.timeout_s * _WHOLE_ANSWER
        try:
            async with asyncio.timeout(whole_s), self._connected() as server:
                await self._gather(server, self._wanted(turns, tools), gathered, on_text)
            price = (endpoint.price_in / 1e6, endpoint.price_out / 1e6)
            return self._without_key(gathered.reply(time.monotonic() - started_s, price))
        except openai.APIStatusError as error:
            raise self._of_status(error) from None
        except (openai.APITimeoutError, TimeoutError):
            waited = f"{endpoint.host} sent nothing for {endpoint.timeout_s:g} s."
            raise _TryAgainError(waited) from None
        except openai.APIConnectionError as error:
            reason = type(error.__cause__ or error).__name__
            cut = f"{endpoint.host} cannot be reached or cut the connection ({reason})."
            raise _TryAgainError(cut) from None
        except (DamagedAnswerError, ValueError) as error:
            told = self._clean(str(error))
            damaged = f"The answer of {endpoint.host} is damaged: {told}."
            raise _TryAgainError(damaged) from None
        except openai.OpenAIError as error:
            told = self._clean(str(error))
            raise _TryAgainError(f"{endpoint.host} failed in its answer: {told}.") from None

    def _connected(self) -> openai.AsyncOpenAI:
        timeout = openai.Timeout(self.endpoint.timeout_s, connect=_CONNECT_S)
        return openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=self.endpoint.base_url,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=timeout,
                follow_redirects=False,
                # A proxy would see what is meant for this machine alone.
                trust_env=not self.endpoint.is_local,
            ),
        )

    def _wanted(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> dict[str, Any]:
        endpoint = self.endpoint
        wanted: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [on_wire(turn, self._encoder) for turn in turns],
            # Who the user is elsewhere, by their environment, is not this server's to know.
            "extra_headers": {
                "OpenAI-Organization": openai.Omit(),
                "OpenAI-Project": openai.Omit(),
            },
        }
        if tools:
            wanted["tools"] = [tool_on_wire(tool) for tool in tools]
        if endpoint.temperature is not None:
            wanted["temperature"] = endpoint.temperature
        if endpoint.most_answer_tokens is not None:
            wanted["max_tokens"] = endpoint.most_answer_tokens
        return wanted

    async def _gather(
        self,
        server: openai.AsyncOpenAI,
        wanted: dict[str, Any],
        gathered: Gathered,
        on_text: Callable[[str], object] | None,
    ) -> None:
        completions = server.chat.completions
        if not self.endpoint.streams:
            answer = await completions.with_raw_response.create(**wanted)
            gathered.take_whole(answer.text)
            if on_text and gathered.text:
                on_text(gathered.text)
            return
        wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        stream = await completions.create(**wanted)
        async for chunk in stream:
            if gathered.take_chunk(chunk.to_dict(warnings=False)) and on_text:
                on_text(gathered.text)

    # What came of it --------------------------------------------------------------------------

    def _of_status(self, error: openai.APIStatusError) -> Exception:
        status, host = error.status_code, self.endpoint.host
        told = self._clean(error.message)
        if status == 429:
            return _TryAgainError(
                f"{host} is asked too often.", _asked_pause_s(error.response.headers)
            )
        if status >= 500 or status == 408:
            return _TryAgainError(f"{host} failed ({status}: {told}).")
        if status in (401, 403):
            return RefusedError(
                f"{host} does not accept the key ({status}): set the right one in the settings."
            )
        if 300 <= status < 400:
            return RefusedError(
                f"{host} sends on to another address ({status}), which is not followed: "
                "set the address that it means."
            )
        return RefusedError(f"{host} refused the request ({status}: {told}).")

    def _without_key(self, reply: Reply) -> Reply:
        calls = tuple(
            replace(call, arguments=scrubbed(call.arguments, self._key)) for call in reply.calls
        )
        return replace(reply, text=scrubbed(reply.text, self._key), calls=calls)

    def _clean(self, text: str) -> str:
        """A foreign text in one line, without the key, of bounded length."""
        line = " ".join(scrubbed(text, self._key).split()).rstrip(".")
        return line[:_MOST_COMPLAINT_CHARS]

    def _keep(self, turns: Sequence[Turn], tools: Sequence[Tool], outcome: Reply | str) -> None:
        if self._log is None:
            return
        try:
            self._log.add(self.endpoint, turns, tools, outcome, self._encoder)
        except OSError as error:
            raise AgentError(
                f"The exchange with the model cannot be kept ({error.strerror or error}): "
                "make room or choose another place."
            ) from error

    def _check_cost(self) -> None:
        most = self.endpoint.most_cost
        if most and self.spending.cost >= most:
            raise AgentError(
                f"The limit of {most:g} {self.endpoint.currency} is reached: "
                "raise it in the settings to go on."
            )

    def _keep_rate(self, cancel: Cancel) -> None:
        cancel.wait(self._next_at_s - time.monotonic())
        if self.endpoint.requests_per_min:
            self._next_at_s = time.monotonic() + 60.0 / self.endpoint.requests_per_min


def complaints(reply: Reply, complaint: str) -> list[Turn]:
    """What the model is told of an answer that cannot be used; every call has to be answered."""
    told = f"Your answer cannot be used: {complaint} Answer again."
    if reply.calls:
        return [Turn("tool", told, call_id=call.id) for call in reply.calls]
    return [Turn("user", told)]


def _pause_s(attempt: int) -> float:
    """Doubles with each attempt, spread by chance so that many clients do not come at once."""
    longest = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of the header Retry-After, where there are any; bounded."""
    try:
        return min(max(float(headers["retry-after"]), 0.0), _LONGEST_PAUSE_S)
    except (KeyError, ValueError):
        return None


def _silence_libraries() -> None:
    """Below warnings these would write whole requests, pictures among them, to the log."""
    for name in ("openai", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
