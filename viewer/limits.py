"""How much a file may ask for, checked before memory is taken or work begins.

A limit is far above what is seen in practice and below what stops a machine. Each has its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from viewer.errors import CoverslipError

_MIB = 1 << 20


class LimitError(CoverslipError):
    """A file asks for more than a limit allows; `str()` is one sentence."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of something, and what is said where there is more.

    Attributes
    ----------
    most
        The largest value that is accepted.
    text
        The sentence, with {name} for the file, {amount} and {most}.
    """

    most: int
    text: str

    def sentence(self, name: str, amount: float = 0) -> str:
        """Return what is said of the file `name`."""
        return self.text.format(name=name, amount=f"{amount:,.0f}", most=f"{self.most:,}")

    def check(self, amount: float, name: str) -> None:
        """Raise LimitError where `amount` is more than is accepted."""
        if amount > self.most:
            raise LimitError(self.sentence(name, amount))


TABLE_BYTES = Limit(
    2048 * _MIB, "{name} holds a table too large to open (more than 2 GB): export a part of it."
)
TABLE_SECONDS = Limit(120, "{name} cannot be read: it took more than {most} s.")
