"""The middle of a field found first, in a part of its first block that takes less time.

What is found there is for the eye alone: it is shown until the block is known, and neither kept
nor counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.preview_messages import PreviewBlock
from viewer.inference.tasks.instances import takes_any_size
from viewer.inference.tasks.known import TASKS
from viewer.overlays.blocks import BlockKey
from viewer.overlays.objects import Objects, ObjectsError
from viewer.processes.shared_pixels import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Box
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.process.preview_messages import Previewed
    from viewer.overlays.blocks import BlockGrid
    from viewer.slides.source import RgbImage

    OnPreview = Callable[[BlockKey, Objects], None]

_CORE_PX, _MARGIN_PX = 256, 32
"""Of the part: a quarter of the pixels of a block."""
_MOST_BLOCKS = 150
"""In a field: of a larger one no single object is seen."""


def takes_parts(model: ModelDescription) -> bool:
    """Return whether a model can be fed a part of a block, and is sooner done with it."""
    return (
        TASKS[model.task].outlines
        and takes_any_size(model)
        and model.margin_px >= _MARGIN_PX
        and model.patch_px - 2 * model.margin_px >= 2 * _CORE_PX
    )


class BlockPreviews:
    """Asks for a part of the first block of each field of which nothing is known.

    Parameters
    ----------
    on_preview
        Called with a block and the objects in a part of it; None asks for nothing.
    """

    def __init__(
        self, model: ModelDescription, grid: BlockGrid, on_preview: OnPreview | None
    ) -> None:
        self._on_preview = on_preview if takes_parts(model) else None
        self._grid = grid
        self._field: Box | None = None
        self._asked: set[BlockKey] = set()
        self._glass: set[BlockKey] = set()
        self.is_slow = False
        """Whether the device takes so long for a block that a part of it is worth its time."""

    def look_at(self, field: Box | None) -> None:
        """Ask once for something of this field, level-0 pixels; for none of the one before."""
        self._field = field

    def pass_over(self, key: BlockKey) -> None:
        """Count a block without tissue as nothing that is known of a field."""
        self._glass.add(key)

    def begin(self, device: str) -> None:
        """A process begins, in which nothing was asked for yet."""
        self._asked.clear()
        self.is_slow = device == "cpu"

    def request(
        self,
        key: BlockKey,
        region: RgbImage,
        ranges: list[tuple[float, float]],
        is_known: Callable[[BlockKey], bool],
    ) -> PreviewBlock | None:
        """Return what to ask for before a block, whose pixels with margin are `region`."""
        field, grid = self._field, self._grid
        if field is None or self._on_preview is None or not self.is_slow:
            return None
        seen = field.intersection(grid.core_box(key))
        if seen.is_empty:
            return None
        self._field = None
        blocks = grid.covering(field)
        if len(blocks) > _MOST_BLOCKS or any(map(is_known, set(blocks) - self._glass)):
            return None
        start = grid.input_box(key)
        left = self._place((seen.center.x - start.x0) / grid.downsample)
        top = self._place((seen.center.y - start.y0) / grid.downsample)
        side = _CORE_PX + 2 * _MARGIN_PX
        tile = hand_over(region[top : top + side, left : left + side], None)
        self._asked.add(key)
        x0, y0 = (
            at + (pixel + _MARGIN_PX) * grid.downsample
            for at, pixel in ((start.x0, left), (start.y0, top))
        )
        return PreviewBlock(*key, x0, y0, _CORE_PX, _MARGIN_PX, tile, ranges)

    def take(self, answer: Previewed) -> None:
        """Tell what was found. Raises ModelFailedError where it was not asked for, or damaged."""
        key = BlockKey(answer.column, answer.row)
        if key not in self._asked or self._on_preview is None:
            raise ModelFailedError("The model answered for what nobody asked for.")
        self._asked.remove(key)
        try:
            objects = Objects.from_bytes(answer.objects)
        except ObjectsError as error:
            raise ModelFailedError(f"The model gave no result ({error}).") from error
        self._on_preview(key, objects)

    def _place(self, middle_px: float) -> int:
        """Return where the part begins in the pixels of the block, so that it lies within."""
        first = self._grid.margin_px - _MARGIN_PX
        last = first + self._grid.core_px - _CORE_PX
        return min(max(round(middle_px) - _MARGIN_PX - _CORE_PX // 2, first), last)
