"""Bytes that a confined reader asks the window for, since it reaches neither disk nor network."""

from __future__ import annotations

import itertools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from viewer.processes.channel import Channel, ChannelError
from viewer.slides.remote.messages import GivenBytes, WantBytes
from viewer.slides.remote.ranged import RangedBytes, RangesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.slides.remote.ranged import Run

_READER_BYTES = 48 << 20
_MOST_QUESTIONS = 8
_LONGEST = 500
_MOST_RUNS = 1 << 16

wants = msgspec.msgpack.Decoder(WantBytes)
gives = msgspec.msgpack.Decoder(GivenBytes)


class Asking:
    """The reader's end: many threads ask, each gets its own answers."""

    def __init__(self, channel: Channel[GivenBytes]) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[GivenBytes | None]] = {}
        threading.Thread(target=self._listen, name="bytes", daemon=True).start()

    def fetch(self, runs: Sequence[Run], take: Callable[[int, bytes], None]) -> None:
        """Ask for ranges and hand each over as it comes. Raises RangesError."""
        number = next(self._ids)
        answers = self._waiting[number] = queue.SimpleQueue()
        try:
            self._channel.send(WantBytes(number, list(runs)))
            while True:
                answer = answers.get()
                if answer is None:
                    raise RangesError("the window has ended")
                if answer.problem:
                    raise RangesError(answer.problem)
                if answer.number < 0:
                    return
                take(answer.number, answer.data)
        except ChannelError as error:
            raise RangesError("the window has ended") from error
        finally:
            del self._waiting[number]

    def _listen(self) -> None:
        try:
            while True:
                answer = self._channel.receive()
                waiting = self._waiting.get(answer.id)
                if waiting is not None:
                    waiting.put(answer)
        except ChannelError:
            for waiting in list(self._waiting.values()):
                waiting.put(None)


def asked_bytes(channel: Channel[GivenBytes], size_bytes: int) -> RangedBytes:
    """Return the slide's bytes, as a reader has them."""
    return RangedBytes(size_bytes, Asking(channel).fetch, _READER_BYTES)


def give_bytes(channel: Channel[WantBytes], ranges: RangedBytes) -> None:
    """Answer a reader from the slide's bytes until it ends, in a thread of its own."""
    threading.Thread(target=_give, args=(channel, ranges), name="giving bytes", daemon=True).start()


def _give(channel: Channel[WantBytes], ranges: RangedBytes) -> None:
    with ThreadPoolExecutor(_MOST_QUESTIONS, "given bytes") as pool:
        try:
            while True:
                question = channel.receive()
                pool.submit(_answer, channel, ranges, question)
        except ChannelError:
            return  # the reader has ended, or asks for nonsense


def _answer(channel: Channel[WantBytes], ranges: RangedBytes, question: WantBytes) -> None:
    try:
        if len(question.runs) > _MOST_RUNS:
            raise RangesError("too many ranges were asked for")
        ranges.expect(question.runs)
        for number, (offset, size) in enumerate(question.runs):
            channel.send(GivenBytes(question.id, number, ranges.read(offset, size)))
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
