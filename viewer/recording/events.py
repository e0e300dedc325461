"""What happens while a slide is read, one class a kind; the vocabulary of a session's log.

Positions are level-0 pixels of the slide. An event is written as a JSON array that begins with
its tag, so that an hour of reading stays small; docs/session-format.md tells the columns.
Text that a reader typed, and names, are None unless the reader allowed them to be kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

SCHEMA_VERSION = 2
"""Of session.json and of the events; raised when the meaning of something written changes.

2 has `PlaneChanged`; logs of 1 are read as before.
"""

Cause = Literal[
    "open", "wheel", "drag", "key", "pinch", "double-click", "overview", "go-to", "fit", "home",
    "back", "forward", "magnification", "rotate", "flip", "resize", "optics", "replay", "agent",
    "link", "import", "other",
]  # fmt: skip
"""What moved the view."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Base of all events."""


class SlideOpened(Event, frozen=True, tag="open"):
    """The session's slide is on screen from now on."""

    identity: str
    width_px: int
    height_px: int


class SlideClosed(Event, frozen=True, tag="close"):
    """The session's slide left the screen; the last event of a session that ended well."""


_MOST = 1e18
_Place = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]
_Length = Annotated[float, msgspec.Meta(ge=0.0, le=_MOST)]
_Scale = Annotated[float, msgspec.Meta(ge=1 / _MOST, le=_MOST)]
"""What a log can hold: a line with another number is damaged, as nothing can be computed of it."""


class Viewport(Event, frozen=True, tag="view"):
    """What the screen shows.

    Attributes
    ----------
    x, y, width, height
        The field in level-0 pixels: the window's width and height times the downsample, about the
        view's center. When the slide is turned the field is turned about that center, so the box
        that holds it is larger.
    rotation_deg, mirrored
        As `viewer.geometry.View` has them.
    downsample
        Level-0 pixels per logical screen pixel.
    screen_mpp_um
        Micrometers of tissue per logical screen pixel; None where the slide tells no scale.
    magnification
        None where the slide tells no scale.
    at_rest
        Whether the view stays here; such a view is written exactly, one in motion to 0.1 pixels.
    """

    x: _Place
    y: _Place
    width: _Length
    height: _Length
    rotation_deg: float
    mirrored: bool
    downsample: _Scale
    screen_mpp_um: _Scale | None
    magnification: _Scale | None
    cause: Cause
    at_rest: bool = False


class Pointer(Event, frozen=True, tag="point"):
    """Where the mouse is on the slide, at most 20 times a second."""

    x: _Place
    y: _Place


class Click(Event, frozen=True, tag="click"):
    """A press of a button on the slide."""

    x: _Place
    y: _Place
    button: Literal["left", "right", "middle"] = "left"


class ToolChosen(Event, frozen=True, tag="tool"):
    """Another tool is in hand, e.g. "move", "polygon"."""

    name: str


class OverlayChanged(Event, frozen=True, tag="overlay"):
    """An overlay was shown or hidden, or its opacity (0 to 1) changed; `version` of its model."""

    name: str
    shown: bool
    opacity: float = 1.0
    version: str = ""


class ResultViewed(Event, frozen=True, tag="result"):
    """The reader looked at one result of a model: hovered or traveled to it.

    Attributes
    ----------
    item
        The object or value, by the overlay's own name of it.
    box
        x0, y0, x1, y1 in level-0 pixels.
    """

    overlay: str
    item: str
    box: tuple[float, float, float, float]


class AnnotationChanged(Event, frozen=True, tag="annotation"):
    """A region was made, changed or removed; `kind` is its shape, `box` x0, y0, x1, y1."""

    id: str
    change: Literal["made", "changed", "removed"]
    kind: str
    box: tuple[float, float, float, float]


class Bookmarked(Event, frozen=True, tag="bookmark"):
    """The reader marked the view to come back to."""

    x: float
    y: float
    label: str | None = None


class Counted(Event, frozen=True, tag="count"):
    """A count per area changed, such as that of mitoses; also when it was undone.

    Attributes
    ----------
    number
        Of the class in hand, in all fields of the slide.
    area_mm2
        Of all fields, what overlaps once.
    label
        The class; None where a reader named it who does not let texts be kept.
    """

    number: int
    area_mm2: float
    fields: int
    label: str | None = None


class CellMarked(Event, frozen=True, tag="mark"):
    """A cell was marked to teach a class, or its mark taken away; also when that was undone.

    Attributes
    ----------
    x, y
        Level-0 pixels.
    label
        The class; None where a reader named it who does not let texts be kept.
    """

    x: float
    y: float
    change: Literal["made", "removed"]
    label: str | None = None


class CellsTaught(Event, frozen=True, tag="taught"):
    """What was learned from marks was shown.

    Attributes
    ----------
    marks, classes
        How many marks it was learned from, and of how many classes.
    error
        Share of held-out marks that were called something else; None without an estimate.
    """

    marks: int
    classes: int
    error: float | None = None


