"""One request to a model's server, and what went wrong with it, if anything.

Runs in the helper process; others ask through `viewer.agents.chat.model_server`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import openai
from msgspec.structs import replace

from viewer.agents.canceling import AgentCancelledError, Cancel
from viewer.agents.chat.event_stream import EventReader, is_event_stream, whole_body
from viewer.agents.chat.model_server import ChatRequest, TryAgainError
from viewer.agents.chat.response_parsing import DamagedAnswerError, StreamedReply, server_words
from viewer.agents.chat.server_faults import (
    connection_fault,
    refused_option,
    status_fault,
    web_page_fault,
)
from viewer.agents.chat.tools_as_text import with_tools_as_text
from viewer.agents.errors import BadAnswerError, DeclinedError, RefusedError
from viewer.egress import EgressError, check_egress
from viewer.errors import CoverslipError
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from openai import AsyncAPIResponse
    from openai.types.chat import ChatCompletion

    from viewer.agents.chat.conversation import Reply
    from viewer.agents.endpoint import Endpoint
    from viewer.processes.helper_entry import TaskContext

    _Opening = AbstractAsyncContextManager[AsyncAPIResponse[ChatCompletion]]

_CONNECT_S = 15.0
_WHOLE_ANSWER = 10
"""An answer may take this many times `Endpoint.timeout_s` in all, however it trickles."""
_MOST_ANSWER_CHARS = 4 << 20
_MOST_COMPLAINT_CHARS = 300
_MOST_COMPLAINT_BYTES = 1 << 20
_SHOWN_SHARE = 200
"""An answer is shown anew once it grew by one part of so many."""
_NO_KEY = "none"
"""Servers on one's own machine ask for none, but the protocol's header has to hold something."""


def chat(body: bytes, context: TaskContext) -> bytes:
    """Answer a `ChatRequest` with a `Reply`; a task of the helper process."""
    request = msgspec.msgpack.decode(body, type=prepared(ChatRequest))
    to = request.endpoint
    try:
        check_egress(to.base_url, allowed_hosts=to.allowed_hosts, carries_key=bool(request.key))
    except EgressError as error:
        raise RefusedError(str(error)) from None
    cancel = Cancel()
    context.when_stopped(cancel.set)
    reply = Connection(request).exchange(
        lambda text: context.report(msgspec.msgpack.encode(text)), cancel
    )
    return msgspec.msgpack.encode(reply)


def authorities_for(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """Return whose certificates count: those that the system knows, or nobody's without TLS.

    To read all that it knows takes longer than the rest of a request within a machine.
    """
    is_plain = endpoint.is_local and not endpoint.is_encrypted
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True


class Connection:
    """Sends a request; it is repeated only without an option that the server does not know."""

    def __init__(self, request: ChatRequest) -> None:
        self.endpoint = request.endpoint
        self._request = request
        self._key = request.key
        self._without = set(request.without)
        _silence_libraries()

    def exchange(self, on_text: Callable[[str], object], cancel: Cancel) -> Reply:
        """Send one request, with an event loop of its own so that it can be cut off at any moment.

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
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(self._answered(on_text))
            try:
                with cancel.stopping(lambda: loop.call_soon_threadsafe(task.cancel)):
                    return loop.run_until_complete(task)
            except asyncio.CancelledError:
                raise AgentCancelledError from None

    async def _answered(self, on_text: Callable[[str], object]) -> Reply:
        while True:
            try:
                reply = await self._asked_once(on_text)
            except _StatusError as error:
                words = self._clean(_status_words(error))
                option = refused_option(error.status, words, self._options())
                if option is None:
                    raise status_fault(
                        self.endpoint, error.status, words, error.headers, has_key=bool(self._key)
                    ) from None
                self._without.add(option)
            else:
                return replace(self._without_key(reply), left_out=tuple(sorted(self._without)))

    async def _asked_once(self, on_text: Callable[[str], object]) -> Reply:
        started_s = time.monotonic()
        gathered = StreamedReply()
        endpoint = self.endpoint
        most_s = endpoint.timeout_s * _WHOLE_ANSWER
        try:
            async with (
                asyncio.timeout(most_s),
                self._connected() as server,
            ):
                await self._gather(server, gathered, on_text)
            price = (endpoint.price_in / 1e6, endpoint.price_out / 1e6)
            return gathered.reply(time.monotonic() - started_s, price)
        except openai.APITimeoutError:
            waited = f"{endpoint.place} sent nothing for {endpoint.timeout_s:g} s."
            raise TryAgainError(waited) from None
        except TimeoutError:
            endless = f"The answer of {endpoint.place} did not come to an end in {most_s:g} s."
            raise TryAgainError(endless) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, _StatusError):
                raise error.__cause__ from None
            raise connection_fault(endpoint, error) from None
        except _WebPageError:
            raise web_page_fault(endpoint) from None
        except RefusedError as error:
            raise RefusedError(self._sentence(error)) from None
        except DeclinedError as error:
            raise DeclinedError(self._sentence(error)) from None
        except (DamagedAnswerError, ValueError) as error:
            message = self._clean(str(error))
            damaged = f"The answer of {endpoint.place} is damaged: {message}."
            raise TryAgainError(damaged) from None
        except BadAnswerError:
            raise
        except (openai.OpenAIError, OSError) as error:
            message = self._clean(str(error))
            raise TryAgainError(f"{endpoint.place} failed in its answer: {message}.") from None
        except Exception as error:
            if not type(error).__module__.startswith("httpx"):
                raise
            if "Timeout" in type(error).__name__:  # while the answer came
                waited = f"{endpoint.place} sent nothing for {endpoint.timeout_s:g} s."
                raise TryAgainError(waited) from None
            raise connection_fault(endpoint, error) from None

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
                verify=authorities_for(self.endpoint),
                event_hooks={"response": [_take_complaint]},
            ),
        )

    def _options(self) -> set[str]:
        """Return what of the request may be left out, and is in it now."""
        endpoint = self.endpoint
        options = {
            "tools": bool(self._request.tools),
            "temperature": endpoint.temperature is not None,
            "max_tokens": endpoint.most_answer_tokens is not None,
            "stream": endpoint.streams,
            "stream_options": endpoint.streams,
        }
        used = {name for name, is_used in options.items() if is_used} - self._without
        return used - {"stream_options"} if "stream" not in used else used

    def _wanted(self) -> dict[str, Any]:
        endpoint, options = self.endpoint, self._options()
        wanted: dict[str, Any] = {
            "model": endpoint.model,
            "messages": self._request.messages,
            # Who the user is elsewhere, by their environment, is not this server's to know.
            "extra_headers": {
                "OpenAI-Organization": openai.Omit(),
                "OpenAI-Project": openai.Omit(),
            },
        }
        if "tools" in options:
            wanted["tools"] = self._request.tools
        elif self._request.tools:
            wanted["messages"] = with_tools_as_text(self._request.messages, self._request.tools)
        if "temperature" in options:
            wanted["temperature"] = endpoint.temperature
        if endpoint.most_answer_tokens is not None:
            # Newer models of some vendors know the limit by its new name only.
            name = "max_tokens" if "max_tokens" in options else "max_completion_tokens"
            wanted[name] = endpoint.most_answer_tokens
        if "stream" in options:
            wanted["stream"] = True
        if "stream_options" in options:
            wanted["stream_options"] = {"include_usage": True}
        return wanted

    def _asked(self, create: Callable[..., _Opening]) -> _Opening:
        return create(**self._wanted())

    async def _gather(
        self,
        server: openai.AsyncOpenAI,
        gathered: StreamedReply,
        on_text: Callable[[str], object],
    ) -> None:
        """Take the answer as it comes; it need not come as it was asked for."""
        completions = server.chat.completions.with_streaming_response
        shown: str | None = None
        due_chars = 0
        events = EventReader()
        async with self._asked(completions.create) as response:
            kind = response.headers.get("content-type", "").casefold()
            if "text/event-stream" in kind:
                async for piece in response.iter_bytes():
                    for data in events.read(piece):
                        gathered.take(data)
                        if gathered.chars > _MOST_ANSWER_CHARS:
                            raise DamagedAnswerError("it is far too long")
                        if gathered.chars < due_chars:
                            continue
                        # Long thoughts come in ten thousands of pieces: each costs its share.
                        due_chars = gathered.chars + gathered.chars // _SHOWN_SHARE
                        said, thoughts = gathered.spoken
                        if said != (shown or "") or (shown is None and thoughts):
                            shown = said
                            on_text(said)
                    if events.is_ended:
                        break
                for data in events.end():
                    gathered.take(data)
                gathered.is_whole = events.is_ended
                if (said := gathered.spoken.answer) != (shown or ""):
                    on_text(said)
                return
            body = await whole_body(response.iter_bytes())
            start = body.lstrip()[:200].lower()
            if "html" in kind or start.startswith((b"<!doctype", b"<html")):
                raise _WebPageError
            if is_event_stream(body):
                for data in events.read(body + b"\n\n"):
                    gathered.take(data)
                gathered.is_whole = events.is_ended
            else:
                gathered.take(body)
                gathered.is_whole = True
            if said := gathered.spoken.answer:
                on_text(said)

    def _without_key(self, reply: Reply) -> Reply:
        calls = tuple(
            replace(call, arguments=scrubbed(call.arguments, self._key)) for call in reply.calls
        )
        text, thoughts = scrubbed(reply.text, self._key), scrubbed(reply.thoughts, self._key)
        return replace(reply, text=text, thoughts=thoughts, calls=calls)

    def _sentence(self, error: Exception) -> str:
        """Return what the server did, with its own words, as a sentence."""
        return f"{self.endpoint.place} {self._clean(str(error))}."

    def _clean(self, text: str) -> str:
        """Return a foreign text in one line, without the key, of bounded length."""
        line = " ".join(scrubbed(text, self._key).split()).rstrip(".")
        return line[:_MOST_COMPLAINT_CHARS]


