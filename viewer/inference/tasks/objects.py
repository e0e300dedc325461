"""What tasks that find objects have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.task import TaskKind
from viewer.overlays.objects import Objects
from viewer.overlays.patch_features import CELLS

if TYPE_CHECKING:
    from viewer.inference.models.description import Head
    from viewer.overlays.blocks import BlockGrid
    from viewer.overlays.object_map import ObjectMap


class ObjectsTask(TaskKind):
    """Outlines or boxes in each block of a slide."""

    finds = "objects"
    shows = "objects"
    is_square = True

    def empty_map(self, grid: BlockGrid, mpp_um: float, head: Head = "softmax") -> ObjectMap:  # noqa: ARG002
        from viewer.overlays.object_map import ObjectMap

        return ObjectMap(grid, mpp_um, are_boxes=not self.outlines)

    def no_result(self) -> Objects:
        return Objects.none()

    def decode(self, data: bytes, cells: int = CELLS) -> Objects:  # noqa: ARG002
        return Objects.from_bytes(data)

    def decode_kept(self, data: bytes, cells: int = CELLS) -> Objects:  # noqa: ARG002
        from viewer.overlays.former_objects import kept_objects  # the helper, for old bytes alone

        return kept_objects(data)
