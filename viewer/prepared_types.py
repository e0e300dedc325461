"""Types of records, made ready for msgspec by one thread at a time.

msgspec learns what a class holds when it is first asked to decode one, and keeps what it has
learned before it has learned all: a second thread that decodes the same class meanwhile ends the
process (seen in msgspec 0.22, as two threads read the settings at once). So each type that is
decoded goes through `prepared`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from types import UnionType

T = TypeVar("T")

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises where data are not what they should be.

Of texts that are no UTF-8, and of JSON nested without end, it raises none of its own errors.
"""

_one_at_a_time = threading.Lock()
_known: set[object] = set()


@overload
def prepared(kind: type[T]) -> type[T]: ...
@overload
def prepared(kind: UnionType) -> UnionType: ...
def prepared(kind: object) -> object:
    """Return a type of records, of which msgspec knows by then all that it decodes.

    Raises
    ------
    TypeError
        The type is none that msgspec can decode.
    """
    if kind not in _known:
        with _one_at_a_time:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return kind
