"""How far long work of a thread is, told from deep within it to whoever waits for it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from viewer.window_first import give_way, giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Tell = Callable[[float], object]
    """Takes the share that is done, 0 to 1; may raise where the work is not wanted any more."""

_T = TypeVar("_T")
_AT_ONCE = 1000
"""Things between two words on how many there were."""
_heard_by: ContextVar[Tell | None] = ContextVar("heard_by", default=None)


@contextmanager
def progress_to(tell: Tell) -> Generator[None]:
    """Let `tell` hear how far the work in the block is, as far as that work says it."""
    token = _heard_by.set(tell)
    try:
        yield
    finally:
        _heard_by.reset(token)


@contextmanager
def progress_part(begin: float, end: float) -> Generator[None]:
    """Have the shares that work in the block tells count as this part of the whole."""
    heard_by = _heard_by.get()
    if heard_by is None:
        yield
        return
    with progress_to(lambda share: heard_by(begin + share * (end - begin))):
        yield


def tell_progress(share: float) -> None:
    """Tell whoever waits which share is done; raises what they raise to end the work.

    The window has its turn, too.
    """
    give_way()
    heard_by = _heard_by.get()
    if heard_by is not None:
        heard_by(share)


def while_wanted(things: Iterable[_T], count: int = 0) -> Iterator[_T]:
    """Yield things, and tell now and then how many of `count` there were; 0 tells no share."""
    for number, each in enumerate(giving_way(things)):
        if number % _AT_ONCE == 0:
            tell_progress(number / count if count else 0.0)
        yield each
