"""What each kind of task says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from viewer.overlays.patch_features import CELLS

if TYPE_CHECKING:
    from viewer.inference.description import ModelDescription, Task

Shape = tuple[int | str, ...]
"""Of an array; a word stands for any size, such as "any"."""


class TaskKind:
    """A kind of task; subclasses say what differs from an answer for each patch of a block.

    Attributes
    ----------
    name
        As in model.json.
    finds
        What is kept of its answers: "objects", or "patches" (a vector for each patch).
    asks_for
        What the model is asked in its process: "blocks" of a slide, a "slide" or a "prompt".
    is_by_patch
        Whether each patch with tissue is fed on its own, instead of the block as one image.
    is_square
        Whether the model is fed squares of `patch_px` and nothing else.
    needs_classes
        Whether it has to name its classes.
    has_head
        Whether its answers can be of another kind than logits.
    """

    name: ClassVar[Task]
    finds: ClassVar[Literal["objects", "patches"]] = "patches"
    asks_for: ClassVar[Literal["blocks", "slide", "prompt"]] = "blocks"
    is_by_patch: ClassVar[bool] = False
    is_square: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = True
    has_head: ClassVar[bool] = False

    def complaint(self, about: ModelDescription) -> str:  # noqa: ARG002
        """Return what a description lacks for this task, as the end of a sentence, or ""."""
        return ""

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        """Return the side of a block and its margin, pixels of `mpp_um`."""
        return CELLS * about.stride, (about.patch_px - about.stride) // 2

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        """Return the shape of the answer for `count` images; only of tasks that ask for blocks."""
        raise NotImplementedError
