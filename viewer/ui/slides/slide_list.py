"""What a list of slides shows: a folder, a case or a project, slide by slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Qt, Signal

from viewer.canvas.qt_guard import guarded
from viewer.studies.cases import NOWHERE, CasePlace
from viewer.ui.rows_model import CountedModel
from viewer.ui.slides.thumbnails import Thumbnails
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtCore import QSize
    from PySide6.QtWidgets import QMenu, QWidget

    from viewer.ui.rows_model import Index

MISSING = "missing"
STATE_NAMES = {"to do": "To do", "in work": "In work", "done": "Done", MISSING: "Missing"}
STATE_ICONS = {
    "to do": "mdi6.circle-outline",
    "in work": "mdi6.circle-half-full",
    "done": "mdi6.check-circle",
    MISSING: "mdi6.file-question-outline",
}


class SlideRow(msgspec.Struct, frozen=True):
    """One slide as a row shows it.

    Attributes
    ----------
    tip
        Where it lies; "" where neither that nor the file's name may be told.
    state
        A key of `STATE_NAMES`, "" where slides have none.
    """

    path: Path
    name: str
    place: CasePlace = NOWHERE
    state: str = ""
    assignee: str = ""
    note: str = ""
    tip: str = ""


class SlideList(QObject):
    """The slides that the drawer lists, each under a key that stays its own.

    Attributes
    ----------
    above, below
        What stands over and under the rows; None for nothing.
    empty
        What to do where there are no slides yet.
    """

    changed = Signal()
    """Other slides, or other words for them."""

    above: QWidget | None = None
    below: QWidget | None = None
    empty = ""

    @property
    def is_there(self) -> bool:
        """Return whether there is anything to list."""
        raise NotImplementedError

    @property
    def filters(self) -> Sequence[tuple[str, str]]:
        """Return what the rows can be narrowed to, as (data, name); empty for nothing."""
        return ()

    def keys(self, wanted: str = "", typed: str = "") -> Sequence[str]:
        """Return the keys of the slides in the order of reading.

        Parameters
        ----------
        wanted
            Data of a filter; "" for all.
        typed
            What name, case, block or stain hold, letters and digits alone; "" for all.
        """
        raise NotImplementedError

    def row(self, key: str) -> SlideRow:
        """Return the slide of a key; asked for rows in sight only."""
        raise NotImplementedError

    def key_of(self, path: Path | None, identity: str) -> str:
        """Return the key of an open slide; "" where it is none of these."""
        raise NotImplementedError

    def why_not(self, key: str) -> str:
        """Return why a slide cannot be opened, in a sentence; "" where it can."""
        return ""

    def choose(self, keys: Sequence[str]) -> None:
        """Take notice of the selected slides."""

    def add_actions(self, menu: QMenu, keys: Sequence[str]) -> None:
        """Add to a menu what else can be done with these slides."""


class SlideListModel(CountedModel):
    """A row a slide; nothing is asked of rows that are out of sight."""

    KEY_ROLE = Qt.ItemDataRole.UserRole

    def __init__(self, picture_size: QSize, parent: QWidget) -> None:
        super().__init__(parent)
        self.keys: Sequence[str] = []
        self.current = ""
        """Key of the slide that the active pane shows; it is listed whatever the filter."""
        self.thumbnails = Thumbnails(self, picture_size)
        self._list: SlideList | None = None
        self._rows: dict[str, SlideRow] = {}
        self._numbers: dict[str, int] = {}
        self._asked: dict[Path, str] = {}
        """Keys by the paths whose pictures were asked for."""
        self._wanted = self._typed = ""
        self.thumbnails.changed.connect(self._on_picture)

    def show_list(self, slides: SlideList | None) -> None:
        """Show the slides of another list."""
        self._list = slides
        self._wanted = self._typed = ""
        self.thumbnails.forget_wishes()
        self.refresh()

    def set_filter(self, wanted: str, typed: str) -> None:
        """Show only some slides; see `SlideList.keys`."""
        if (wanted, typed) != (self._wanted, self._typed):
            self._wanted, self._typed = wanted, typed
            self.refresh()

    def refresh(self) -> None:
        """Show the list as it is now; rows that stay keep their selection."""
        keys = self._shown_keys()
        self._rows.clear()
        if keys == self.keys:
            if keys:
                self.dataChanged.emit(self.index(0), self.index(len(keys) - 1))
            return
        self.keys = keys
        self._numbers = {key: number for number, key in enumerate(keys)}
        self._asked.clear()
        self.recount(len(keys))

    def mark(self, key: str) -> None:
        """Mark the slide that the active pane shows; "" where it is not of the list."""
        if key == self.current:
            return
        before, self.current = self.current, key
        if self._wanted or self._typed:
            self.refresh()
        for each in (before, key):
            self._tell(each)

    def row_of(self, key: str) -> int:
        """Return the row of a slide; -1 where it is not shown."""
        return self._numbers.get(key, -1)

    def slide(self, number: int) -> SlideRow:
        """Return the slide of a row."""
        key = self.keys[number]
        if key not in self._rows:
            assert self._list is not None
            self._rows[key] = self._list.row(key)
        return self._rows[key]

    def begins_case(self, number: int) -> bool:
        """Return whether the slide of a row is the first of its case, or of none after one."""
        case = self.slide(number).place.case
        if number == 0:
            return bool(case)
        return self.slide(number - 1).place.case != case

    def reason(self, number: int) -> str:
        """Return why there is no picture of a slide; "" while none is known, or it may be told."""
        slide = self.slide(number)
        return self.thumbnails.reason(slide.path) if slide.tip else ""

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == self.KEY_ROLE:
            return self.keys[index.row()]
        slide = self.slide(index.row())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return slide.name
            case Qt.ItemDataRole.ToolTipRole:
                reason = self.reason(index.row())
                lines = (slide.tip or slide.name, slide.place.text, reason, slide.note)
                return plain_tip("\n".join(filter(None, lines)))
            case Qt.ItemDataRole.AccessibleTextRole:
                reason = self.reason(index.row())
                state = STATE_NAMES.get(slide.state, "")
                shown = "on screen" if self.keys[index.row()] == self.current else ""
                words = (slide.name, slide.place.text, state, slide.assignee, reason, shown)
                return ", ".join(filter(None, words))
            case Qt.ItemDataRole.DecorationRole:
                if slide.state == MISSING:
                    return self.thumbnails.sign(STATE_ICONS[MISSING])
                self._asked[slide.path] = self.keys[index.row()]
                return self.thumbnails.picture(slide.path)
            case _:
                return None

    def keep_wishes(self, numbers: range) -> None:
        """Make the pictures of these rows alone, which are in sight."""
        shown = range(max(0, numbers.start), min(numbers.stop, len(self.keys)))
        self.thumbnails.keep_wishes([self.slide(number).path for number in shown])

    def _shown_keys(self) -> Sequence[str]:
        if self._list is None:
            return []
        keys = self._list.keys(self._wanted, self._typed)
        if self.current and (self._wanted or self._typed) and self.current not in keys:
            shown = {*keys, self.current}
            every = self._list.keys()
            keys = [key for key in every if key in shown]
        return keys

    def _on_picture(self, path: Path) -> None:
        self._tell(self._asked.get(path, ""))

    def _tell(self, key: str) -> None:
        """A row is to be painted again."""
        number = self.row_of(key)
        if number >= 0:
            self.dataChanged.emit(self.index(number), self.index(number))