class PixelsTaught(Event, frozen=True, tag="pixels"):
    """What was learned from strokes was shown for the view.

    Attributes
    ----------
    strokes, classes
        How many it was learned from, and of how many classes.
    error
        Share of held-out pixels that were called something else; None without an estimate.
    shares
        Of each class in the view, in the order in which they were first painted.
    labels
        The classes; None where a reader named them who does not let texts be kept.
    """

    strokes: int
    classes: int
    error: float | None = None
    shares: list[float] = []
    labels: list[str] | None = None


class OutlinesTaught(Event, frozen=True, tag="outlines"):
    """A nuclei network learned from corrected outlines, and was measured.

    Attributes
    ----------
    outlines, held_back
        How many were corrected, and how many of them measured alone.
    before, after
        Panoptic quality on what was held back.
    f1_before, f1_after
        F1 at an IoU of 0.5 on it; None in sessions of earlier versions.
    kept
        Whether it got better, and so became a model.
    """

    outlines: int
    held_back: int
    before: float
    after: float
    f1_before: float | None = None
    f1_after: float | None = None
    kept: bool = True


class WordsAsked(Event, frozen=True, tag="words"):
    """A model was asked by phrases, and its answer was shown; none where they were taken away.

    Attributes
    ----------
    overlay
        The name of the model, as of `OverlayChanged`.
    count
        How many phrases.
    phrases
        What was typed; None for a reader who does not let texts be kept.
    """

    overlay: str
    count: int
    phrases: list[str] | None = None


class NoteTaken(Event, frozen=True, tag="note"):
    """The reader wrote a note; `length` in characters is kept even where the text is not.

    Attributes
    ----------
    is_allowed
        Whether the reader allowed this text to be kept, whatever was agreed to at the start.
    """

    length: int
    text: str | None = None
    is_allowed: bool = False


class QuestionAsked(Event, frozen=True, tag="question"):
    """A question was put, by the reader or by a form."""

    id: str
    text: str | None = None


class QuestionAnswered(Event, frozen=True, tag="answer"):
    """The answer to a question."""

    id: str
    text: str | None = None


class DiagnosisEntered(Event, frozen=True, tag="diagnosis"):
    """The reader's conclusion."""

    length: int
    text: str | None = None


class ToolCalled(Event, frozen=True, tag="call"):
    """An agent of another program called a tool.

    Attributes
    ----------
    arguments
        As JSON text, cut where it is long.
    """

    tool: str
    arguments: str = ""


class ToolRefused(Event, frozen=True, tag="refusal"):
    """A call of an agent of another program was not carried out; one sentence says why."""

    tool: str
    reason: str


class FocusChanged(Event, frozen=True, tag="focus"):
    """The window, with its panels and dialogs, gained or lost the keyboard."""

    gained: bool


class PlaceChanged(Event, frozen=True, tag="place"):
    """The reader works in another part of the window; the slide stays on screen beside it.

    Logs from before version 0.2 have none; dialogs were logged there as a loss of the keyboard.
    """

    where: Literal["slide", "panel", "dialog"]


class IdleChanged(Event, frozen=True, tag="idle"):
    """No input came to the program for a while (begins) or came again (ends).

    The event that begins is written when the wait is over; `since_s` tells how long before.
    """

    begins: bool
    since_s: float = 0.0


class DisplayChanged(Event, frozen=True, tag="display"):
    """The look of the pixels changed; keys and values as `viewer.tiles.display.Look` names them."""

    look: dict[str, str | float | bool | list[Any]]


class PlaneChanged(Event, frozen=True, tag="plane"):
    """Another focal plane, time point or choice of channels is shown; of slides that have several.

    Attributes
    ----------
    z, t
        Counted from 0.
    is_projection
        Whether the largest value of all focal planes is shown.
    channels
        Names of the channels that are shown; empty for a slide of RGB.
    """

    z: int
    t: int
    is_projection: bool = False
    channels: list[str] = []


class WindowChanged(Event, frozen=True, tag="window"):
    """The canvas has another size, in logical pixels."""

    width_px: float
    height_px: float
    device_pixel_ratio: float


class PauseChanged(Event, frozen=True, tag="pause"):
    """The reader paused the recording (begins) or took it up again (ends)."""

    begins: bool


class EventsLost(Event, frozen=True, tag="lost"):
    """Events that could not be kept, when disk and memory were full."""

    count: int


AnyEvent = (
    SlideOpened
    | SlideClosed
    | Viewport
    | Pointer
    | Click
    | ToolChosen
    | OverlayChanged
    | ResultViewed
    | AnnotationChanged
    | Bookmarked
    | Counted
    | CellMarked
    | CellsTaught
    | PixelsTaught
    | OutlinesTaught
    | WordsAsked
    | NoteTaken
    | QuestionAsked
    | QuestionAnswered
    | DiagnosisEntered
    | ToolCalled
    | ToolRefused
    | FocusChanged
    | PlaceChanged
    | IdleChanged
    | DisplayChanged
    | PlaneChanged
    | WindowChanged
    | PauseChanged
    | EventsLost
)
