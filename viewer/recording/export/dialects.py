"""The shapes of examples that trainers of vision-language models take, each with its own boxes.

All boxes are of the thumbnail, which is what the model sees of the slide. Where a trainer resizes
or pads pictures before it counts pixels, the thumbnail is written as it would be after that, so
that the boxes hold whether or not the trainer takes the change into account itself.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Example = dict[str, Any]
Fractions = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the thumbnail's width and height, within it."""

QWEN_FACTOR = 28
QWEN_MIN_PIXELS, QWEN_MAX_PIXELS = 56 * 56, 28 * 28 * 1280
"""Of Qwen2.5-VL's image processor: sides are multiples of the factor, the area within these."""
_GRID = 1000
_PADDING = (255, 255, 255)


class DialectTurn(msgspec.Struct, frozen=True):
    """A turn in the words of a dialect; `pictures` are paths or data URLs."""

    role: Literal["user", "assistant"]
    text: str
    pictures: tuple[str, ...]


class Dialect(msgspec.Struct, frozen=True):
    """One shape of examples.

    Attributes
    ----------
    boxes
        What its boxes are, in words.
    place
        Gives the words of a command such as "10x-inspect" and its box; takes the thumbnail's size
        in pixels too.
    example
        Gives an example of its id and its turns.
    layout
        "lines": an example a line; "list": one JSON array; "parquet": rows with the pictures in
        them.
    hint
        Is said to the model with the first question.
    fitted
        Gives the thumbnail as the trainer would make it; None leaves it as it is.
    takes_one_picture
        Whether an example holds one picture only.
    """

    boxes: str
    place: Callable[[str, Fractions, tuple[int, int]], str]
    example: Callable[[str, list[DialectTurn]], Example]
    layout: Literal["lines", "list", "parquet"] = "list"
    hint: str = ""
    fitted: Callable[[Image.Image], Image.Image] | None = None
    takes_one_picture: bool = False


def smart_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the size to which Qwen2.5-VL resizes a picture (`smart_resize`), width and height."""
    width, height = (
        max(QWEN_FACTOR, round(side / QWEN_FACTOR) * QWEN_FACTOR) for side in (width_px, height_px)
    )
    area = width_px * height_px
    if width * height > QWEN_MAX_PIXELS:
        shrink = math.sqrt(area / QWEN_MAX_PIXELS)
        width, height = (
            max(QWEN_FACTOR, math.floor(side / shrink / QWEN_FACTOR) * QWEN_FACTOR)
            for side in (width_px, height_px)
        )
    elif width * height < QWEN_MIN_PIXELS:
        grow = math.sqrt(QWEN_MIN_PIXELS / area)
        width, height = (
            math.ceil(side * grow / QWEN_FACTOR) * QWEN_FACTOR for side in (width_px, height_px)
        )
    return width, height


def fitted_jpeg(jpeg: bytes, dialect: Dialect, quality: int) -> tuple[bytes, tuple[int, int]]:
    """Return a thumbnail as a dialect's trainer sees it, and its size in pixels."""
    picture = Image.open(io.BytesIO(jpeg))
    if dialect.fitted is None:
        return jpeg, picture.size
    fitted = dialect.fitted(picture)
    if fitted.size == picture.size:
        return jpeg, picture.size
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue(), fitted.size


# ---------------------------------------------------------------------------------------------


def _smart_resized(picture: Image.Image) -> Image.Image:
    return picture.resize(smart_size(*picture.size), Image.Resampling.BICUBIC)


def _squared(picture: Image.Image) -> Image.Image:
    """Return the picture in the middle of a white square."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), _PADDING)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _pixels(box: Fractions, size: tuple[int, int]) -> tuple[int, int, int, int]:
    return _rounded(box, size, size)


def _thousandths(box: Fractions, most: int) -> tuple[int, int, int, int]:
    return _rounded(box, (_GRID, _GRID), (most, most))


def _rounded(
    box: Fractions, size: tuple[int, int], most: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return whole numbers within `most`; a box is one wide and high at least."""
    spans: list[tuple[int, int]] = []
    for axis in (0, 1):
        begin = min(round(box[axis] * size[axis]), most[axis] - 1)
        end = min(round(box[axis + 2] * size[axis]), most[axis])
        spans.append((begin, max(end, begin + 1)))
    (x0, x1), (y0, y1) = spans
    return x0, y0, x1, y1


def _listed(box: tuple[int, int, int, int]) -> str:
    return "[" + ", ".join(map(str, box)) + "]"


def _corners(box: tuple[int, int, int, int]) -> str:
    return f"({box[0]},{box[1]}),({box[2]},{box[3]})"


def _place_in_pixels(command: str, box: Fractions, size: tuple[int, int]) -> str:
    return f"<{command}> {_listed(_pixels(box, size))}"