class _WebPageError(CoverslipError):
    """A page for people came."""


class _Response(Protocol):
    """What is used of a response of the library below openai."""

    @property
    def status_code(self) -> int: ...
    @property
    def is_success(self) -> bool: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


class _StatusError(CoverslipError):
    """An answer of HTTP that is none, with the beginning of its body."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"Error code: {status}")
        self.status, self.headers, self.body = status, headers, body


async def _take_complaint(response: _Response) -> None:
    """Read a complaint of bounded length; openai would read on while one comes, without end.

    Raises _StatusError where the response is no answer.
    """
    if response.is_success:
        return
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MOST_COMPLAINT_BYTES:
            break
    raise _StatusError(response.status_code, response.headers, bytes(body[:_MOST_COMPLAINT_BYTES]))


def _status_words(error: _StatusError) -> str:
    """Return what the server said; a page for people says nothing that helps."""
    text = error.body.decode(errors="replace").strip()
    if "<html" in text[:2000].casefold():
        return ""
    try:
        body = msgspec.json.decode(error.body)
    except DECODE_ERRORS:
        body = text
    if is_mapping(body):
        body = body.get("error", body)
    if isinstance(body, str):
        return body
    return server_words(body) if body else str(error)


def _silence_libraries() -> None:
    """Below warnings these would write whole requests, pictures among them, to the log."""
    for name in ("openai", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)


def scrubbed(text: str, key: str | None) -> str:
    """Return the text without the key, as servers like to quote it in their complaints."""
    return text.replace(key, "[key]") if key else text
