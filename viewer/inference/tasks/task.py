"""What each kind of task says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from viewer.overlays.patch_features import CELLS, PatchFeatures

if TYPE_CHECKING:
    from viewer.geometry import Size
    from viewer.inference.models.description import Head, ModelDescription, Task
    from viewer.overlays.blocks import BlockGrid
    from viewer.overlays.result_map import BlockResult, ResultMap

Shape = tuple[int | str, ...]
"""Of an array; a word stands for any size, such as "any"."""

Shown = str
"""How answers are painted: as objects, by the likeliest class or a value of each patch, by values
as they are, by how like vectors are to what is asked, by a slide's class with its attention, or by
where readers are expected to look."""

_PATCH_HEADS: tuple[Head, ...] = ("softmax", "sigmoid", "probabilities", "logit", "regression")


def map_sides(about: ModelDescription, *sides_px: int) -> tuple[int, ...]:
    """Return the sides of the maps that a network gives for images of some sides."""
    lost_px = about.patch_px - (about.answer_px or about.patch_px)
    return tuple((side_px - lost_px) // about.answer_downsample for side_px in sides_px)


def answer_complaint(about: ModelDescription) -> str:
    """Return what contradicts itself in which part of a patch maps answer for, or ""."""
    answer_px = about.answer_px or about.patch_px
    if answer_px > about.patch_px or (about.patch_px - answer_px) % 2:
        return "answer_px has to be at most patch_px, and both even or both odd"
    if answer_px % about.answer_downsample:
        return "what a patch is answered for has to be a multiple of answer_downsample"
    return ""


def map_advice(about: ModelDescription, shape: Shape, wanted: Shape) -> str:
    """Return what to do about maps (n, channels, h, w) of another shape, or ""."""
    if not shape:
        return ": name those that count, in their order, as outputs in model.json"
    if len(shape) != len(wanted):
        return ""
    if shape[1] != wanted[1] and not isinstance(wanted[1], str):
        return (
            f": model.json names {len(about.classes)} classes, and its maps have to be theirs"
            " (docs/models.md)"
        )
    side, whole = shape[2], wanted[2]
    if side == shape[3] and isinstance(side, int) and isinstance(whole, int) and side < whole:
        coarse = f'"answer_downsample": {whole // side}' if whole % side == 0 else ""
        middle = f'"answer_px": {side * about.answer_downsample}'
        return (
            f": say {' or '.join(each for each in (coarse, middle) if each)} in model.json, if it"
            " answers for the whole patch in larger pixels or for the middle of the patch alone"
        )
    return ""


class TaskKind:
    """A kind of task; subclasses say what differs from an answer for each patch of a block.

    Attributes
    ----------
    name
        As in model.json.
    finds
        What is kept of its answers: "objects", "patches" (a vector for each patch), or "other".
    steps
        What makes the steps before and after a model, as "module:class"; "" of a task that works
        through no blocks. It is a name, since the window, which runs no model, imports tasks.
    asks_for
        What the model is asked in its process: "blocks" of a slide, a "slide" or a "prompt".
    is_by_patch
        Whether each patch with tissue is fed on its own, instead of the block as one image.
    is_square
        Whether the model is fed squares of `patch_px` and nothing else.
    needs_classes
        Whether it has to name its classes.
    has_head
        Whether its answers are of classes, which `head` tells the kind of.
    overlaps
        Whether its patches overlap in windows.
    is_map
        Whether it tells of each pixel, and not of a patch as a whole.
    outlines
        Whether its objects have outlines, which a decoder cuts out of maps; else they are boxes.
    encodes
        Whether its vectors are compared and searched, and judged by slide models.
    keeps_vectors
        Whether what is kept of a patch is a vector, and not a value for each class.
    keeps_logarithms
        Whether what is kept are logarithms of what is told.
    tells_where_to_look
        Whether it expects where readers look.
    shows
        How its answers are painted, by a presenter (`viewer.ui.overlays.presenters.registry`).
    is_told_by_shape
        Whether the shape of its answers tells all of how they lie.
    explains
        What it can be asked to explain: the class of a "tile", or of the "slide" by its patches.
    own
        What only its models may say in model.json.
    """

    name: ClassVar[Task]
    finds: ClassVar[Literal["objects", "patches", "other"]] = "patches"
    steps: ClassVar[str] = ""
    asks_for: ClassVar[Literal["blocks", "slide", "prompt"]] = "blocks"
    is_by_patch: ClassVar[bool] = False
    is_square: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = True
    has_head: ClassVar[bool] = False
    overlaps: ClassVar[bool] = False
    is_map: ClassVar[bool] = False
    outlines: ClassVar[bool] = False
    encodes: ClassVar[bool] = False
    keeps_vectors: ClassVar[bool] = False
    keeps_logarithms: ClassVar[bool] = False
    tells_where_to_look: ClassVar[bool] = False
    shows: ClassVar[Shown] = "classes"
    is_told_by_shape: ClassVar[bool] = True
    explains: ClassVar[Literal["", "tile", "slide"]] = ""
    own: ClassVar[tuple[str, ...]] = ()

    def complaint(self, about: ModelDescription) -> str:  # noqa: ARG002
        """Return what a description lacks for this task, as the end of a sentence, or ""."""
        return ""

    def heads(self, about: ModelDescription) -> tuple[Head, ...]:  # noqa: ARG002
        """Return what `head` may be."""
        return _PATCH_HEADS if self.has_head else ("softmax",)

    def kept_head(self, head: Head) -> Head:
        """Return what kept values are, where the model's own are of a kind of `head`."""
        return head

    def tells_areas(self, head: Head) -> bool:
        """Return whether what it tells of places has areas of classes."""
        return self.has_head and head != "regression"

    def empty_map(self, grid: BlockGrid, mpp_um: float, head: Head = "softmax") -> ResultMap:
        """Return what takes the results of a slide; micrometers per level-0 pixel."""
        # A model's process, which has no map of the slide, imports tasks too.
        from viewer.overlays.patch_feature_map import PatchFeatureMap

        return PatchFeatureMap(grid, mpp_um, self.kept_head(head))

    def no_result(self) -> BlockResult:
        """Return what is kept of a block without tissue."""
        return PatchFeatures.none()

    def decode(self, data: bytes, cells: int = CELLS) -> BlockResult:
        """Read what a model's process sends of a block with so many cells along a side.

        Raises
        ------
        BlockResultError
            The bytes are damaged.
        """
        return PatchFeatures.from_bytes(data, cells)

    def decode_kept(self, data: bytes, cells: int = CELLS) -> BlockResult:
        """Read a result that this or an earlier version kept; raises as `decode`.

        What a model's process sends is never read in this way.
        """
        return self.decode(data, cells)

    def cells(self, about: ModelDescription, slide_px: Size) -> int:  # noqa: ARG002
        """Return how many cells lie along a side of a block of a slide, pixels of `mpp_um`."""
        return CELLS

    def shape_advice(self, about: ModelDescription, shape: Shape, wanted: Shape) -> str:  # noqa: ARG002
        """Return what to do about an answer of another shape, as the end of a sentence, or ""."""
        return ""

    def block_px(self, about: ModelDescription) -> tuple[int, int]:
        """Return the side of a block and its margin, pixels of `mpp_um`."""
        return CELLS * about.stride, (about.patch_px - about.stride) // 2

    def shape(self, about: ModelDescription, count: int, height_px: int, width_px: int) -> Shape:
        """Return the shape of the answer for `count` images; only of tasks that ask for blocks."""
        raise NotImplementedError
