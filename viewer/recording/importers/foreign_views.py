"""Views of another viewer's log in columns: a million of them in some ten megabytes a column."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.recording.events import Viewport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


class ForeignView(msgspec.Struct):
    """One view of another viewer.

    Attributes
    ----------
    at_ns
        Since any beginning; only differences count.
    pointer
        x, y in level-0 pixels, where the log has it.
    """

    at_ns: int
    view: Viewport
    pointer: tuple[float, float] | None = None


_USUAL = {
    "x": math.inf,  # no usual value: always kept
    "y": math.inf,
    "width": math.inf,
    "height": math.inf,
    "rotation_deg": 0.0,
    "downsample": 1.0,
    "magnification": math.nan,
    "cursor_x": math.nan,
    "cursor_y": math.nan,
}


class ForeignViews:
    """A sequence of `ForeignView`; a column whose values are all usual takes no room.

    What is not kept is alike in all foreign views: not mirrored, at rest, of no scale on screen.
    """

    def __init__(self, views: Iterable[ForeignView] = ()) -> None:
        self._at_ns = array("q")
        self._columns: dict[str, array[float]] = {}
        for each in views:
            self.append(each)

    def __len__(self) -> int:
        return len(self._at_ns)

    def __getitem__(self, index: int) -> ForeignView:
        at = range(len(self))[index]
        values = {name: self._value(name, at) for name in _USUAL}
        cursor = values.pop("cursor_x"), values.pop("cursor_y")
        magnification = values.pop("magnification")
        view = Viewport(
            **values,
            mirrored=False,
            screen_mpp_um=None,
            magnification=None if math.isnan(magnification) else magnification,
            cause="import",
            at_rest=True,
        )
        return ForeignView(self._at_ns[at], view, None if math.isnan(cursor[0]) else cursor)

    def __iter__(self) -> Iterator[ForeignView]:
        return map(self.__getitem__, range(len(self)))

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """Return when each was shown; what is written to it counts."""
        return np.frombuffer(self._at_ns, np.int64)

    @property
    def extent(self) -> tuple[float, float]:
        """Return how far the views reach to the right and downwards."""
        ends = (
            self._column(begin) + self._column(size)
            for begin, size in (("x", "width"), ("y", "height"))
        )
        right, bottom = (float(each.max(initial=0.0)) for each in ends)
        return right, bottom

    def append(self, seen: ForeignView) -> None:
        """Add one at the end."""
        view, count = seen.view, len(self)
        self._at_ns.append(seen.at_ns)  # first, since it may be too large a number
        cursor_x, cursor_y = seen.pointer or (math.nan, math.nan)
        values = {
            "x": view.x,
            "y": view.y,
            "width": view.width,
            "height": view.height,
            "rotation_deg": view.rotation_deg,
            "downsample": view.downsample,
            "magnification": math.nan if view.magnification is None else view.magnification,
            "cursor_x": cursor_x,
            "cursor_y": cursor_y,
        }
        for name, value in values.items():
            column, usual = self._columns.get(name), _USUAL[name]
            if column is None:
                if value == usual or (math.isnan(value) and math.isnan(usual)):
                    continue
                column = self._columns[name] = array("d", [usual]) * count
            column.append(value)

    def shift(self, dx: float, dy: float) -> None:
        """Move all views and cursors; level-0 pixels."""
        moves = (("x", dx), ("y", dy), ("cursor_x", dx), ("cursor_y", dy))
        for name, by in moves:
            if name in self._columns:
                self._column(name)[:] += by

    def reorder(self, order: NDArray[np.intp]) -> None:
        """Put them in another order."""
        self._at_ns = array("q", self.times_ns[order].tobytes())
        for name in self._columns:
            self._columns[name] = array("d", self._column(name)[order].tobytes())

    def _value(self, name: str, at: int) -> float:
        column = self._columns.get(name)
        return _USUAL[name] if column is None else column[at]

    def _column(self, name: str) -> NDArray[np.float64]:
        return np.frombuffer(self._columns.get(name, array("d")), np.float64)
