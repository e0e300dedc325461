"""The cores of a tissue microarray as annotations, and the grid that they make.

A core is an ellipse of QuPath's kind "tmaCore": its name is its label in the grid, and its row and
column are kept with it. So cores are drawn, moved, undone, saved and exported as annotations are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import Change, Edit, changing
from viewer.annotations.shape_editing import ellipse
from viewer.annotations.tma.labels import LabelScheme, TmaError, schemes_of
from viewer.annotations.tma.lattice import fitted_lattice
from viewer.geometry import Point
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Literal

    from viewer.annotations.tma.dearraying import FoundArray

    Line = Literal["row", "column"]

ROW, COLUMN = "TMA row", "TMA column"
"""Metadata: where a core lies in the grid, counted from 1."""
CASE_ID = "Case ID"
"""Metadata, as QuPath calls it: whose tissue it is."""
MISSING = "isMissing"
MISSING_COLOR = "#8a8a8a"
_USUAL_STEP = 1.4
"""Diameters between the middles of cores, where there is one row or column alone."""


def is_core(annotation: Annotation) -> bool:
    """Return whether it is a core of a microarray."""
    return annotation.kind == "tmaCore"


def is_missing(core: Annotation) -> bool:
    """Return whether a core is marked as missing, as QuPath keeps it."""
    return mapping_of(core.unknown.get("properties")).get(MISSING) is True


def with_missing(core: Annotation, *, missing: bool) -> Annotation:
    """Return the core marked as missing or as there; a missing one is gray."""
    others = mapping_of(core.unknown.get("properties"))
    unknown = dict(core.unknown) | {"properties": others | {MISSING: missing}}
    own = None if core.color == MISSING_COLOR else core.color
    return replace(core, unknown=unknown, color=MISSING_COLOR if missing else own)


def new_core(row: int, column: int, at: Point, size: tuple[float, float], name: str) -> Annotation:
    """Return a core; row and column count from 0, place and size are in level-0 pixels."""
    half_x, half_y = size[0] / 2, size[1] / 2
    shape = ellipse(Point(at.x - half_x, at.y - half_y), Point(at.x + half_x, at.y + half_y))
    core = Annotation(shape, kind="tmaCore", name=name, is_ellipse=True)
    return with_missing(_placed(core, row, column), missing=False)


def cores_of(array: FoundArray, labels: LabelScheme) -> list[Annotation]:
    """Return what was found on a slide as annotations, row by row."""
    size = (array.diameter_px, array.diameter_px)
    return [
        with_missing(
            new_core(each.row, each.column, Point(each.x_px, each.y_px), size,
                     labels.name(each.row, each.column)),
            missing=each.is_missing,
        )
        for each in array.cores
    ]  # fmt: skip


class TmaGrid(msgspec.Struct, frozen=True):
    """Cores by row and column, both from 0; a place may be without one."""

    cores: Mapping[tuple[int, int], Annotation]

    def __len__(self) -> int:
        return len(self.cores)

    def __iter__(self) -> Iterator[tuple[int, int, Annotation]]:
        """Row by row."""
        return ((row, column, self.cores[row, column]) for row, column in sorted(self.cores))

    @property
    def rows(self) -> int:
        return 1 + max((row for row, _ in self.cores), default=-1)

    @property
    def columns(self) -> int:
        return 1 + max((column for _, column in self.cores), default=-1)

    @property
    def present(self) -> int:
        """Return how many cores are not missing."""
        return sum(not is_missing(core) for core in self.cores.values())

    @property
    def labels(self) -> LabelScheme:
        """Return the scheme by which most of the cores are named."""
        first = self.cores.get((0, 0))
        guesses = () if first is None else schemes_of(first.name)
        if not guesses:
            return LabelScheme()
        schemes = [
            msgspec.structs.replace(guess, rows_down=rows_down, columns_down=columns_down)
            for guess in guesses
            for rows_down in (False, True)
            for columns_down in (False, True)
        ]
        return max(schemes, key=self._named_by)

    def place_of(self, core: Annotation) -> tuple[int, int] | None:
        """Return row and column of a core; None of what is none of the grid."""
        return next((at for at, each in self.cores.items() if each.id == core.id), None)

    def relabeled(self, labels: LabelScheme) -> Edit:
        """Return the edit that names all cores by their place.

        Raises
        ------
        TmaError
            The labels do not reach over the grid.
        """
        pairs = [(core, replace(core, name=labels.name(row, column))) for row, column, core in self]
        return changing("Label cores", pairs)

    def with_line(self, what: Line, index: int) -> Edit:
        """Return the edit that puts a row or column of new cores at an index; 0 is the first.

        Raises
        ------
        TmaError
            The labels do not reach over the larger grid.
        """
        labels, sizes = self.labels, [_size(core) for core in self.cores.values()]
        size = (float(np.median([w for w, _ in sizes])), float(np.median([h for _, h in sizes])))
        moved = self._moved(what, index, 1, labels)
        added: list[Annotation] = []
        across = self.columns if what == "row" else self.rows
        for other in range(across):
            at = (index, other) if what == "row" else (other, index)
            place = self._between(what, index, other, size)
            if place is not None:
                added.append(new_core(*at, place, size, labels.name(*at)))
        edit = changing(f"Add {what} of cores", moved)
        return Edit(edit.label, (*edit.changes, *(Change(None, each) for each in added)))

    def without_line(self, what: Line, index: int) -> Edit:
        """Return the edit that takes away a row or column with its cores."""
        axis = 0 if what == "row" else 1
        gone = [core for at, core in self.cores.items() if at[axis] == index]
        edit = changing(f"Remove {what} of cores", self._moved(what, index + 1, -1, self.labels))
        return Edit(edit.label, (*(Change(each, None) for each in gone), *edit.changes))

    # -----------------------------------------------------------------------------------------

    def _named_by(self, labels: LabelScheme) -> int:
        count = 0
        for row, column, core in self:
            try:
                count += core.name == labels.name(row, column)
            except TmaError:  # it counts backward, and runs out
                break
        return count

    def _moved(
        self, what: Line, index: int, by: int, labels: LabelScheme
    ) -> list[tuple[Annotation, Annotation]]:
        """Return the cores from an index on, before and after they change their place."""
        pairs: list[tuple[Annotation, Annotation]] = []
        for row, column, core in self:
            if (row if what == "row" else column) < index:
                continue
            at = (row + by, column) if what == "row" else (row, column + by)
            after = _placed(core, *at)
            if core.name == labels.name(row, column):  # else it has a name of its own
                after = replace(after, name=labels.name(*at))
            pairs.append((core, after))
        return pairs

    def _between(
        self, what: Line, index: int, other: int, size: tuple[float, float]
    ) -> Point | None:
        """Return where a new core lies: between two, or beyond the last as far as others are."""

        def middle(line: int) -> Point | None:
            core = self.cores.get((line, other) if what == "row" else (other, line))
            return None if core is None else _middle(core)

        before, after = middle(index - 1), middle(index)
        if before is not None and after is not None:
            return Point((before.x + after.x) / 2, (before.y + after.y) / 2)
        step = self._step(what, size)
        if before is not None:
            return Point(before.x + step.x, before.y + step.y)
        if after is not None:
            return Point(after.x - step.x, after.y - step.y)
        return None

    def _step(self, what: Line, size: tuple[float, float]) -> Point:
        steps = self._steps(what)
        if len(steps):
            x, y = np.median(steps, axis=0).tolist()
            return Point(x, y)
        others = self._steps("column" if what == "row" else "row")
        if len(others):  # a quarter turn from the line that there is
            x, y = np.median(others, axis=0).tolist()
            return Point(-y, x) if what == "row" else Point(y, -x)
        far = _USUAL_STEP * max(size)
        return Point(0.0, far) if what == "row" else Point(far, 0.0)

    def _steps(self, what: Line) -> list[tuple[float, float]]:
        down, right = (1, 0) if what == "row" else (0, 1)
        steps: list[tuple[float, float]] = []
        for (row, column), core in self.cores.items():
            following = self.cores.get((row + down, column + right))
            if following is not None:
                a, b = _middle(core), _middle(following)
                steps.append((b.x - a.x, b.y - a.y))
        return steps


def grid_of(annotations: Iterable[Annotation]) -> TmaGrid:
    """Return the grid of the cores among annotations.

    Rows and columns are those kept with the cores. Where a core has none, such as one of a file, or
    two have the same, all are placed by where they lie.
    """
    cores = [each for each in annotations if is_core(each)]
    places = [_kept_place(core) for core in cores]
    known = [place for place in places if place is not None]
    if len(set(known)) == len(cores):
        return TmaGrid(dict(zip(known, cores, strict=True)))
    if len(cores) < 2:
        return TmaGrid({(0, index): core for index, core in enumerate(cores)})
    middles = np.array([_middle(core) for core in cores], float)
    size = float(np.median([min(_size(core)) for core in cores]))
    lattice = fitted_lattice(middles, np.ones(len(cores)), max(size, 1e-6))
    assert lattice is not None
    found: dict[tuple[int, int], Annotation] = {}
    spare = 1 + int(lattice.rows_of.max())
    extra = 0
    for core, row, column in zip(
        cores, lattice.rows_of.tolist(), lattice.columns_of.tolist(), strict=True
    ):
        if row < 0:  # two at one place: the second gets a row behind all others
            row, column, extra = spare, extra, extra + 1
        found[row, column] = core
    return TmaGrid(found)


def replacing(before: TmaGrid, cores: Iterable[Annotation]) -> Edit:
    """Return the edit that puts new cores in the place of all that are there."""
    gone = (Change(core, None) for core in before.cores.values())
    return Edit("Find cores", (*gone, *(Change(None, core) for core in cores)))


def marking(cores: Iterable[Annotation], *, missing: bool) -> Edit:
    """Return the edit that marks cores as missing, or as there."""
    label = "Mark cores missing" if missing else "Mark cores present"
    return changing(label, [(core, with_missing(core, missing=missing)) for core in cores])


def _placed(core: Annotation, row: int, column: int) -> Annotation:
    return core.noted(ROW, str(row + 1)).noted(COLUMN, str(column + 1))


def _kept_place(core: Annotation) -> tuple[int, int] | None:
    row, column = core.metadata.get(ROW, ""), core.metadata.get(COLUMN, "")
    if not (row.isdecimal() and column.isdecimal() and len(row) < 6 and len(column) < 6):
        return None
    place = int(row) - 1, int(column) - 1
    return place if min(place) >= 0 else None


def _middle(core: Annotation) -> Point:
    x0, y0, x1, y1 = core.geometry.bounds
    return Point((x0 + x1) / 2, (y0 + y1) / 2)


def _size(core: Annotation) -> tuple[float, float]:
    x0, y0, x1, y1 = core.geometry.bounds
    return x1 - x0, y1 - y0
