"""Bytes that a confined reader asks the window for, since it reaches neither disk nor network."""

from __future__ import annotations

import itertools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.prepared_types import prepared
from viewer.processes.channel import Channel, ChannelError
from viewer.slides.remote.messages import ExpectTiles, GivenBytes, WantBytes, WantObjects
from viewer.slides.remote.ranged import RangedBytes
from viewer.slides.remote.shared_fetch import RangesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.slides.remote.messages import Want
    from viewer.slides.remote.ranged import Run

_READER_BYTES = 48 << 20
_MOST_QUESTIONS = 8
_LONGEST = 500
_MOST_RUNS = 1 << 16

wants = msgspec.msgpack.Decoder(prepared(WantBytes | WantObjects))
gives = msgspec.msgpack.Decoder(prepared(GivenBytes | ExpectTiles))


class Asking:
    """The reader's end: many threads ask, each gets its own answers.

    Attributes
    ----------
    on_expected
        Called from a thread of its own with the tiles that the window will ask for.
    """

    def __init__(self, channel: Channel[GivenBytes | ExpectTiles]) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[GivenBytes | None]] = {}
        self.on_expected: Callable[[list[tuple[int, int, int]]], object] = lambda _: None
        self._hints = ThreadPoolExecutor(1, "expected tiles")
        threading.Thread(target=self._listen, name="bytes", daemon=True).start()

    def fetch(self, runs: Sequence[Run], take: Callable[[int, bytes], None]) -> None:
        """Ask for ranges and hand each over as it comes. Raises RangesError."""
        number = next(self._ids)
        self._ask(WantBytes(number, list(runs)), lambda given: take(given.number, given.data))

    def objects(self, wanted: Sequence[Want], take: Callable[[GivenBytes], object]) -> None:
        """Ask for parts of objects and hand each over as it comes. Raises RangesError."""
        self._ask(WantObjects(next(self._ids), list(wanted)), take)

    def _ask(self, question: WantBytes | WantObjects, take: Callable[[GivenBytes], object]) -> None:
        answers = self._waiting[question.id] = queue.SimpleQueue()
        try:
            self._channel.send(question)
            while True:
                answer = answers.get()
                if answer is None:
                    raise RangesError("the window has ended")
                if answer.problem:
                    raise RangesError(answer.problem)
                if answer.number < 0:
                    return
                take(answer)
        except ChannelError as error:
            raise RangesError("the window has ended") from error
        finally:
            del self._waiting[question.id]

    def _listen(self) -> None:
        try:
            while True:
                answer = self._channel.receive()
                if isinstance(answer, ExpectTiles):
                    self._hints.submit(self.on_expected, answer.tiles)
                elif (waiting := self._waiting.get(answer.id)) is not None:
                    waiting.put(answer)
        except ChannelError:
            for waiting in list(self._waiting.values()):
                waiting.put(None)


def asked_bytes(asking: Asking, size_bytes: int) -> RangedBytes:
    """Return the slide's bytes, as a reader has them."""
    return RangedBytes(size_bytes, asking.fetch, _READER_BYTES)


class Giver(Protocol):
    """What a reader's questions are answered from."""

    def answer(
        self, question: WantBytes | WantObjects, give: Callable[[GivenBytes], object]
    ) -> None:
        """Give all that was asked for. Raises any Exception."""
        ...


def give_bytes(channel: Channel[WantBytes | WantObjects], giver: Giver) -> None:
    """Answer a reader until it ends, in a thread of its own."""
    threading.Thread(target=_give, args=(channel, giver), name="giving bytes", daemon=True).start()


def _give(channel: Channel[WantBytes | WantObjects], giver: Giver) -> None:
    with ThreadPoolExecutor(_MOST_QUESTIONS, "given bytes") as pool:
        try:
            while True:
                question = channel.receive()
                pool.submit(_answer, channel, giver, question)
        except ChannelError:
            return  # the reader has ended, or asks for nonsense


def _answer(
    channel: Channel[WantBytes | WantObjects], giver: Giver, question: WantBytes | WantObjects
) -> None:
    try:
        count = len(question.runs if isinstance(question, WantBytes) else question.wants)
        if count > _MOST_RUNS:
            raise RangesError("too many ranges were asked for")
        giver.answer(question, channel.send)
        channel.send(GivenBytes(question.id, -1))
    except ChannelError:
        return
    except Exception as error:  # whatever a server does belongs to the one who asked
        try:
            channel.send(GivenBytes(question.id, -1, problem=str(error)[:_LONGEST] or "no bytes"))
        except ChannelError:
            return


def path_with_bytes(path: Path, ranges: RangedBytes) -> Path:
    """Return the path of a slide on a server, with its bytes at hand."""
    from viewer.slides.remote.address import RemotePath, slide_path

    remote = slide_path(str(path))
    return remote.with_ranges(ranges) if isinstance(remote, RemotePath) else path
