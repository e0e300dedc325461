"""What the window and the reader of a slide say to each other."""

from __future__ import annotations

import msgspec

from viewer.geometry import Optics  # noqa: TC001 - read by msgspec
from viewer.processes.shared_pixels import Tile
from viewer.slides.channels import Axes  # noqa: TC001 - read by msgspec
from viewer.slides.readers.jpeg_tiles import (  # noqa: TC001 - read by msgspec
    DirectTiles,
    TilePlaces,
)
from viewer.slides.source import ImageEntry, Level  # noqa: TC001 - read by msgspec

SLOTS_PER_LANE = 2
"""The child writes the next tile to one while that in the other is copied."""


def slots_of(lane: int) -> range:
    """Return the slots to which a thread of the child writes by turns, answer by answer."""
    return range(SLOTS_PER_LANE * lane, SLOTS_PER_LANE * (lane + 1))


class OpenSlide(msgspec.Struct, frozen=True, tag=True):
    """Asks to open a slide; the first message, sent once.

    `files` are all that may be read from then on: files, and folders with what they hold. Of a
    slide on a server `size_bytes` is the size, and its bytes are asked for: 0
    of a folder of objects; otherwise it is -1.
    `plugins` are the names of readers of other packages. `opened_ns` is when the slide was opened
    first, as another process may have read it before.
    """

    path: str
    image: int | None
    files: list[str]
    size_bytes: int = -1
    plugins: list[str] = []
    opened_ns: int = 0


class ReadTile(msgspec.Struct, frozen=True, tag=True):
    """Asks for a tile of a stored level; `for_screen` as a screen holds it, if that is at hand."""

    level: int
    column: int
    row: int
    for_screen: bool = False


class ReadChannels(msgspec.Struct, frozen=True, tag=True):
    """Asks for stored values of a tile, which come as (channels * height, width, 1)."""

    level: int
    column: int
    row: int
    channels: tuple[int, ...]
    z: int
    t: int


class ReadPicture(msgspec.Struct, frozen=True, tag=True):
    """Asks for one of the associated images."""

    name: str


class Opened(msgspec.Struct, frozen=True, tag=True):
    """What is known of the slide; the names are those of `SlideInfo`.

    `direct` has an entry a level, None where the tiles are to be asked for. `places` has one for
    slides on servers, a grid or several that make it up, so that what will be asked for can be
    fetched beforehand.
    """

    vendor: str
    reader: str
    optics: Optics
    associated: tuple[str, ...]
    icc_profile: bytes | None
    profiles_beside: dict[str, bytes]
    properties: dict[str, str]
    notes: tuple[str, ...]
    images: tuple[ImageEntry, ...]
    image: int
    part: str
    display_range: tuple[float, float] | None
    axes: Axes
    levels: tuple[Level, ...]
    direct: tuple[DirectTiles | None, ...]
    places: tuple[list[TilePlaces], ...] = ()


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The slide cannot be opened, or a picture not read.

    `kind` is the name of a class of `viewer.slides.errors`.
    """

    kind: str
    sentence: str


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """A tile that cannot be read."""

    reason: str


class AtWork(msgspec.Struct, frozen=True, tag=True):
    """A sign that what was asked for makes progress; the answer is still to come."""


Request = ReadTile | ReadChannels | ReadPicture
OpenAnswer = Opened | Refused
Answer = Tile | Refused | Unreadable
