"""A step of a tour: what to do, and how it is known that it was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import SignalInstance
    from PySide6.QtWidgets import QWidget


class Step(msgspec.Struct, frozen=True):
    """One thing to do.

    Attributes
    ----------
    text
        What to do, in one or two sentences.
    begin
        Called when the step's turn comes. Gives what tells whether it is done, which is asked at
        once and at each of the signals.
    signals
        Gives the signals after which it may be done.
    target
        Gives what is pointed at; None for nothing.
    """

    text: str
    begin: Callable[[], Callable[[], bool]]
    signals: Callable[[], Sequence[SignalInstance]]
    target: Callable[[], QWidget | None] = msgspec.field(default=lambda: None)


class Tour(msgspec.Struct, frozen=True):
    """Steps one after another, and what is said after the last."""

    title: str
    steps: Sequence[Step]
    end: str
