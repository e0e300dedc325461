"""A region, line or set of points on a slide, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from uuid import UUID, uuid4

import shapely

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

Kind = Literal["annotation", "detection", "cell", "tile", "tmaCore", "root"]
"""As QuPath tells objects apart."""

NO_COLOUR = "#c80000"
"""Of a class that tells none; QuPath's default for annotations is red."""


@dataclass(frozen=True, slots=True)
class AnnotationClass:
    """What an annotation shows, such as "Tumor"; parts of a name are divided by ": "."""

    name: str
    colour: str = NO_COLOUR


def _nothing() -> dict[str, object]:
    return {}


def _no_numbers() -> dict[str, float]:
    return {}


def _no_text() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One drawn thing.

    Attributes
    ----------
    geometry
        Level-0 pixels, y down.
    colour
        "#rrggbb" of its own, else that of its class.
    is_ellipse
        Whether the geometry stands for the ellipse in its bounding box.
    nucleus
        Of a cell.
    measurements
        Name with unit to number.
    unknown
        What the file told beside: by "feature", "properties" and "geometry".
    """

    geometry: BaseGeometry
    id: UUID = field(default_factory=uuid4)
    kind: Kind = "annotation"
    shown_as: AnnotationClass | None = None
    name: str = ""
    colour: str | None = None
    is_locked: bool = False
    is_ellipse: bool = False
    nucleus: BaseGeometry | None = None
    measurements: Mapping[str, float] = field(default_factory=_no_numbers)
    metadata: Mapping[str, str] = field(default_factory=_no_text)
    children: tuple[Annotation, ...] = ()
    unknown: Mapping[str, object] = field(default_factory=_nothing)

    def area_um2(self, mpp_um: float) -> float:
        return self.geometry.area * mpp_um**2

    def length_um(self, mpp_um: float) -> float:
        """Perimeter of a region, length of a line."""
        return self.geometry.length * mpp_um


def repaired(geometry: BaseGeometry) -> BaseGeometry:
    """The same place without crossing edges: what has the most dimensions of `make_valid`.

    Raises
    ------
    ValueError
        Nothing is left of it.
    """
    valid = shapely.make_valid(geometry)
    parts = [part for part in shapely.get_parts(valid) if not part.is_empty]
    if not parts:
        raise ValueError("the geometry is empty")
    most = max(int(shapely.get_dimensions(part)) for part in parts)
    kept = [part for part in parts if shapely.get_dimensions(part) == most]
    return kept[0] if len(kept) == 1 else shapely.union_all(kept)
