"""Reads one foreign file in a confined process that is given the open file, and is watched."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from viewer.limits import ANSWER_SECONDS, READING_SECONDS
from viewer.processes.channel import ChannelError, ChannelTimeoutError, open_channel
from viewer.processes.confinement.launching import launch
from viewer.processes.memory_watch import MemoryWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import msgspec

    from viewer.errors import CoverslipError
    from viewer.limits import Limit


@contextmanager
def file_process(
    main: str,
    file: IO[bytes],
    name: str,
    decoder: msgspec.msgpack.Decoder[Any],
    error_kind: type[CoverslipError],
    memory: Limit,
    more: Sequence[str] = (),
    readable_paths: Sequence[str] = (),
) -> Generator[Callable[[], Any]]:
    """Start `main` on an open file, and give what waits for its next answer.

    Parameters
    ----------
    name
        Of the file: the first argument of `main`, before `more` and the numbers of the file and of
        the channel.
    error_kind
        Raised, with one sentence, where the process takes too long or too much memory, or ends.
    memory
        Of the bytes that it holds.
    """
    channel, child_end = open_channel(decoder)
    with child_end:
        numbers = (file.fileno(), child_end.fileno())
        arguments = [name, *more, *map(str, numbers)]
        child = launch(main, arguments, readable_paths=readable_paths, inherited_fds=numbers)
    watch = MemoryWatch(child.pid, memory.most, child.popen.kill)
    seconds, began_s = ANSWER_SECONDS, time.monotonic()

    def next_answer() -> Any:
        nonlocal seconds
        left_s = began_s + READING_SECONDS.most - time.monotonic()
        seconds = ANSWER_SECONDS if left_s > ANSWER_SECONDS.most else READING_SECONDS
        return channel.receive(min(left_s, ANSWER_SECONDS.most))

    try:
        yield next_answer
    except ChannelTimeoutError as error:
        raise error_kind(seconds.sentence(name)) from error
    except ChannelError as error:
        if watch.has_killed:
            raise error_kind(memory.sentence(name)) from error
        raise error_kind(f"{name} cannot be read: the process that reads it ended.") from error
    finally:
        watch.close()
        channel.close()
        child.close()
