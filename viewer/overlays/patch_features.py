"""A vector for each cell of a block: class scores or embeddings of its patch."""

from __future__ import annotations

import io

import msgspec
import numpy as np
from numpy.typing import NDArray

from viewer.overlays.blocks import CELLS
from viewer.overlays.result_map import BlockResultError

Features = NDArray[np.float16 | np.float32]


class PatchFeaturesError(BlockResultError):
    """Bytes that hold no vectors; `str()` is one sentence."""


def _none() -> NDArray[np.bool_]:
    return np.zeros((CELLS, CELLS), bool)


class PatchFeatures(msgspec.Struct, frozen=True):
    """What a model says of the patches of a block.

    Attributes
    ----------
    values
        (rows, columns, d), NaN in cells without tissue or without an answer; d is 0 where
        no cell has any.
    unanswered
        (rows, columns) cells with tissue for which the model gave no finite numbers.
    unlike
        (rows, columns) cells whose patch is unlike what the model was trained on.
    """

    values: Features
    unanswered: NDArray[np.bool_] = msgspec.field(default_factory=_none)
    unlike: NDArray[np.bool_] = msgspec.field(default_factory=_none)

    @classmethod
    def none(cls) -> PatchFeatures:
        """Return a block without tissue."""
        return cls(np.zeros((CELLS, CELLS, 0), np.float16))

    @property
    def has_holes(self) -> bool:
        """Return whether some cells have no answer, or none to rely on."""
        return bool((self.unanswered | self.unlike).any())

    def to_bytes(self) -> bytes:
        """Return a .npy file, with infinity in cells without an answer, and another of `unlike`."""
        sink = io.BytesIO()
        infinity = self.values.dtype.type(np.inf)
        values = np.where(self.unanswered[..., np.newaxis], infinity, self.values)
        np.save(sink, values, allow_pickle=False)
        if self.unlike.any():
            np.save(sink, self.unlike, allow_pickle=False)
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, cells: int = CELLS) -> PatchFeatures:
        """Return the inverse of `to_bytes`, of a block with so many cells along a side.

        Raises
        ------
        PatchFeaturesError
            The bytes are damaged.
        """
        file = io.BytesIO(data)
        try:
            # Not np.load: it takes some bytes for an archive and opens that.
            values = np.lib.format.read_array(file, allow_pickle=False)
            rest = file.tell() < len(data)
            unlike = np.lib.format.read_array(file, allow_pickle=False) if rest else None
        except (ValueError, EOFError, OSError, SyntaxError, TypeError) as error:
            raise PatchFeaturesError(f"These scores are damaged ({error}).") from error
        if values.shape == (CELLS, CELLS, 0):
            return cls.none()
        if unlike is None:
            unlike = np.zeros((cells, cells), bool)
        if values.shape[:-1] != (cells, cells) or unlike.shape != (cells, cells):
            raise PatchFeaturesError("These scores are damaged: they have another shape.")
        unanswered = np.any(np.isinf(values), axis=-1)
        kind = np.float32 if values.dtype == np.float32 else np.float16
        values = np.where(unanswered[..., np.newaxis], np.nan, values).astype(kind)
        return cls(values, unanswered, unlike.astype(bool))
