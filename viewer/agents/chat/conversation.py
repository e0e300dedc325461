"""A conversation with a model, as plain data, and how it is written on the wire."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.source import RgbImage

LEFT_OUT = "(This picture is no longer sent, to keep within the number of pictures.)"


class Picture(msgspec.Struct, frozen=True):
    """A picture that may be sent.

    Attributes
    ----------
    rgb
        uint8 (height, width, 3).
    is_kept
        Whether it stays in the conversation when there are too many, such as the thumbnail.
    """

    rgb: RgbImage
    caption: str = ""
    is_kept: bool = False


class ToolCall(msgspec.Struct, frozen=True):
    """A tool that the model calls; `arguments` is the JSON text that it wrote, unchecked."""

    id: str
    name: str
    arguments: str


class Turn(msgspec.Struct, frozen=True):
    """What one side said.

    Attributes
    ----------
    calls
        Of the assistant.
    call_id
        Of a tool's result: the call that it answers.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


class Tool(msgspec.Struct, frozen=True):
    """What a model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, object]


class Reply(msgspec.Struct, frozen=True):
    """What a model answered.

    Attributes
    ----------
    tokens_in, tokens_out
        As the server counted them; 0 where it does not tell.
    cost
        By the prices of the endpoint.
    was_cut
        Whether the answer ended at the most tokens.
    thoughts
        What the model thought aloud; kept with the exchange, and no part of the answer.
    left_out
        What was wanted of the server and goes without, as it does not know it, such as "tools".
    is_estimated
        Whether tokens and cost are estimates, since the server told none.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    elapsed_s: float = 0.0
    was_cut: bool = False
    thoughts: str = ""
    left_out: tuple[str, ...] = ()
    is_estimated: bool = False

    @property
    def turn(self) -> Turn:
        """Return the turn that is repeated in the next request."""
        return Turn("assistant", self.text, calls=self.calls)


class Encoded(msgspec.Struct, frozen=True):
    """A picture as it is sent: JPEG, its SHA-256 by which it is kept, and its size in pixels."""

    jpeg: bytes
    sha256: str
    size_px: tuple[int, int]


class PictureEncoder(msgspec.Struct):
    """Makes pictures as small as the model takes them; each only once in a conversation."""

    side_px: int
    quality: int
    _made: dict[int, tuple[Picture, Encoded]] = msgspec.field(default_factory=dict)

    def encoded(self, picture: Picture) -> Encoded:
        known = self._made.get(id(picture))
        if known is None:
            known = (picture, jpeg_of(picture.rgb, self.side_px, self.quality))
            self._made[id(picture)] = known
        return known[1]

    def forget_but(self, turns: Sequence[Turn]) -> None:
        """Keep only what is still in a conversation."""
        wanted = {id(picture) for turn in turns for picture in turn.pictures}
        self._made = {key: value for key, value in self._made.items() if key in wanted}


def jpeg_of(rgb: RgbImage, side_px: int, quality: int) -> Encoded:
    """Return the picture as JPEG, its longest side at most `side_px`."""
    image = Image.fromarray(rgb)
    if max(image.size) > side_px:
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    data = file.getvalue()
    return Encoded(data, hashlib.sha256(data).hexdigest(), image.size)


def within_pictures(turns: Sequence[Turn], most: int) -> list[Turn]:
    """Return the turns with at most so many pictures: those that are kept, then the newest."""
    pictures = [picture for turn in turns for picture in turn.pictures]
    kept = [picture for picture in pictures if picture.is_kept][:most]
    rest = [picture for picture in pictures if not picture.is_kept]
    newest = rest[len(rest) - min(len(rest), most - len(kept)) :]
    allowed = {id(picture) for picture in (*kept, *newest)}
    fitting: list[Turn] = []
    for turn in turns:
        shown = tuple(picture for picture in turn.pictures if id(picture) in allowed)
        text = turn.text if len(shown) == len(turn.pictures) else f"{turn.text}\n{LEFT_OUT}"
        fitting.append(replace(turn, pictures=shown, text=text))
    return fitting


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns with those of the user that follow each other as one: many models insist."""
    found: list[Turn] = []
    for turn in turns:
        last = found[-1] if found else None
        if last is not None and last.role == turn.role == "user":
            text = "\n".join(filter(None, (last.text, turn.text)))
            found[-1] = replace(last, text=text, pictures=(*last.pictures, *turn.pictures))
        else:
            found.append(turn)
    return found


def on_wire(turn: Turn, encoder: PictureEncoder) -> dict[str, object]:
    """Return a turn as a message of the chat completions protocol."""
    message: dict[str, object] = {"role": turn.role, "content": turn.text}
    if turn.pictures:
        parts: list[dict[str, object]] = [{"type": "text", "text": turn.text}] if turn.text else []
        for picture in turn.pictures:
            if picture.caption:
                parts.append({"type": "text", "text": picture.caption})
            data = base64.b64encode(encoder.encoded(picture).jpeg).decode()
            url = {"url": f"data:image/jpeg;base64,{data}"}
            parts.append({"type": "image_url", "image_url": url})
        message["content"] = parts
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.calls
        ]
    if turn.role == "tool":
        message["tool_call_id"] = turn.call_id
    return message


def tool_on_wire(tool: Tool) -> dict[str, object]:
    """Return a tool as the chat completions protocol has it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }


def estimated_tokens(turns: Sequence[Turn], tools: Sequence[Tool], encoder: PictureEncoder) -> int:
    """Return about how many tokens a request has, rather too many than too few.

    For servers that do not count: a token for three bytes of text, and one for 750 pixels of a
    picture, at least as many as the known models take.
    """
    texts = [turn.text for turn in turns]
    texts += [call.arguments for turn in turns for call in turn.calls]
    texts += [msgspec.json.encode(tool_on_wire(tool)).decode() for tool in tools]
    pictures = [picture for turn in turns for picture in turn.pictures]
    texts += [picture.caption for picture in pictures]
    sizes = [encoder.encoded(picture).size_px for picture in pictures]
    return text_tokens("".join(texts)) + sum(-(-width * height // 750) for width, height in sizes)


def text_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text.encode()) // 3)


def data_field(kind: str, value: object) -> str:
    """Text that is data and no instruction, in a field that it cannot close itself.

    The value is written as JSON without angle brackets, so that nothing in it can look like the
    field's end.
    """
    payload = msgspec.json.encode(value).decode().replace("<", "\\u003c").replace(">", "\\u003e")
    return f'<data kind="{kind}">{payload}</data>'
