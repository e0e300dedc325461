"""One request to a model's server, and what went wrong with it, if anything.

Runs in the helper process; others ask through `viewer.agents.model_server`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import openai

from viewer.agents.canceling import AgentCancelledError, Cancel
from viewer.agents.errors import RefusedError
from viewer.agents.model_server import LONGEST_PAUSE_S, ChatRequest, TryAgainError
from viewer.agents.response_parsing import DamagedAnswerError, StreamedReply
from viewer.egress import EgressError, check_egress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from viewer.agents.conversation import Reply
    from viewer.agents.endpoint import Endpoint
    from viewer.processes.helper_entry import TaskContext

_CONNECT_S = 15.0
_WHOLE_ANSWER = 10
"""An answer may take this many times `Endpoint.timeout_s` in all, however it trickles."""
_MOST_COMPLAINT_CHARS = 300
_NO_KEY = "none"
"""Servers on one's own machine ask for none, but the protocol's header has to hold something."""


def chat(body: bytes, context: TaskContext) -> bytes:
    """Answer a `ChatRequest` with a `Reply`; a task of the helper process."""
    request = msgspec.msgpack.decode(body, type=ChatRequest)
    to = request.endpoint
    try:
        check_egress(to.base_url, allowed_hosts=to.allowed_hosts, carries_key=bool(request.key))
    except EgressError as error:
        raise RefusedError(str(error)) from None
    cancel = Cancel()
    context.when_stopped(cancel.set)
    reply = Connection(request.endpoint, request.key).exchange(
        request.messages,
        request.tools,
        lambda text: context.report(msgspec.msgpack.encode(text)),
        cancel,
    )
    return msgspec.msgpack.encode(reply)


class Connection:
    """Sends single requests; nothing is tried again here.

    Parameters
    ----------
    key
        Shown to the server and to nobody else: it is blotted out of all that comes back.
    """

    def __init__(self, endpoint: Endpoint, key: str | None) -> None:
        self.endpoint = endpoint
        self._key = key
        _silence_libraries()

    def exchange(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        on_text: Callable[[str], object],
        cancel: Cancel,
    ) -> Reply:
        """One request, with an event loop of its own so that it can be cut off at any moment.

        Raises
        ------
        TryAgainError
            The server failed in a way that may pass.
        RefusedError
            It refused the request.
        AgentCancelledError
            The user stopped it.
        """
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(self._request(messages, tools, on_text))
            try:
                with cancel.stopping(lambda: loop.call_soon_threadsafe(task.cancel)):
                    return loop.run_until_complete(task)
            except asyncio.CancelledError:
                raise AgentCancelledError from None

    async def _request(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        on_text: Callable[[str], object],
    ) -> Reply:
        started_s = time.monotonic()
        gathered = StreamedReply()
        endpoint = self.endpoint
        whole_s = endpoint.timeout_s * _WHOLE_ANSWER
        try:
            async with asyncio.timeout(whole_s), self._connected() as server:
                await self._gather(server, self._wanted(messages, tools), gathered, on_text)
            price = (endpoint.price_in / 1e6, endpoint.price_out / 1e6)
            return self._without_key(gathered.reply(time.monotonic() - started_s, price))
        except openai.APIStatusError as error:
            raise self._of_status(error) from None
        except (openai.APITimeoutError, TimeoutError):
            waited = f"{endpoint.host} sent nothing for {endpoint.timeout_s:g} s."
            raise TryAgainError(waited) from None
        except openai.APIConnectionError as error:
            reason = type(error.__cause__ or error).__name__
            cut = f"{endpoint.host} cannot be reached or cut the connection ({reason})."
            raise TryAgainError(cut) from None
        except (DamagedAnswerError, ValueError) as error:
            message = self._clean(str(error))
            damaged = f"The answer of {endpoint.host} is damaged: {message}."
            raise TryAgainError(damaged) from None
        except openai.OpenAIError as error:
            message = self._clean(str(error))
            raise TryAgainError(f"{endpoint.host} failed in its answer: {message}.") from None

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

    def _wanted(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
    ) -> dict[str, Any]:
        endpoint = self.endpoint
        wanted: dict[str, Any] = {
            "model": endpoint.model,
            "messages": messages,
            # Who the user is elsewhere, by their environment, is not this server's to know.
            "extra_headers": {
                "OpenAI-Organization": openai.Omit(),
                "OpenAI-Project": openai.Omit(),
            },
        }
        if tools:
            wanted["tools"] = tools
        if endpoint.temperature is not None:
            wanted["temperature"] = endpoint.temperature
        if endpoint.most_answer_tokens is not None:
            wanted["max_tokens"] = endpoint.most_answer_tokens
        return wanted

    async def _gather(
        self,
        server: openai.AsyncOpenAI,
        wanted: dict[str, Any],
        gathered: StreamedReply,
        on_text: Callable[[str], object],
    ) -> None:
        completions = server.chat.completions
        if not self.endpoint.streams:
            answer = await completions.with_raw_response.create(**wanted)
            gathered.take_whole(answer.text)
            if gathered.text:
                on_text(gathered.text)
            return
        wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        stream = await completions.create(**wanted)
        async for chunk in stream:
            if gathered.take_chunk(chunk.to_dict(warnings=False)):
                on_text(gathered.text)

    def _of_status(self, error: openai.APIStatusError) -> Exception:
        status, host = error.status_code, self.endpoint.host
        message = self._clean(error.message)
        if status == 429:
            return TryAgainError(
                f"{host} is asked too often.", _asked_pause_s(error.response.headers)
            )
        if status >= 500 or status == 408:
            return TryAgainError(f"{host} failed ({status}: {message}).")
        if status in (401, 403):
            return RefusedError(
                f"{host} does not accept the key ({status}): set the right one in the settings."
            )
        if 300 <= status < 400:
            return RefusedError(
                f"{host} sends on to another address ({status}), which is not followed: "
                "set the address that it means."
            )
        return RefusedError(f"{host} refused the request ({status}: {message}).")

    def _without_key(self, reply: Reply) -> Reply:
        calls = tuple(
            replace(call, arguments=scrubbed(call.arguments, self._key)) for call in reply.calls
        )
        return replace(reply, text=scrubbed(reply.text, self._key), calls=calls)

    def _clean(self, text: str) -> str:
        """Return a foreign text in one line, without the key, of bounded length."""
        line = " ".join(scrubbed(text, self._key).split()).rstrip(".")
        return line[:_MOST_COMPLAINT_CHARS]


def _asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of the header Retry-After, where there are any; bounded."""
    try:
        return min(max(float(headers["retry-after"]), 0.0), LONGEST_PAUSE_S)
    except (KeyError, ValueError):
        return None


def _silence_libraries() -> None:
    """Below warnings these would write whole requests, pictures among them, to the log."""
    for name in ("openai", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


def scrubbed(text: str, key: str | None) -> str:
    """Return the text without the key, as servers like to quote it in their complaints."""
    return text.replace(key, "[key]") if key else text
