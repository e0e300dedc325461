"""Who reads in a window: the one place that sessions, answers, strokes and exports ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QInputDialog, QWidget

from viewer.ui.opened_dialog import open_dialog

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_NAME = 64


class CurrentReader(QObject):
    """The reader of a window, by a pseudonym.

    Parameters
    ----------
    name
        Gives the pseudonym in the settings in force; "" for none.
    set_name
        Takes another pseudonym into the settings.
    """

    leaving = Signal()
    """Another reader comes: what is unfinished is finished now, under the former name."""
    changed = Signal()
    """`name` is another."""

    def __init__(
        self, name: Callable[[], str], set_name: Callable[[str], object], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._name = name
        self._set_name = set_name
        self._window = parent
        self._was_asked = False

    @property
    def name(self) -> str:
        """Return the pseudonym at this moment; "" for none."""
        return self._name()

    def ask_once(self) -> None:
        """Ask for a pseudonym where there is none, once in the life of a window."""
        if self.name or self._was_asked:
            return
        self._was_asked = True
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Who reads?")
        dialog.setLabelText(
            "This study asks questions. Pseudonym for your answers and annotations\n"
            "(better not your name):"
        )
        dialog.setTextValue(suggested_name())
        dialog.textValueSelected.connect(self._take)
        open_dialog(dialog)

    def _take(self, text: str) -> None:
        name = text.strip()[:LONGEST_NAME]
        if name:
            self._set_name(name)


def suggested_name() -> str:
    """Return a pseudonym that says nothing of the person."""
    return f"reader-{os.urandom(2).hex()}"
