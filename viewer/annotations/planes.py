"""On which focal plane and time point an annotation lies, as QuPath writes it in its geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from viewer.slides.channels import FIRST_PLANE, ImagePlane
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation

_GEOMETRY, _PLANE = "geometry", "plane"
_ALL_CHANNELS = -1


def plane_of(annotation: Annotation) -> ImagePlane:
    """Return the plane; the first where the annotation tells none, or nonsense."""
    stated = mapping_of(mapping_of(annotation.unknown.get(_GEOMETRY)).get(_PLANE))
    z, t = stated.get("z", 0), stated.get("t", 0)
    if isinstance(z, int) and isinstance(t, int) and z >= 0 and t >= 0:
        return ImagePlane(z, t)
    return FIRST_PLANE


def tells_plane(annotation: Annotation) -> bool:
    """Return whether the annotation says on which plane it lies."""
    return _PLANE in mapping_of(annotation.unknown.get(_GEOMETRY))


def on_plane(annotation: Annotation, plane: ImagePlane) -> Annotation:
    """Return the annotation on a plane; on the first, which needs no word, as it is."""
    if (plane.z, plane.t) == (0, 0):
        return annotation
    members = mapping_of(annotation.unknown.get(_GEOMETRY))
    stated = {"c": _ALL_CHANNELS, "z": plane.z, "t": plane.t}
    unknown = {**annotation.unknown, _GEOMETRY: {**members, _PLANE: stated}}
    return replace(annotation, unknown=unknown)
