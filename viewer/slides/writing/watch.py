"""How work that takes long tells its progress and hears that it is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.slides.writing.errors import WritingCanceledError

if TYPE_CHECKING:
    from collections.abc import Callable


def _nobody(_share: float) -> None:
    pass


def _never() -> bool:
    return False


class Watch(msgspec.Struct, frozen=True):
    """What the caller of long work hears and says.

    Attributes
    ----------
    progressed
        Is called with the share that is done, 0 to 1, from any thread.
    is_canceled
        Tells whether the work is to end; asked often.
    """

    progressed: Callable[[float], object] = _nobody
    is_canceled: Callable[[], bool] = _never

    def check(self) -> None:
        """End the work if it was given up. Raises WritingCanceledError."""
        if self.is_canceled():
            raise WritingCanceledError("Canceled: nothing was written.")

    def part(self, start: float, end: float) -> Watch:
        """Return the watch of a part of the work, from one share to another."""
        return Watch(lambda share: self.progressed(start + (end - start) * share), self.is_canceled)
