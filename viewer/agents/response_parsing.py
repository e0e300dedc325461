"""What servers of the chat completions protocol answer, checked against types of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from viewer.agents.conversation import Reply, ToolCall
from viewer.errors import CoverslipError


class DamagedAnswerError(CoverslipError):
    """What came is not of the protocol; such as half a JSON text."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    index: int | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


@dataclass(slots=True)
class _CallParts:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class StreamedReply:
    """An answer while it comes, whole or in pieces."""

    texts: list[str] = field(default_factory=list)
    calls: dict[int, _CallParts] = field(default_factory=dict)
    usage: _Usage | None = None
    finish: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def take_whole(self, text: str) -> None:
        """The body of an answer that is not streamed. Raises DamagedAnswerError."""
        try:
            completion = msgspec.json.decode(text.encode(), type=_Completion)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise DamagedAnswerError(str(error)) from error
        if not completion.choices or completion.choices[0].message is None:
            raise DamagedAnswerError("it holds no message")
        self._take(completion.choices[0], completion.choices[0].message, completion.usage)

    def take_chunk(self, chunk: object) -> bool:
        """A piece of a stream; whether text came with it. Raises DamagedAnswerError."""
        try:
            part = msgspec.convert(chunk, _Chunk)
        except msgspec.ValidationError as error:
            raise DamagedAnswerError(str(error)) from error
        if not part.choices:
            self.usage = part.usage or self.usage
            return False
        choice = part.choices[0]
        delta = choice.delta or _Message()
        self._take(choice, delta, part.usage)
        return bool(delta.content)

    def reply(self, elapsed_s: float, price: tuple[float, float]) -> Reply:
        """What was answered. Raises DamagedAnswerError where it never ended or holds nothing.

        Parameters
        ----------
        price
            For a token sent and a token answered.
        """
        if self.finish is None:
            raise DamagedAnswerError("it ended in the middle")
        calls = tuple(
            ToolCall(parts.id or f"call-{index}", parts.name, "".join(parts.arguments))
            for index, parts in sorted(self.calls.items())
        )
        if not calls and not self.text.strip():
            raise DamagedAnswerError("it is empty")
        usage = self.usage or _Usage()
        sent, answered = usage.prompt_tokens or 0, usage.completion_tokens or 0
        cost = sent * price[0] + answered * price[1]
        return Reply(self.text, calls, sent, answered, cost, elapsed_s, self.finish == "length")

    def _take(self, choice: _Choice, message: _Message, usage: _Usage | None) -> None:
        if message.content:
            self.texts.append(message.content)
        for place, call in enumerate(message.tool_calls or []):
            self._take_call(place if call.index is None else call.index, call)
        self.usage = usage or self.usage
        self.finish = choice.finish_reason or self.finish

    def _take_call(self, index: int, call: _Call) -> None:
        parts = self.calls.setdefault(index, _CallParts())
        parts.id = parts.id or call.id or ""
        parts.name = parts.name or call.function.name or ""
        arguments = call.function.arguments
        if isinstance(arguments, dict):  # some servers send an object instead of its text
            arguments = msgspec.json.encode(arguments).decode()
        if arguments:
            parts.arguments.append(arguments)
