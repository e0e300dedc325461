"""What the model process is asked and what it answers; pixels go beside, in shared memory."""

from __future__ import annotations

from typing import Literal

import msgspec

from viewer.inference.cells.settings import CellSettings  # noqa: TC001 - read by msgspec
from viewer.inference.models.description import ModelDescription  # noqa: TC001 - read by msgspec
from viewer.inference.process.explain_messages import (
    Explain,
    Explained,
    ExplainedSlide,
    ExplainSlide,
)
from viewer.inference.process.lesson_messages import LessonAnswer, LessonRequest
from viewer.inference.process.preview_messages import PreviewBlock, Previewed
from viewer.inference.process.tuning_messages import TuningAnswer, TuningRequest
from viewer.inference.process.words_messages import EncodedWords, EncodeWords
from viewer.inference.teaching.taught_objects import (  # noqa: TC001 - read by msgspec
    LinearClassifier,
    TaughtObjects,
)
from viewer.prepared_types import prepared
from viewer.processes.shared_pixels import Tile  # noqa: TC001 - read by msgspec


class Load(msgspec.Struct, frozen=True, tag=True):
    """Which model to load; its weights and data follow as `Weights`, then `Loaded`.

    With `falls_back` the CPU does where the device is not to be had.
    """

    description: ModelDescription
    weights_bytes: int
    device: str
    threads: int
    falls_back: bool = False


class Weights(msgspec.Struct, frozen=True, tag=True):
    """The next part of the weights, or of the file `name` beside them."""

    data: bytes
    name: str = ""


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """All weights were sent; answered by Ready or Refused."""


class TryOut(msgspec.Struct, frozen=True, tag=True):
    """Asks the model to work once; answered by Ready or Refused."""


class TensorStep(msgspec.Struct, frozen=True):
    """A step of a bioimage.io package, by its name and arguments."""

    kind: str
    arguments: dict[str, object] = {}


class PackageTest(msgspec.Struct, frozen=True, tag=True):
    """Asks whether a test input gives a test output; answered by Ready or Refused.

    Attributes
    ----------
    inputs, expected
        Of a .npy file each.
    axes, expected_axes
        A letter an axis, such as "bcyx".
    before, after
        The steps round the network.
    output
        Which of its outputs.
    absolute, relative, mismatched
        How far numbers may differ, and how many of a million may differ more.
    """

    inputs: bytes
    expected: bytes
    axes: str
    expected_axes: str
    before: list[TensorStep]
    after: list[TensorStep]
    output: int
    absolute: float
    relative: float
    mismatched: float


class Blocks(msgspec.Struct, frozen=True, tag=True):
    """The grid over the slide and how the shared memory is cut into slots; before any Compute."""

    slide_px: tuple[float, float]
    downsample: float
    core_px: int
    margin_px: int
    mpp_um: float
    slot_bytes: int
    slot_count: int
    cells: int


class EndBlocks(msgspec.Struct, frozen=True, tag=True):
    """Ends the work on a slide whose blocks are all answered; answered by BlocksEnded."""


class Compute(msgspec.Struct, frozen=True, tag=True):
    """Asks for a block whose pixels lie in a slot; answered by Done or Refused.

    `patches` are the rows and columns of those patches of the block that hold tissue; `ranges` the
    low and high value of each channel of the slide, for models that are fed by them.
    """

    column: int
    row: int
    tile: Tile
    patches: list[tuple[int, int]]
    ranges: list[tuple[float, float]] = []


class Judge(msgspec.Struct, frozen=True, tag=True):
    """Asks a slide model about features, float16 (count, length); answered by Judged or Refused."""

    features: bytes
    count: int


class Segment(msgspec.Struct, frozen=True, tag=True):
    """Asks for the outline of what is pointed at in an image; answered by Outlined or Refused.

    `points` as of `Prompt.in_pixels`. Without a loaded model the outline is made by color.
    """

    tile: Tile
    points: list[tuple[float, float, int]]


class FindCells(msgspec.Struct, frozen=True, tag=True):
    """Asks for the cells of a field by settings; answered by FoundCells or Refused.

    `tile` holds its pixels at the requested pixel size, None where they are those of before, and
    `box` what they show: left, top, right and bottom in level-0 pixels.
    """

    tile: Tile | None
    settings: CellSettings
    box: tuple[float, float, float, float]


