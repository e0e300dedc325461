"""What a policy in its process and the program say to each other; plain data, checked by type."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from viewer.agents.findings import Claim, Corners, Visit  # noqa: TC001 - msgspec reads them

Text = Annotated[str, Meta(max_length=20_000)]
Label = Annotated[str, Meta(min_length=1, max_length=120)]
Json = Annotated[bytes, Meta(max_length=1 << 20)]
MOST_FRAME_BYTES = 64 << 20
MOST_SIDE_PX = 2048


# From the policy ------------------------------------------------------------------------------


class WantGoTo(msgspec.Struct, frozen=True, tag="go-to"):
    """As `actions.GoTo`."""

    box: Corners
    magnification: float | None = None
    why: Text = ""


class WantTool(msgspec.Struct, frozen=True, tag="tool"):
    """As `actions.CallTool`; `arguments` is JSON."""

    tool: Label
    arguments: Json


class WantAnnotation(msgspec.Struct, frozen=True, tag="annotate"):
    """As `actions.Annotate`."""

    label: Label
    text: Text
    box: Corners | None = None
    figures: Annotated[dict[Label, float], Meta(max_length=100)] = {}


class WantNote(msgspec.Struct, frozen=True, tag="note"):
    """As `actions.Note`."""

    text: Text


class WantBookmark(msgspec.Struct, frozen=True, tag="bookmark"):
    """As `actions.Bookmark`."""

    label: Label
    box: Corners | None = None


class WantAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """As `actions.Answer`."""

    text: Text
    claims: Annotated[tuple[Claim, ...], Meta(max_length=100)] = ()
    choice: int | None = None


class WantPicture(msgspec.Struct, frozen=True, tag="picture"):
    """A box of the slide as pixels."""

    box: Corners
    side_px: Annotated[int, Meta(ge=1, le=MOST_SIDE_PX)]


class SentPicture(msgspec.Struct, frozen=True):
    """Pixels, uint8 (height, width, 3)."""

    width_px: Annotated[int, Meta(ge=1, le=MOST_SIDE_PX)]
    height_px: Annotated[int, Meta(ge=1, le=MOST_SIDE_PX)]
    rgb: bytes
    caption: Text = ""


class SentTurn(msgspec.Struct, frozen=True):
    """What one side said, to the model server."""

    role: Literal["system", "user", "assistant"]
    text: Annotated[str, Meta(max_length=200_000)] = ""
    pictures: Annotated[tuple[SentPicture, ...], Meta(max_length=32)] = ()


class WantReply(msgspec.Struct, frozen=True, tag="ask"):
    """An answer of the model server."""

    turns: Annotated[tuple[SentTurn, ...], Meta(min_length=1, max_length=200)]


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """The policy cannot go on; one sentence."""

    sentence: str


Want = (
    WantGoTo
    | WantTool
    | WantAnnotation
    | WantNote
    | WantBookmark
    | WantAnswer
    | WantPicture
    | WantReply
    | Stopped
)


# To the policy --------------------------------------------------------------------------------


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """As `actions.Observation`; `result` is JSON."""

    field: Corners
    magnification: float | None
    steps_left: int
    visits: tuple[Visit, ...]
    result: bytes
    trouble: str
    remarks: tuple[str, ...]
    was_moved: bool


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """What is asked, and of which slide; figures, and no name.

    Attributes
    ----------
    tools
        As they are described to a model, JSON.
    """

    question: str
    options: tuple[str, ...]
    width_px: int
    height_px: int
    mpp_um: float | None
    native_magnification: float | None
    tools: bytes
    first: Seen


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """Pixels that were wanted."""

    width_px: int
    height_px: int
    rgb: bytes


class Replied(msgspec.Struct, frozen=True, tag="replied"):
    """The text of the model server's answer."""

    text: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """What was wanted is not given; one sentence."""

    sentence: str


Given = Begin | Seen | Picture | Replied | Refused
