"""A region, line or set of points on a slide, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack
from uuid import UUID, uuid4

import msgspec

from viewer.annotations.kept_geometry import (
    GEOMETRY_SLOT,
    NUCLEUS_SLOT,
    KeptGeometry,
    is_equal_geometry,
    is_equal_nucleus,
)
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.pixel_calibration import MicronsPerPixel

Kind = Literal["annotation", "detection", "cell", "tile", "tmaCore", "root"]
"""As QuPath tells objects apart."""

DESCRIPTION = "ANNOTATION_DESCRIPTION"
"""Where QuPath keeps a description among the metadata."""
AUTHOR, CREATED, MODIFIED = "Author", "Created", "Modified"
DRAWN_WITH = "Drawn with"
"""The tool whose shape its corners do not tell: brush or wand."""
FIELD_LAYOUT = "Counting field"
"""How a field was laid out that is counted in, as JSON."""

NO_COLOR = "#c80000"
"""Of a class that tells none, and in files; QuPath's default for annotations is red."""
NO_CLASS = "No class"
"""What tables, files and lists call what has none."""
NO_CLASS_COLOR = "#00a3ad"
"""On the screen, of what has no class: the color of no class of ours and of no stain."""


NO_NUMBERS: Mapping[str, float] = {}
NO_TEXTS: Mapping[str, str] = {}
_NOTHING: Mapping[str, object] = {}
"""Shared by all that have none: a million empty dictionaries take 64 MB."""
_MOST_TEXTS = 1000
"""Sets of texts that are kept at hand, so that equal ones are one object."""


class AnnotationClass(msgspec.Struct, frozen=True):
    """What an annotation shows, such as "Tumor"; parts of a name are divided by ": "."""

    name: str
    color: str = NO_COLOR


class Stamp(msgspec.Struct, frozen=True):
    """Who changed something, and when (ISO 8601)."""

    at_utc: str
    author: str

    @classmethod
    def now(cls, author: str) -> Stamp:
        """Return the stamp of an author at this moment."""
        return cls(utc_stamp(), author)


