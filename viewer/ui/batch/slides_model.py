"""The slides of a batch as rows: name, and how far each is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from viewer.canvas.qt_guard import guarded
from viewer.plurals import percent
from viewer.slides.remote.address import slide_path
from viewer.ui.rows_model import RowsModel
from viewer.ui.widgets import plain_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtCore import QObject

    from viewer.cohort.batch import SlideRecord
    from viewer.ui.rows_model import Index


class BatchSlidesModel(RowsModel):
    """Gives the rows in sight to a view; a row changes alone.

    Parameters
    ----------
    name_of
        What a slide may be called: a study may hide names.
    is_blind
        Whether a study hides what models found on a slide.
    """

    headings = ("Slide", "State")

    def __init__(
        self,
        name_of: Callable[[Path], str],
        is_blind: Callable[[Path], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._name_of = name_of
        self._is_blind = is_blind
        self.paths: list[str] = []
        self._rows: dict[str, int] = {}
        self._records: dict[str, SlideRecord] = {}
        self._counts: Counter[str] = Counter()
        """How many of the records are in each state."""
        self._running_share = 0.0

    def show_slides(self, paths: Sequence[str], records: Sequence[SlideRecord] = ()) -> None:
        """Show these slides, all of them waiting but those of which there is a record."""
        self.beginResetModel()
        self.paths = list(dict.fromkeys(paths))
        self._rows = {path: row for row, path in enumerate(self.paths)}
        self._records = {each.slide: each for each in records if each.slide in self._rows}
        self._counts = Counter(each.state for each in self._records.values())
        self.endResetModel()

    def show_record(self, record: SlideRecord) -> None:
        """Show how far one slide is; one that is not listed is passed over."""
        row = self._rows.get(record.slide)
        if row is not None:
            former = self._records.get(record.slide)
            if former is not None:
                self._counts[former.state] -= 1
            self._counts[record.state] += 1
            self._records[record.slide] = record
            self.dataChanged.emit(self.index(row, 0), self.index(row, 1))

    def show_share(self, path: str, share: float) -> None:
        """Show how much of the slide that runs is done, 0 to 1."""
        self._running_share = share
        row = self._rows.get(path)
        if row is not None:
            self.dataChanged.emit(self.index(row, 1), self.index(row, 1))

    def renew(self) -> None:
        """Show anew what a study hides or shows now."""
        if self.paths:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.paths) - 1, 1))

    def record(self, row: int) -> SlideRecord:
        """Return how far the slide of a row is."""
        from viewer.cohort.batch import SlideRecord

        path = self.paths[row]
        return self._records.get(path) or SlideRecord(slide=path, state="waiting")

    def count(self, state: str) -> int:
        """Return how many slides are in a state."""
        return self._counts[state]

    def count_rows(self) -> int:
        return len(self.paths)

    @guarded()
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        record = self.record(index.row())
        name = self._name_of(slide_path(record.slide))
        if role == Qt.ItemDataRole.DisplayRole:
            return name if index.column() == 0 else self._state_text(record)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip("\n".join([name, record.error or " ".join(record.notes)]).strip())
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{name}: {self._state_text(record)}. {record.error}"
        return None

    def _state_text(self, record: SlideRecord) -> str:
        match record.state:
            case "running":
                return f"Running, {percent(self._running_share)}"
            case "done":
                if self._is_blind(slide_path(record.slide)):
                    return "Done, hidden by the study"
                for name, shown in (("objects", "objects"), ("cells", "tiles")):
                    count = record.record.get(name)
                    if isinstance(count, int):
                        return f"{count:,} {shown}"
                return "Done"
            case "failed":
                return "Failed"
            case _:
                return "Waiting"
