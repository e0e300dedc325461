"""Outlined objects, such as nuclei, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatColumn = NDArray[np.float32]


class ObjectsError(CoverslipError):
    """Bytes that hold no objects; `str()` is one sentence."""


def _no_measurements() -> dict[str, FloatColumn]:
    return {}


@dataclass(frozen=True, slots=True)
class Objects:
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
    """

    points: FloatColumn
    starts: NDArray[np.int64]
    centroids: FloatColumn
    classes: NDArray[np.uint8]
    measurements: dict[str, FloatColumn] = field(default_factory=_no_measurements)

    @classmethod
    def none(cls) -> Objects:
        """No objects."""
        return cls(
            np.zeros((0, 2), np.float32),
            np.zeros(1, np.int64),
            np.zeros((0, 2), np.float32),
            np.zeros(0, np.uint8),
        )

    @classmethod
    def joined(cls, parts: Sequence[Objects]) -> Objects:
        """All objects of the parts; a measurement that a part lacks is NaN there."""
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
        )

    def __len__(self) -> int:
        return len(self.classes)

    def outline(self, index: int) -> FloatColumn:
        """(k, 2) level-0 pixels."""
        return self.points[self.starts[index] : self.starts[index + 1]]

    def measured(self, name: str) -> FloatColumn:
        """(n,) a measurement, NaN where these objects do not have it."""
        column = self.measurements.get(name)
        return np.full(len(self), np.nan, np.float32) if column is None else column

    def taken(self, wanted: NDArray[np.bool_]) -> Objects:
        """Those objects for which `wanted` (n,) is set."""
        if wanted.all():
            return self
        counts = np.diff(self.starts)
        return Objects(
            self.points[np.repeat(wanted, counts)],
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[wanted])]),
            self.centroids[wanted],
            self.classes[wanted],
            {name: column[wanted] for name, column in self.measurements.items()},
        )

    def to_bytes(self) -> bytes:
        """As an Arrow IPC stream of one table, an object a row."""
        outlines = pa.ListArray.from_arrays(
            pa.array(2 * self.starts, pa.int32()), pa.array(self.points.ravel(), pa.float32())
        )
        columns = {
            "outline": outlines,
            "x": pa.array(self.centroids[:, 0]),
            "y": pa.array(self.centroids[:, 1]),
            "class": pa.array(self.classes),
        }
        columns |= {f"m:{name}": pa.array(values) for name, values in self.measurements.items()}
        table = pa.table(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Objects:
        """The inverse of `to_bytes`.

        Raises
        ------
        ObjectsError
            The bytes are damaged.
        """
        try:
            with pa.ipc.open_stream(data) as reader:
                table = reader.read_all().combine_chunks()
            columns = {name: table.column(name) for name in table.column_names}
            outlines = columns["outline"].combine_chunks()
            return cls(
                outlines.flatten().to_numpy().reshape(-1, 2),
                outlines.offsets.to_numpy().astype(np.int64) // 2,
                np.stack([columns["x"].to_numpy(), columns["y"].to_numpy()], 1),
                columns["class"].to_numpy().astype(np.uint8),
                {n[2:]: c.to_numpy() for n, c in columns.items() if n.startswith("m:")},
            )
        except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
            raise ObjectsError(f"These objects are damaged ({error}).") from error
