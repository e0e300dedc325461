"""Annotations as bytes, exactly: how they are kept between two openings of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import shapely

from viewer.annotations.annotation import (
    NO_NUMBERS,
    Annotation,
    Kind,
    shared_class,
    shared_texts,
    usual_annotation,
)
from viewer.annotations.kept_geometry import NUCLEUS_SLOT, array_of, kept, wkb_of
from viewer.annotations.measurement_rows import in_rows
from viewer.prepared_types import prepared
from viewer.window_first import give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shapely.geometry.base import BaseGeometry


_NOTHING = b"{}"
_AT_ONCE = 200
_NO_ANNOTATION = (msgspec.MsgspecError, shapely.errors.ShapelyError, RecursionError, TypeError)
"""What bytes raise that are no annotation, or values of a file that are no bytes."""


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
    unknown: bytes = _NOTHING
    """JSON, as it came: its integers may be larger than MessagePack's."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(prepared(_Packed)).decode


def packed(annotation: Annotation) -> bytes:
    """Return the annotation as bytes; coordinates keep all their digits."""
    return next(packed_all([annotation]))


def packed_all(annotations: Sequence[Annotation]) -> Iterator[bytes]:
    """Yield each annotation as bytes; many at once take half the time, in parts of bounded size."""
    for begin in range(0, len(annotations), _AT_ONCE):
        give_way()
        for each in _structs(annotations[begin : begin + _AT_ONCE]):
            yield _encode(each)


def unpacked(raw: bytes) -> Annotation:
    """Return the inverse of `packed`.

    Raises
    ------
    ValueError
        The bytes are no annotation.
    """
    try:
        return _annotation(_decode(raw))
    except _NO_ANNOTATION as error:
        raise ValueError(f"the bytes are no annotation: {error}") from error


def unpacked_all(raw: Sequence[bytes]) -> list[Annotation | None]:
    """Return each annotation, None where the bytes are none; many at once take half the time."""
    try:
        records = [_decode(each) for each in raw]
        nuclei = [each.nucleus for each in records if each.nucleus is not None]
        shapes = shapely.from_wkb(array_of([*(each.wkb for each in records), *nuclei]))
        if records and shapely.is_empty(shapes).any():
            return [_unpacked_or_none(each) for each in raw]
        measured = in_rows([each.measurements for each in records])
        return [
            _annotation(record, numbers, kept)
            for record, numbers in zip(records, measured, strict=True)
        ]
    except (ValueError, *_NO_ANNOTATION):
        return [_unpacked_or_none(each) for each in raw]


def _unpacked_or_none(raw: bytes) -> Annotation | None:
    try:
        return unpacked(raw)
    except ValueError:
        return None


def _structs(annotations: Sequence[Annotation]) -> list[_Packed]:
    shapes = wkb_of(annotations)
    return [_struct(each, wkb) for each, wkb in zip(annotations, shapes, strict=True)]


def _struct(annotation: Annotation, wkb: bytes) -> _Packed:
    in_class = annotation.shown_as
    nucleus: bytes | BaseGeometry | None = NUCLEUS_SLOT.__get__(annotation)
    return _Packed(
        wkb,
        annotation.id.bytes,
        annotation.kind,
        None if in_class is None else (in_class.name, in_class.color),
        annotation.name,
        annotation.color,
        annotation.is_locked,
        annotation.is_ellipse,
        nucleus if nucleus is None or isinstance(nucleus, bytes) else shapely.to_wkb(nucleus),
        dict(annotation.measurements.items()),
        dict(annotation.metadata),
        _structs(annotation.children) if annotation.children else [],
        msgspec.json.encode(annotation.unknown) if annotation.unknown else _NOTHING,
    )


def _annotation(
    record: _Packed,
    measured: Mapping[str, float] | None = None,
    made: Callable[[bytes], BaseGeometry] | None = None,
) -> Annotation:
    made = made or _geometry
    usual = usual_annotation(
        made(record.wkb),
        UUID(bytes=record.id),
        record.kind,
        None if record.in_class is None else shared_class(*record.in_class),
        record.name,
        record.color,
        record.is_locked,
        None if record.nucleus is None else made(record.nucleus),
        (record.measurements if measured is None else measured) or NO_NUMBERS,
        shared_texts(tuple(record.metadata.items())),
    )
    if record.is_ellipse or record.children or record.unknown != _NOTHING:
        return usual.saying(
            is_ellipse=record.is_ellipse,
            children=tuple(map(_annotation, record.children)),
            unknown=msgspec.json.decode(record.unknown, type=dict[str, object]),
        )
    return usual


def _geometry(wkb: bytes) -> BaseGeometry:
    geometry = shapely.from_wkb(wkb)
    if geometry.is_empty:
        raise ValueError("the bytes are an empty geometry")
    return geometry
