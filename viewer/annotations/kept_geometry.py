"""Geometries that files are read into: kept as bytes until somebody asks for them.

GEOS takes 650 bytes for a nucleus of 14 corners, its well-known binary less than half of that. Of
a million objects a view asks for some thousands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry


_AT_ONCE = 10_000
_LINE = 2
"""The number of lines in well-known binary."""


class _Slots:
    __slots__ = ("geometry", "nucleus")


GEOMETRY_SLOT: Any = _Slots.geometry
NUCLEUS_SLOT: Any = _Slots.nucleus
"""The places in memory, which the properties of the same names stand before."""


class KeptGeometry(_Slots):
    """The two geometries of an annotation, of which each may be given as bytes."""

    __slots__ = ()

    @property
    def geometry(self) -> BaseGeometry:
        """Level-0 pixels, y down."""
        held = GEOMETRY_SLOT.__get__(self)
        if type(held) is bytes:
            held = shapely.from_wkb(held)
            GEOMETRY_SLOT.__set__(self, held)
        return held

    @geometry.setter
    def geometry(self, geometry: BaseGeometry) -> None:
        GEOMETRY_SLOT.__set__(self, geometry)

    @property
    def nucleus(self) -> BaseGeometry | None:
        """Return the nucleus of a cell."""
        held = NUCLEUS_SLOT.__get__(self)
        if type(held) is bytes:
            held = shapely.from_wkb(held)
            NUCLEUS_SLOT.__set__(self, held)
        return held

    @nucleus.setter
    def nucleus(self, nucleus: BaseGeometry | None) -> None:
        NUCLEUS_SLOT.__set__(self, nucleus)


def is_same_geometry(one: KeptGeometry, other: KeptGeometry) -> bool:
    """Return whether two annotations share a geometry, which is not made for it."""
    return GEOMETRY_SLOT.__get__(one) is GEOMETRY_SLOT.__get__(other)


def is_equal_geometry(one: KeptGeometry, other: KeptGeometry) -> bool:
    """Return whether two annotations lie at the same place; equal bytes are not made for it."""
    held, of_other = GEOMETRY_SLOT.__get__(one), GEOMETRY_SLOT.__get__(other)
    return held is of_other or _is_equal_bytes(held, of_other) or one.geometry == other.geometry


def is_equal_nucleus(one: KeptGeometry, other: KeptGeometry) -> bool:
    """Do as `is_equal_geometry` with nuclei."""
    held, of_other = NUCLEUS_SLOT.__get__(one), NUCLEUS_SLOT.__get__(other)
    return held is of_other or _is_equal_bytes(held, of_other) or one.nucleus == other.nucleus


def _is_equal_bytes(held: object, of_other: object) -> bool:
    return type(held) is bytes and type(of_other) is bytes and held == of_other


def is_line(annotation: KeptGeometry) -> bool:
    """Return whether the geometry is one line; one that is kept as bytes stays so."""
    held = GEOMETRY_SLOT.__get__(annotation)
    if type(held) is not bytes:
        return isinstance(held, shapely.LineString)
    return int.from_bytes(held[1:5], "little" if held[0] else "big") & 0xFF == _LINE


def as_kept(geometries: Sequence[BaseGeometry | None]) -> list[BaseGeometry | None]:
    """Return what annotations are made of: the bytes, which their properties give as geometries.

    None stays None. The type is that of what is given out; nothing but an annotation may take it.
    """
    return cast("list[BaseGeometry | None]", shapely.to_wkb(array_of(geometries)).tolist())


def kept(wkb: bytes) -> BaseGeometry:
    """Return what an annotation is made of, as `as_kept`: of bytes that are known to be sound."""
    return cast("BaseGeometry", wkb)


def geometries_of(annotations: Iterable[KeptGeometry]) -> NDArray[np.object_]:
    """Return the geometries of many, made together; those that are kept as bytes stay so."""
    return _made([GEOMETRY_SLOT.__get__(each) for each in annotations])


def geometry_parts(annotations: Sequence[KeptGeometry]) -> Iterator[NDArray[np.object_]]:
    """Yield the geometries of very many, some at a time: of a million they would take 0.7 GB."""
    for begin in range(0, len(annotations), _AT_ONCE):
        yield geometries_of(annotations[begin : begin + _AT_ONCE])


def nuclei_of(annotations: Iterable[KeptGeometry]) -> NDArray[np.object_]:
    """Return the nuclei as `geometries_of` does; None for those without one."""
    return _made([NUCLEUS_SLOT.__get__(each) for each in annotations])


def wkb_of(annotations: Iterable[KeptGeometry]) -> list[bytes]:
    """Return the geometries of many in well-known binary, made together."""
    held, is_kept = _held([GEOMETRY_SLOT.__get__(each) for each in annotations])
    held[~is_kept] = shapely.to_wkb(held[~is_kept])
    return held.tolist()


def _made(values: Sequence[object]) -> NDArray[np.object_]:
    held, is_kept = _held(values)
    held[is_kept] = shapely.from_wkb(held[is_kept])
    return held


def _held(values: Sequence[object]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return them, and which of them are bytes."""
    return array_of(values), np.fromiter(
        (type(each) is bytes for each in values), bool, len(values)
    )


def array_of(values: Sequence[object]) -> NDArray[np.object_]:
    """Return geometries, or their bytes, as shapely's functions over many want them."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
