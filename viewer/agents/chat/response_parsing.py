"""What servers of the chat completions protocol answer, checked against types of our own."""

from __future__ import annotations

import msgspec

from viewer.agents.chat.conversation import Reply, ToolCall
from viewer.agents.chat.json_in_text import as_object
from viewer.agents.chat.thoughts import Spoken, without_thoughts
from viewer.agents.errors import BadAnswerError, DeclinedError, RefusedError
from viewer.errors import CoverslipError
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.untyped import is_mapping, is_sequence

_THOUGHT_PARTS = ("thinking", "thought", "reasoning", "reasoning_content")
_FILTERED = ("filter", "safety", "prohibited", "blocklist", "recitation", "refusal", "blocked")


class DamagedAnswerError(CoverslipError):
    """What came is not of the protocol; such as half a JSON text."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    index: int | None = None
    function: _Function | None = None


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    thinking: object = None
    refusal: str | None = None


class _Message(msgspec.Struct):
    content: str | list[str | _Part] | _Part | None = None
    refusal: str | None = None
    reasoning_content: object = None
    reasoning: object = None
    thinking: object = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None
    error: object = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None
    detail: object = None
    message: object = None


class _CallParts(msgspec.Struct):
    id: str = ""
    name: str = ""
    arguments: list[str] = msgspec.field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Return whether the arguments are a whole object, so that nothing more belongs to them."""
        return bool(self.arguments) and as_object("".join(self.arguments)) is not None