class FoundCells(msgspec.Struct, frozen=True, tag=True):
    """Cells, as `Objects.to_bytes` gives them."""

    objects: bytes


ObjectsKey = tuple[int, int, int]
"""The number of a slide, and the column and row of a block."""


class KeepObjects(msgspec.Struct, frozen=True, tag=True):
    """Objects of a block, as `Objects.to_bytes` gives them, to be marked; has no answer."""

    key: ObjectsKey
    objects: bytes


class Teach(msgspec.Struct, frozen=True, tag=True):
    """Asks to learn from marked objects; answered by Taught or Refused.

    Attributes
    ----------
    marks
        Block, place in it, and class of each.
    classes
        How many there are.
    mpp_um
        Micrometers per level-0 pixel of each slide.
    """

    marks: list[tuple[ObjectsKey, int, int]]
    classes: int
    mpp_um: list[float]


class ClassifyBlock(msgspec.Struct, frozen=True, tag=True):
    """Asks for the classes of the objects of a block; answered by ClassifiedBlock."""

    key: ObjectsKey


class Suggest(msgspec.Struct, frozen=True, tag=True):
    """Asks for objects that are worth a mark; answered by Suggested. `known` are left out."""

    count: int
    known: list[tuple[ObjectsKey, int]]


class Reclassify(msgspec.Struct, frozen=True, tag=True):
    """Asks for the taught classes of objects that a base model found; answered by FoundCells."""

    taught: TaughtObjects
    objects: bytes


class Taught(msgspec.Struct, frozen=True, tag=True):
    """What was learned, and what was answered for each mark without its region.

    Attributes
    ----------
    by, regions
        As of `HeldOut`.
    chances
        float32 (marks, classes); NaN without an estimate.
    """

    classifier: LinearClassifier
    by: Literal["slide", "block", ""]
    regions: list[int]
    chances: bytes


class ClassifiedBlock(msgspec.Struct, frozen=True, tag=True):
    """Probabilities of the objects of a block, float16 (n, classes)."""

    key: ObjectsKey
    chances: bytes


class Suggested(msgspec.Struct, frozen=True, tag=True):
    """Objects of which the classifier is least certain, and those unlike all that is marked."""

    unsure: list[tuple[ObjectsKey, int]]
    different: list[tuple[ObjectsKey, int]]


class Outlined(msgspec.Struct, frozen=True, tag=True):
    """Rings in pixels, the largest first."""

    rings: list[list[tuple[float, float]]]


class Judged(msgspec.Struct, frozen=True, tag=True):
    """Logits of the classes, and attention before the softmax, float32 (heads, count)."""

    logits: list[float]
    attention: bytes


class Alive(msgspec.Struct, frozen=True, tag=True):
    """Something was achieved; more is to come."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded or has worked once; `batch` blocks at a time suit the device."""

    device: str
    batch: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """There is no answer; one sentence says why.

    `is_failure` where the model was loaded and failed at work.
    """

    sentence: str
    is_failure: bool = False


class BlocksEnded(msgspec.Struct, frozen=True, tag=True):
    """Nothing of the slide is held any more; the model stays loaded."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """A block's result as its `to_bytes` gives it, and where the time went."""

    column: int
    row: int
    result: bytes
    forward_s: float = 0.0
    cut_s: float = 0.0


Request = (
    Load | Weights | Loaded | TryOut | PackageTest | Blocks | EndBlocks | Compute | Judge
    | Segment | FindCells | KeepObjects | Teach | ClassifyBlock | Suggest | Reclassify | Explain
    | ExplainSlide | EncodeWords | LessonRequest | TuningRequest | PreviewBlock
)  # fmt: skip
Answer = (
    Alive | Ready | Refused | BlocksEnded | Done | Judged | Outlined | FoundCells | Taught
    | ClassifiedBlock | Suggested | Explained | ExplainedSlide | EncodedWords | LessonAnswer
    | TuningAnswer | Previewed
)  # fmt: skip


def requests() -> msgspec.msgpack.Decoder[Request]:
    """Return what reads the words of the program in a model process."""
    return msgspec.msgpack.Decoder(prepared(Request))


def answers() -> msgspec.msgpack.Decoder[Answer]:
    """Return what reads the words of a model process in the program."""
    return msgspec.msgpack.Decoder(prepared(Answer))
