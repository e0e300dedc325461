"""A vector for each cell of a block: class scores or embeddings of its patch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 4
"""Cells along a side of a block."""


class PatchFeaturesError(CoverslipError):
    """Bytes that hold no vectors; `str()` is one sentence."""


@dataclass(frozen=True, slots=True)
class PatchFeatures:
    """What a model says of the patches of a block.

    Attributes
    ----------
    values
        float16 (rows, columns, d), NaN in cells without tissue; d is 0 where no cell has any.
    """

    values: NDArray[np.float16]

    @classmethod
    def none(cls) -> PatchFeatures:
        """A block without tissue."""
        return cls(np.zeros((CELLS, CELLS, 0), np.float16))

    def to_bytes(self) -> bytes:
        """As a .npy file."""
        sink = io.BytesIO()
        np.save(sink, self.values, allow_pickle=False)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> PatchFeatures:
        """The inverse of `to_bytes`.

        Raises
        ------
        PatchFeaturesError
            The bytes are damaged.
        """
        try:
            # Not np.load: it takes some bytes for an archive and opens that.
            values = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError, SyntaxError, TypeError) as error:
            raise PatchFeaturesError(f"These scores are damaged ({error}).") from error
        if values.shape[:-1] != (CELLS, CELLS):
            raise PatchFeaturesError("These scores are damaged: they have another shape.")
        return cls(values.astype(np.float16))