class StreamedReply(msgspec.Struct):
    """An answer while it comes, whole or in pieces."""

    texts: list[str] = msgspec.field(default_factory=list)
    reasoning: list[str] = msgspec.field(default_factory=list)
    refusals: list[str] = msgspec.field(default_factory=list)
    calls: list[_CallParts] = msgspec.field(default_factory=list[_CallParts])
    usage: _Usage | None = None
    finish: str | None = None
    had_choices: bool = False
    chars: int = 0
    is_whole: bool = False
    """Whether the server marked the end, beside any reason for it."""
    _at_index: dict[int, _CallParts] = msgspec.field(default_factory=dict[int, _CallParts])

    @property
    def spoken(self) -> Spoken:
        """Return answer and thoughts so far."""
        answer, thoughts = without_thoughts("".join(self.texts))
        return Spoken(answer, "\n".join(filter(None, ("".join(self.reasoning), thoughts))))

    def take(self, body: bytes) -> None:
        """Take an answer that is not streamed, or a piece of a stream.

        Raises
        ------
        DamagedAnswerError
            It is not of the protocol.
        RefusedError
            It is an error of the server, which sends these with status 200 too.
        """
        try:
            text = body.decode()
            part = msgspec.json.decode(text, type=prepared(_Completion))
        except UnicodeDecodeError:
            raise RefusedError("sent bytes that are no text (not UTF-8)") from None
        except DECODE_ERRORS as error:
            raise DamagedAnswerError(str(error)) from error
        told = part.error or (part.choices is None and (part.detail or part.message))
        if told:
            raise RefusedError(f"failed: {server_words(told)}")
        self.usage = part.usage or self.usage
        self.chars += len(text)
        if part.choices:
            self.had_choices = True
            choice = part.choices[0]
            if choice.error:
                raise RefusedError(f"failed: {server_words(choice.error)}")
            self._take(choice.message or choice.delta or _Message())
            self.finish = choice.finish_reason or self.finish

    def reply(self, elapsed_s: float, price: tuple[float, float]) -> Reply:
        """Return what was answered.

        Parameters
        ----------
        price
            For a token sent and a token answered.

        Raises
        ------
        DamagedAnswerError
            It never ended, or holds nothing.
        DeclinedError
            The model or a filter of the server declined to answer.
        BadAnswerError
            The model never came to an answer.
        """
        if not self.had_choices:
            raise DeclinedError(
                "sent no answer (its list of choices is empty): it may have blocked the question "
                "or its images; ask otherwise, or choose another model"
            )
        said, thoughts = self.spoken
        finish = (self.finish or "").casefold()
        if self.refusals:
            raise DeclinedError(f'declined: "{_one_line("".join(self.refusals))}"')
        if any(word in finish for word in _FILTERED):
            words = f': "{_one_line(said)}"' if said.strip() else ""
            raise DeclinedError(f"stopped the answer by its content filter ({self.finish}){words}")
        if self.finish is None and not self.is_whole:
            raise DamagedAnswerError("it ended in the middle")
        calls = self._numbered_calls()
        if not calls and not said.strip():
            if thoughts:
                cut = " It ran out of tokens." if finish == "length" else ""
                raise BadAnswerError(f"The model thought and gave no answer.{cut}")
            if finish == "length":
                raise BadAnswerError("The model ran out of tokens before its first word.")
            raise DamagedAnswerError("it is empty")
        usage = self.usage or _Usage()
        sent, answered = usage.prompt_tokens or 0, usage.completion_tokens or 0
        cost = sent * price[0] + answered * price[1]
        return Reply(said, calls, sent, answered, cost, elapsed_s, finish == "length", thoughts)

    def _numbered_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls, each with an id of its own, since results are matched by it."""
        used: set[str] = set()
        calls: list[ToolCall] = []
        for index, parts in enumerate(self.calls):
            name = parts.id if parts.id and parts.id not in used else f"call-{index}"
            used.add(name)
            calls.append(ToolCall(name, parts.name, "".join(parts.arguments)))
        return tuple(calls)

    def _take(self, message: _Message) -> None:
        content = message.content
        for part in content if isinstance(content, list) else [content]:
            match part:
                case str():
                    self.texts.append(part)
                case _Part(type=kind, text=text, thinking=thinking, refusal=refusal):
                    if kind in _THOUGHT_PARTS:
                        self.reasoning.append(_flat(thinking) or text or "")
                    elif refusal:
                        self.refusals.append(refusal)
                    else:
                        self.texts.append(text or "")
                case None:
                    pass
        for thought in (message.reasoning_content, message.reasoning, message.thinking):
            if words := _flat(thought):
                self.reasoning.append(words)
                break  # some servers send the same under two names
        if message.refusal:
            self.refusals.append(message.refusal)
        taken: set[int] = set()
        for call in message.tool_calls or []:
            self._take_call(call, taken)
        if message.function_call is not None:
            self._take_call(_Call(index=0, function=message.function_call), set())

    def _take_call(self, call: _Call, taken: set[int]) -> None:
        """Take a call or a piece of one.

        Parameters
        ----------
        taken
            Those of the same piece of the answer, which are never parts of each other.
        """
        function = call.function or _Function()
        parts = self._continued(call, function)
        if parts is None or id(parts) in taken:
            parts = _CallParts()
            self.calls.append(parts)
        taken.add(id(parts))
        if call.index is not None:
            self._at_index[call.index] = parts
        parts.id = parts.id or call.id or ""
        parts.name = parts.name or function.name or ""
        arguments = function.arguments
        if isinstance(arguments, dict):  # some servers send an object instead of its text
            arguments = msgspec.json.encode(arguments).decode()
        if arguments:
            parts.arguments.append(arguments)

    def _continued(self, call: _Call, function: _Function) -> _CallParts | None:
        """Return the call that this goes on with; None where it begins another.

        Ollama and Gemini give no index or all 0, so a new id, or a name after a whole object, is
        a new call.
        """
        if call.index is not None:
            known = self._at_index.get(call.index)
        elif call.id:
            known = next((each for each in self.calls if each.id == call.id), None)
        else:
            known = self.calls[-1] if self.calls else None
        if known is None:
            return None
        if call.id and known.id and call.id != known.id:
            return None
        if function.name and known.name and known.is_whole:
            return None
        return known


def server_words(error: object) -> str:
    """Return what a server says is wrong, in one line, out of the shapes that servers give it."""
    for _ in range(4):
        if is_sequence(error) and error:
            error = error[0]
        elif is_mapping(error):
            named = (error.get(key) for key in ("message", "error", "detail", "msg", "code"))
            error = next((each for each in named if each), "no reason given")
        else:
            break
    return _one_line(str(error)).rstrip(".")


def _flat(value: object) -> str:
    """Return the text of a thought, which servers send as text, as parts, or as parts of parts."""
    match value:
        case str():
            return value
        case _ if is_sequence(value):
            return "".join(map(_flat, value))
        case _ if is_mapping(value):
            return _flat(value.get("text") or value.get("content") or value.get("thinking"))
        case _:
            return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
