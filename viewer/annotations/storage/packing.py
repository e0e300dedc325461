"""Annotations as bytes, exactly: how they are kept between two openings of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass, Kind

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class _Packed(msgspec.Struct, array_like=True):
    """An annotation as a MessagePack array; new fields go to the end."""

    wkb: bytes
    id: bytes
    kind: Kind = "annotation"
    in_class: tuple[str, str] | None = None
    name: str = ""
    color: str | None = None
    is_locked: bool = False
    is_ellipse: bool = False
    nucleus: bytes | None = None
    measurements: dict[str, float] = {}
    metadata: dict[str, str] = {}
    children: list[_Packed] = []
    unknown: bytes = b"{}"
    """JSON, as it came: its integers may be larger than MessagePack's."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def packed(annotation: Annotation) -> bytes:
    """The annotation as bytes; coordinates keep all their digits."""
    return _encode(_struct(annotation))


def unpacked(raw: bytes) -> Annotation:
    """The inverse of `packed`.

    Raises
    ------
    ValueError
        The bytes are no annotation.
    """
    try:
        return _annotation(_decode(raw))
    except (msgspec.MsgspecError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"the bytes are no annotation: {error}") from error


def _struct(annotation: Annotation) -> _Packed:
    in_class = annotation.shown_as
    return _Packed(
        shapely.to_wkb(annotation.geometry),
        annotation.id.bytes,
        annotation.kind,
        None if in_class is None else (in_class.name, in_class.color),
        annotation.name,
        annotation.color,
        annotation.is_locked,
        annotation.is_ellipse,
        None if annotation.nucleus is None else shapely.to_wkb(annotation.nucleus),
        dict(annotation.measurements),
        dict(annotation.metadata),
        [_struct(child) for child in annotation.children],
        msgspec.json.encode(annotation.unknown),
    )


def _annotation(record: _Packed) -> Annotation:
    return Annotation(
        _geometry(record.wkb),
        UUID(bytes=record.id),
        record.kind,
        None if record.in_class is None else AnnotationClass(*record.in_class),
        record.name,
        record.color,
        record.is_locked,
        record.is_ellipse,
        None if record.nucleus is None else _geometry(record.nucleus),
        record.measurements,
        record.metadata,
        tuple(_annotation(child) for child in record.children),
        msgspec.json.decode(record.unknown),
    )


def _geometry(wkb: bytes) -> BaseGeometry:
    geometry = shapely.from_wkb(wkb)
    if geometry.is_empty:
        raise ValueError("the bytes are an empty geometry")
    return geometry
