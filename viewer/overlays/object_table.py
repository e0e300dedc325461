"""Objects as rows to sort: which are shown, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.object_style import ObjectStyle
    from viewer.overlays.objects import Objects

FIXED_COLUMNS = ("Class", "X um", "Y um")


class ObjectTable(msgspec.Struct, frozen=True):
    """A snapshot of objects.

    Attributes
    ----------
    rows
        (m,) the objects that are shown, in the order of the rows.
    names
        Of the classes.
    mpp_um
        Micrometers per level-0 pixel.
    """

    objects: Objects
    rows: NDArray[np.intp]
    names: list[str]
    mpp_um: float

    @property
    def columns(self) -> list[str]:
        return [*FIXED_COLUMNS, *self.objects.measurements]

    def cell(self, row: int, column: int) -> str | float:
        """Return the value of a column in a row, without a look at any other row."""
        index = int(self.rows[row])
        match column:
            case 0:
                return self.names[int(self.objects.classes[index])]
            case 1 | 2:
                return float(self.objects.centroids[index, column - 1]) * self.mpp_um
            case _:
                name = self.columns[column]
                return float(self.objects.measurements[name][index])


def object_table(
    found: ObjectMap,
    style: ObjectStyle,
    names: list[str],
    column: int = -1,
    *,
    descending: bool = False,
) -> ObjectTable:
    """Return what a style shows of the objects of a slide, sorted by a column.

    -1 leaves their order.
    """
    objects = found.all_objects()
    rows = np.flatnonzero(style.groups(objects) >= 0)
    if 0 <= column < len(FIXED_COLUMNS) + len(objects.measurements):
        values = _column(objects, column, names, found.mpp_um)[rows]
        order = np.argsort(-values if descending else values, kind="stable")
        rows = rows[order]
    return ObjectTable(objects, rows, names, found.mpp_um)


def _column(objects: Objects, column: int, names: list[str], mpp_um: float) -> NDArray[np.float32]:
    match column:
        case 0:  # by the names, which are shown
            in_order = sorted({name.casefold() for name in names})
            ranks = [in_order.index(name.casefold()) for name in names]
            return np.array(ranks, np.float32)[objects.classes]
        case 1 | 2:
            return objects.centroids[:, column - 1] * np.float32(mpp_um)
        case _:
            measured = list(objects.measurements)
            return objects.measurements[measured[column - len(FIXED_COLUMNS)]]
