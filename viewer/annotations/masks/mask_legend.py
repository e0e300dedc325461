"""What the values of a label mask stand for, and where on which slide the mask lies."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from viewer.annotations.annotation import AnnotationClass
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".legend.json"
FORMAT = "coverslip-label-mask-1"


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value.

    Attributes
    ----------
    id
        Of the annotation, where each has a value of its own.
    """

    value: int
    class_name: str = msgspec.field(default="", name="class")
    color: str = msgspec.field(default="", name="colour")
    id: str = ""
    name: str = ""

    @property
    def shown_as(self) -> AnnotationClass | None:
        if not self.class_name:
            return None
        return (
            AnnotationClass(self.class_name, self.color)
            if self.color
            else AnnotationClass(self.class_name)
        )

    @property
    def annotation_id(self) -> UUID | None:
        try:
            return UUID(self.id)
        except ValueError:
            return None


class Legend(msgspec.Struct, frozen=True):
    """Of a mask.

    Attributes
    ----------
    of
        "classes" or "instances".
    scale
        Level-0 pixels per pixel of the mask, in x and y.
    mpp_um
        Of a pixel of the mask, in x and y; None where the slide's scale is unknown.
    slide_px
        Width and height of the slide at level 0.
    label_count
        Also where `labels` was left out for its length.
    mask
        A word that the mask bears too: it tells a legend from that of a mask which lay there
        before, where a program was killed between the two; "" in older ones.
    """

    of: str
    size_px: tuple[int, int]
    scale: tuple[float, float]
    mpp_um: tuple[float, float] | None
    slide: str
    slide_identity: str
    slide_px: tuple[int, int]
    label_count: int
    labels: list[Label]
    format: str = FORMAT
    mask: str = ""

    @property
    def without_labels(self) -> Legend:
        """Return the same with none of the labels that it counts."""
        return msgspec.structs.replace(self, labels=[])


def legend_path(mask: Path) -> Path:
    """Beside the mask."""
    return mask.with_name(mask.name + SUFFIX)


def text_of(legend: Legend) -> bytes:
    return msgspec.json.format(msgspec.json.encode(legend), indent=1)


def legend_beside(mask: Path) -> Legend | None:
    """Return None where there is none that can be used."""
    try:
        return legend_of(read_regular(legend_path(mask), JSON_BYTES))
    except OSError:
        return None


def legend_of(text: bytes | str) -> Legend | None:
    """Return the legend that JSON holds; None where it is none."""
    try:
        found: object = msgspec.json.decode(text, type=prepared(Legend))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    is_sound = found.format == FORMAT and all(0 < value < 1e6 for value in found.scale)
    return found if is_sound else None
