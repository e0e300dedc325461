"""Outlined objects, such as nuclei, in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from viewer.overlays.result_map import BlockResultError
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatColumn = NDArray[np.float32]


class ObjectsError(BlockResultError):
    """Bytes that hold no objects; `str()` is one sentence."""


class FormerObjectsError(ObjectsError):
    """Bytes of an earlier version, which `viewer.overlays.former_objects` reads."""


UNLIKE = "unlike_training"
"""A measurement: 1 for objects in a field that is unlike the training data of the model, else 0."""
_HEAD = b"COBJ\x01"
_ARROW_HEAD = b"\xff\xff\xff\xff"
"""With which every Arrow stream begins."""


def _no_measurements() -> dict[str, FloatColumn]:
    return {}


class Objects(msgspec.Struct, frozen=True):
    """n objects, each with an outline, a class and measurements.

    Attributes
    ----------
    points
        (m, 2) the corners of all outlines in a row, level-0 pixels.
    starts
        (n + 1,) outline i is `points[starts[i]:starts[i + 1]]`; not closed by a repeated corner.
    centroids
        (n, 2) level-0 pixels.
    classes
        (n,) indices into the classes of the model.
    measurements
        Name with unit, such as "Area um2" -> (n,).
    is_unanswered
        Whether these are the objects of a block for which the model gave no finite numbers.
    is_unlike
        Whether these are the objects of a block that is unlike what the model was trained on.
    features
        (n, d) float16, by which classifiers are taught; None where the model was not asked for
        them. They are no measurements: no table or file shows them.
    """

    points: FloatColumn
    starts: NDArray[np.int64]
    centroids: FloatColumn
    classes: NDArray[np.uint8]
    measurements: dict[str, FloatColumn] = msgspec.field(default_factory=_no_measurements)
    is_unanswered: bool = False
    is_unlike: bool = False
    features: NDArray[np.float16] | None = None

    @classmethod
    def none(cls) -> Objects:
        """Return no objects."""
        return cls(
            np.zeros((0, 2), np.float32),
            np.zeros(1, np.int64),
            np.zeros((0, 2), np.float32),
            np.zeros(0, np.uint8),
        )

    @classmethod
    def unanswered(cls) -> Objects:
        """Return what is kept of a block for which the model gave no finite numbers."""
        return replace(cls.none(), is_unanswered=True)

    @classmethod
    def joined(cls, parts: Sequence[Objects]) -> Objects:
        """Return all objects of the parts; a measurement that a part lacks is NaN there."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.none()
        shifts = np.cumsum([0, *(len(part.points) for part in parts)])
        names = list(dict.fromkeys(name for part in parts for name in part.measurements))
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate(
                [np.zeros(1, np.int64)]
                + [part.starts[1:] + shift for part, shift in zip(parts, shifts, strict=False)]
            ),
            np.concatenate([part.centroids for part in parts]),
            np.concatenate([part.classes for part in parts]),
            {name: np.concatenate([part.measured(name) for part in parts]) for name in names},
            features=_joined_features(parts),
        )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def has_holes(self) -> bool:
        """Return whether they are of a block without an answer, or none to rely on."""
        return self.is_unanswered or self.is_unlike

    def outline(self, index: int) -> FloatColumn:
        """Return (k, 2) level-0 pixels."""
        return self.points[self.starts[index] : self.starts[index + 1]]

    @property
    def boxes(self) -> FloatColumn:
        """Return (n, 4) left, top, right and bottom of the outlines, level-0 pixels."""
        if not len(self):
            return np.zeros((0, 4), np.float32)
        firsts = self.starts[:-1]
        low, high = (extreme.reduceat(self.points, firsts) for extreme in (np.minimum, np.maximum))
        return np.concatenate([low, high], 1)

    def measured(self, name: str) -> FloatColumn:
        """Return (n,) a measurement, NaN where these objects do not have it."""
        column = self.measurements.get(name)
        return np.full(len(self), np.nan, np.float32) if column is None else column

    def taken(self, wanted: NDArray[np.bool_]) -> Objects:
        """Return those objects for which `wanted` (n,) is set."""
        if wanted.all():
            return self
        counts = np.diff(self.starts)
        return Objects(
            self.points[np.repeat(wanted, counts)],
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[wanted])]),
            self.centroids[wanted],
            self.classes[wanted],
            {name: column[wanted] for name, column in self.measurements.items()},
            self.is_unanswered,
            self.is_unlike,
            None if self.features is None else self.features[wanted],
        )

    def to_bytes(self) -> bytes:
        """Return the columns as bytes that `from_bytes` reads."""
        packed = _Packed(
            self.points.astype("<f4").tobytes(),
            self.starts.astype("<i8").tobytes(),
            self.centroids.astype("<f4").tobytes(),
            self.classes.astype("u1").tobytes(),
            {name: column.astype("<f4").tobytes() for name, column in self.measurements.items()},
            self.is_unanswered,
            self.is_unlike,
            b"" if self.features is None else self.features.astype("<f2").tobytes(),
        )
        return _HEAD + msgspec.msgpack.encode(packed)

    @classmethod
    def from_bytes(cls, data: bytes) -> Objects:
        """Return the objects that `to_bytes` packed.

        Raises
        ------
        FormerObjectsError
            An earlier version packed them, by Arrow.
        ObjectsError
            The bytes are damaged.
        """
        if data.startswith(_ARROW_HEAD):
            raise FormerObjectsError("These objects were written by an earlier version.")
        if not data.startswith(_HEAD):
            raise ObjectsError("These objects are damaged (they have no head).")
        try:
            packed = _decoder.decode(data[len(_HEAD) :])
            objects = cls(
                np.frombuffer(packed.points, "<f4").reshape(-1, 2),
                np.frombuffer(packed.starts, "<i8"),
                np.frombuffer(packed.centroids, "<f4").reshape(-1, 2),
                np.frombuffer(packed.classes, np.uint8),
                {name: np.frombuffer(each, "<f4") for name, each in packed.measurements.items()},
                packed.is_unanswered,
                packed.is_unlike,
                _unpacked_features(packed),
            )
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ObjectsError(f"These objects are damaged ({error}).") from error
        if not objects._is_consistent():
            raise ObjectsError("These objects are damaged (their columns do not fit together).")
        return objects

    def _is_consistent(self) -> bool:
        count = len(self.classes)
        return (
            len(self.starts) == count + 1
            and len(self.centroids) == count
            and all(len(column) == count for column in self.measurements.values())
            and (self.features is None or len(self.features) == count)
            and self.starts[0] == 0
            and self.starts[-1] == len(self.points)
            and bool((np.diff(self.starts) >= 0).all())
        )


class _Packed(msgspec.Struct, array_like=True):
    points: bytes
    starts: bytes
    centroids: bytes
    classes: bytes
    measurements: dict[str, bytes]
    is_unanswered: bool = False
    is_unlike: bool = False
    features: bytes = b""


def _unpacked_features(packed: _Packed) -> NDArray[np.float16] | None:
    if not packed.features:
        return None
    return np.frombuffer(packed.features, "<f2").reshape(len(packed.classes), -1)


def _joined_features(parts: Sequence[Objects]) -> NDArray[np.float16] | None:
    """Return the features of all parts, NaN of a part without; None where they differ or lack."""
    lengths = {part.features.shape[1] for part in parts if part.features is not None}
    if len(lengths) != 1:
        return None
    (length,) = lengths
    return np.concatenate(
        [
            np.full((len(part), length), np.nan, np.float16)
            if part.features is None
            else part.features
            for part in parts
        ]
    )


_decoder = msgspec.msgpack.Decoder(prepared(_Packed))