@lru_cache(_MOST_TEXTS)
def shared_texts(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return names and texts as one mapping for all that say the same: a million take 200 MB."""
    return dict(items) if items else NO_TEXTS


@lru_cache(_MOST_TEXTS)
def shared_class(name: str, color: str) -> AnnotationClass:
    """Return one object for all annotations of a class: a million would take their room."""
    return AnnotationClass(name, color)


@lru_cache(_MOST_TEXTS)
def _stamped(items: tuple[tuple[str, str], ...], stamp: Stamp) -> Mapping[str, str]:
    """Return metadata with who changed it and when, shared as `shared_texts`."""
    metadata = dict(items)
    if CREATED in metadata:
        metadata[MODIFIED] = stamp.at_utc
    else:
        metadata[CREATED] = stamp.at_utc
        if stamp.author:
            metadata[AUTHOR] = stamp.author
    return metadata


class Said(TypedDict, total=False):
    """What is said of an annotation beside where it is."""

    shown_as: AnnotationClass | None
    name: str
    is_locked: bool
    is_ellipse: bool
    metadata: Mapping[str, str]
    children: tuple[Annotation, ...]
    unknown: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Annotation(KeptGeometry):
    """One drawn thing.

    Attributes
    ----------
    geometry
        Level-0 pixels, y down.
    color
        "#rrggbb" of its own, else that of its class.
    is_ellipse
        Whether the geometry stands for the ellipse in its bounding box.
    nucleus
        Of a cell.
    measurements
        Name with unit to number.
    unknown
        Other fields of the file: by "feature", "properties" and "geometry".
    """

    geometry: BaseGeometry = field()  # pyright: ignore[reportIncompatibleMethodOverride]
    id: UUID = field(default_factory=uuid4)
    kind: Kind = "annotation"
    shown_as: AnnotationClass | None = None
    name: str = ""
    color: str | None = None
    is_locked: bool = False
    is_ellipse: bool = False
    nucleus: BaseGeometry | None = None  # pyright: ignore[reportIncompatibleMethodOverride]
    measurements: Mapping[str, float] = field(default_factory=lambda: NO_NUMBERS)
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_TEXTS)
    children: tuple[Annotation, ...] = ()
    unknown: Mapping[str, object] = field(default_factory=lambda: _NOTHING)

    @property
    def description(self) -> str:
        return self.metadata.get(DESCRIPTION, "")

    @property
    def author(self) -> str:
        return self.metadata.get(AUTHOR, "")

    @property
    def modified_utc(self) -> str:
        """ISO 8601; "" where nobody noted it."""
        return self.metadata.get(MODIFIED, self.metadata.get(CREATED, ""))

    @property
    def shown_color(self) -> str:
        """Return its own, else that of its class."""
        return self.color or (self.shown_as.color if self.shown_as else NO_CLASS_COLOR)

    @property
    def class_name(self) -> str:
        """Empty where it has no class."""
        return self.shown_as.name if self.shown_as else ""

    def noted(self, key: str, value: str) -> Annotation:
        """Return the annotation with a piece of metadata; "" removes it."""
        others = {name: text for name, text in self.metadata.items() if name != key}
        return self.saying(metadata=others | {key: value} if value else others)

    def signed(self, author: str) -> Annotation:
        """Return it as its author leaves it: who drew it, when, and when it was changed."""
        return self.stamped(Stamp.now(author))

    def stamped(self, stamp: Stamp, **said: Unpack[Said]) -> Annotation:
        """Return it as `signed` does, saying more; what is changed together has one stamp."""
        said["metadata"] = _stamped(tuple(self.metadata.items()), stamp)
        return self.saying(**said)

    def saying(self, **said: Unpack[Said]) -> Annotation:
        """Return the same shape with other things said of it; geometry kept as bytes stays so.

        `dataclasses.replace` would make the geometry: 0.7 GB of a million.
        """
        made: Any = object.__new__(_Unfrozen)
        made.geometry = GEOMETRY_SLOT.__get__(self)
        made.nucleus = NUCLEUS_SLOT.__get__(self)
        made.id = self.id
        made.kind = self.kind
        made.shown_as = self.shown_as
        made.name = self.name
        made.color = self.color
        made.is_locked = self.is_locked
        made.is_ellipse = self.is_ellipse
        made.measurements = self.measurements
        made.metadata = self.metadata
        made.children = self.children
        made.unknown = self.unknown
        for name, value in said.items():
            setattr(made, name, value)
        made.__class__ = Annotation
        return made

    def __eq__(self, other: object) -> bool:
        """Compare without making geometries that are kept as bytes, where those are the same."""
        if self is other:
            return True
        if not isinstance(other, Annotation):
            return NotImplemented
        return (
            _said_of(self) == _said_of(other)
            and is_equal_geometry(self, other)
            and is_equal_nucleus(self, other)
        )

    def with_classes_renamed(self, renames: Sequence[tuple[str, str]]) -> Annotation:
        """Return it with its class as it is called now, and so what is in it.

        Parameters
        ----------
        renames
            Former name and name, in order; of "Tumor" also those that begin with "Tumor: ".
        """
        if not renames:
            return self
        children = tuple(each.with_classes_renamed(renames) for each in self.children)
        name = renamed_class(self.class_name, renames)
        if self.shown_as is None or name == self.class_name:
            return self if children == self.children else self.saying(children=children)
        return self.saying(shown_as=shared_class(name, self.shown_as.color), children=children)

    def area_um2(self, mpp_um: MicronsPerPixel) -> float:
        """Return the area at a pixel size in um, of square pixels or in x and y."""
        return PixelCalibration.of(mpp_um).area_of(self.geometry)

    def length_um(self, mpp_um: MicronsPerPixel) -> float:
        """Return the perimeter of a region or the length of a line, at a pixel size in um."""
        return PixelCalibration.of(mpp_um).length_of(self.geometry)


_said_of = attrgetter(
    *(each.name for each in fields(Annotation) if each.name not in ("geometry", "nucleus"))
)


class _Unfrozen(KeptGeometry):
    """An annotation while it is made: the same in memory, with fields that can be set."""

    __slots__ = Annotation.__slots__
    geometry: Any = GEOMETRY_SLOT
    nucleus: Any = NUCLEUS_SLOT


def usual_annotation(
    geometry: BaseGeometry,
    id_: UUID,
    kind: Kind,
    shown_as: AnnotationClass | None,
    name: str,
    color: str | None,
    is_locked: bool,
    nucleus: BaseGeometry | None,
    measurements: Mapping[str, float],
    metadata: Mapping[str, str],
) -> Annotation:
    """Return an annotation that is no ellipse and has no children and no unknown fields.

    It takes a quarter of the time: a frozen dataclass sets each field through a call, which is 3 s
    for a million.
    """
    made: Any = object.__new__(_Unfrozen)
    made.geometry = geometry
    made.id = id_
    made.kind = kind
    made.shown_as = shown_as
    made.name = name
    made.color = color
    made.is_locked = is_locked
    made.is_ellipse = False
    made.nucleus = nucleus
    made.measurements = measurements
    made.metadata = metadata
    made.children = ()
    made.unknown = _NOTHING
    made.__class__ = Annotation
    return made


def renamed_class(name: str, renames: Sequence[tuple[str, str]]) -> str:
    """Return what a class is called after it was renamed, perhaps more than once."""
    for former, now in renames:
        if name == former:
            name = now
        elif name.startswith(f"{former}: "):
            name = now + name[len(former) :]
    return name
