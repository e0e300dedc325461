"""Which objects marks mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely

from viewer.inference.teaching.errors import ContradictionError, NoObjectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from viewer.inference.teaching.marks import Mark
    from viewer.overlays.objects import Objects

_NEAR_UM = 3.0
"""A point beside an outline means that object if it is no farther away."""
_LEAST_CORNERS = 3


class MarkedObjects(msgspec.Struct, frozen=True):
    """Marks and the objects that they mean.

    Attributes
    ----------
    indices
        For each mark the objects that it means; none where it lies beside all of them.
    """

    marks: tuple[Mark, ...]
    indices: tuple[tuple[int, ...], ...]

    @property
    def missed(self) -> list[Mark]:
        """Return the marks that lie on no object."""
        return [m for m, found in zip(self.marks, self.indices, strict=True) if not found]

    def names(self) -> dict[int, list[str]]:
        """Return the classes that each object is marked with, in the order of the marks."""
        found: dict[int, list[str]] = {}
        for mark, indices in zip(self.marks, self.indices, strict=True):
            for index in indices:
                names = found.setdefault(index, [])
                if mark.name not in names:
                    names.append(mark.name)
        return found


def marked_objects(objects: Objects, marks: Sequence[Mark], mpp_um: float) -> MarkedObjects:
    """Find the objects that marks mean.

    A point means the object that it lies in, or the nearest within 3 µm; a stroke those that it
    crosses; an area those whose middle lies in it, or else the one that it lies in.
    """
    if not len(objects):
        return MarkedObjects(tuple(marks), ((),) * len(marks))
    numbers, outlines = _outlines(objects)
    tree = shapely.STRtree(outlines)
    points: Any = shapely.points(objects.centroids.astype(float))
    middles = shapely.STRtree(points)

    def meant(mark: Mark) -> Iterable[int]:
        shape = mark.geometry
        if shape.area > 0:
            found = middles.query(shape, "contains")
            if len(found):
                return found.tolist()
            shape = shapely.point_on_surface(shape)
        held = tree.query(shape, "intersects")
        if not shape.length and not len(held):
            held = tree.query_nearest(shape, max_distance=_NEAR_UM / mpp_um, all_matches=False)
        found = numbers[held]
        if not shape.length and len(found) > 1:
            offsets = objects.centroids[found] - shapely.get_coordinates(shape)[0]
            found = found[[int((offsets**2).sum(1).argmin())]]
        return found.tolist()

    return MarkedObjects(tuple(marks), tuple(tuple(sorted(meant(mark))) for mark in marks))


def check_contradictions(found: MarkedObjects, objects: Objects) -> None:
    """Raise ContradictionError where an object is marked with two classes."""
    both = [(index, names) for index, names in found.names().items() if len(names) > 1]
    if not both:
        return
    index, names = both[0]
    x, y = objects.centroids[index].tolist()
    first = f'the cell at {x:,.0f}, {y:,.0f} px is both "{names[0]}" and "{names[1]}"'
    more = "" if len(both) == 1 else f", and {len(both) - 1:,} more"
    raise ContradictionError(f"The marks contradict each other: {first}{more}; take one away.")


def check_found(marked: Sequence[Mark], missed: Sequence[Mark], finder: str) -> list[str]:
    """See that marks of each class mean some object; return what to say of those that do not.

    Parameters
    ----------
    finder
        The name of the model whose objects they are.

    Raises
    ------
    NoObjectError
        All marks of a class lie on no object.
    """
    if not missed:
        return []
    are_left = {mark.name for mark in marked} - _names_of_found(marked, missed)
    x, y = missed[0].place
    if are_left:
        names = ", ".join(f'"{name}"' for name in sorted(are_left))
        raise NoObjectError(
            f"No mark of {names} lies on an object that {finder} finds, the first at {x:,.0f}, "
            f"{y:,.0f} px: mark the objects themselves, or choose another model."
        )
    lie = "lies" if len(missed) == 1 else "lie"
    return [
        f"{len(missed):,} of {len(marked):,} marks {lie} on no object that {finder} finds, the "
        f"first at {x:,.0f}, {y:,.0f} px, and {'teaches' if len(missed) == 1 else 'teach'} nothing."
    ]


def _names_of_found(marked: Sequence[Mark], missed: Sequence[Mark]) -> set[str]:
    beside = set(map(id, missed))
    return {mark.name for mark in marked if id(mark) not in beside}


def _outlines(objects: Objects) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
    """Return the numbers of objects that have an outline, and their polygons."""
    counts = np.diff(objects.starts)
    numbers = np.flatnonzero(counts >= _LEAST_CORNERS)
    has_outline = np.repeat(counts >= _LEAST_CORNERS, counts)
    rings = shapely.linearrings(
        objects.points[has_outline].astype(float),
        indices=np.repeat(np.arange(len(numbers)), counts[numbers]),
    )
    outlines: Any = shapely.polygons(rings)
    return numbers, outlines