def _place_in_square(command: str, box: Fractions, _size: tuple[int, int]) -> str:
    return f"<{command}> [" + ", ".join(f"{side:.3f}" for side in box) + "]"


def _qwen_place(command: str, box: Fractions, _size: tuple[int, int]) -> str:
    return f"<ref>{command}</ref><box>{_corners(_thousandths(box, _GRID - 1))}</box>"


def _qwen2_place(command: str, box: Fractions, _size: tuple[int, int]) -> str:
    corners = _corners(_thousandths(box, _GRID - 1))
    return f"<|object_ref_start|>{command}<|object_ref_end|><|box_start|>{corners}<|box_end|>"


def _qwen25_place(command: str, box: Fractions, size: tuple[int, int]) -> str:
    return f'{{"bbox_2d": {_listed(_pixels(box, size))}, "label": "{command}"}}'


def _qwen3_place(command: str, box: Fractions, _size: tuple[int, int]) -> str:
    return f'{{"bbox_2d": {_listed(_thousandths(box, _GRID))}, "label": "{command}"}}'


def _openai(_id: str, turns: list[DialectTurn]) -> Example:
    messages: list[Example] = []
    for turn in turns:
        if turn.role == "assistant":
            messages.append({"role": "assistant", "content": turn.text})
            continue
        shown = [{"type": "image_url", "image_url": {"url": url}} for url in turn.pictures]
        content: list[Example] = [*shown, {"type": "text", "text": turn.text}]
        messages.append({"role": "user", "content": content})
    return {"messages": messages}


def _tagged(id_: str, turns: list[DialectTurn]) -> Example:
    """As LLaVA's and Qwen's own trainers take it: a tag a picture, human and gpt."""
    paths = [path for turn in turns for path in turn.pictures]
    said = [
        {
            "from": "human" if turn.role == "user" else "gpt",
            "value": "<image>\n" * len(turn.pictures) + turn.text,
        }
        for turn in turns
    ]
    return {"id": id_, "image": paths[0] if len(paths) == 1 else paths, "conversations": said}


def _numbered(id_: str, turns: list[DialectTurn]) -> Example:
    """As Qwen-VL's trainer takes it: pictures by number and path in the text."""
    said: list[Example] = []
    number = 0
    for turn in turns:
        shown = ""
        for path in turn.pictures:
            number += 1
            shown += f"Picture {number}: <img>{path}</img>\n"
        said.append({"from": turn.role, "value": shown + turn.text})
    return {"id": id_, "conversations": said}


def _conversational(_id: str, turns: list[DialectTurn]) -> Example:
    """As TRL takes it: pictures apart, and where they stand among the texts."""
    messages: list[Example] = []
    for turn in turns:
        content: list[Example] = [{"type": "image", "text": None} for _ in turn.pictures]
        content.append({"type": "text", "text": turn.text})
        messages.append({"role": turn.role, "content": content})
    return {"images": [path for turn in turns for path in turn.pictures], "messages": messages}


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(
        "pixels of the thumbnail: [x0, y0, x1, y1]",
        _place_in_pixels, _openai, "lines",
        hint="Boxes are [x0, y0, x1, y1] in pixels of the thumbnail, which is {width} x {height}.",
    ),
    "llava": Dialect(
        "fractions of the square that the thumbnail is padded to: [x0, y0, x1, y1], 0 to 1",
        _place_in_square, _tagged,
        hint="Boxes are [x0, y0, x1, y1] as fractions of the picture.",
        fitted=_squared, takes_one_picture=True,
    ),
    "qwen-vl": Dialect(
        "thousandths of the thumbnail: <box>(x0,y0),(x1,y1)</box>, 0 to 999",
        _qwen_place, _numbered,
    ),
    "qwen2-vl": Dialect(
        "thousandths of the thumbnail: <|box_start|>(x0,y0),(x1,y1)<|box_end|>, 0 to 999",
        _qwen2_place, _tagged,
    ),
    "qwen2.5-vl": Dialect(
        'pixels of the thumbnail after smart_resize: {"bbox_2d": [x0, y0, x1, y1]}',
        _qwen25_place, _tagged, fitted=_smart_resized,
    ),
    "qwen3-vl": Dialect(
        'thousandths of the thumbnail: {"bbox_2d": [x0, y0, x1, y1]}, 0 to 1000',
        _qwen3_place, _tagged,
    ),
    "trl": Dialect(
        'thousandths of the thumbnail: {"bbox_2d": [x0, y0, x1, y1]}, 0 to 1000',
        _qwen3_place, _conversational, "parquet",
        hint="Boxes are [x0, y0, x1, y1] in thousandths of the thumbnail.",
    ),
}  # fmt: skip
