"""What every kind of result of a model is: of a block, and of a slide by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from viewer.overlays.area import Area
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.overlays.object_map import ObjectMap
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.patch_mask import PatchMask


class BlockResultError(CoverslipError):
    """Bytes that hold no result of a block; `str()` is one sentence."""


class BlockResult(Protocol):
    """What a model found in a block."""

    def to_bytes(self) -> bytes:
        """Return what is kept of it, and sent by a model's process."""
        ...

    @property
    def has_holes(self) -> bool:
        """Return whether some of the block has no answer, or none to rely on."""
        ...


class ResultMap(ABC):
    """What a model found on a slide; a kind of result is a class of its own.

    Attributes
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    count
        How many objects or cells are known.
    """

    grid: BlockGrid
    mpp_um: float
    count: int

    @property
    def as_objects(self) -> ObjectMap | None:
        """Return the outlined objects that it consists of; None where it has none."""
        return None

    @property
    def as_patches(self) -> PatchFeatureMap | None:
        """Return the values of cells that it consists of; None where it has none."""
        return None

    @property
    @abstractmethod
    def done(self) -> set[BlockKey]:
        """Return the blocks that are known, those without a find among them."""

    @property
    @abstractmethod
    def unanswered(self) -> PatchMask:
        """Return the parts for which the model gave no answer."""

    @abstractmethod
    def unanswered_in(self, area: Area) -> PatchMask:
        """Return those of an area for which the model gave no answer."""

    @property
    @abstractmethod
    def unlike(self) -> PatchMask:
        """Return the parts that are unlike what the model was trained on."""

    @abstractmethod
    def unlike_in(self, area: Area) -> PatchMask:
        """Return those of an area that are unlike what the model was trained on."""

    @abstractmethod
    def take(self, key: BlockKey, result: BlockResult) -> None:
        """Take the result of a block. Raises TypeError for one of another kind."""

    def _foreign(self, result: BlockResult) -> TypeError:
        return TypeError(f"{type(result).__name__} does not belong in {type(self).__name__}")
