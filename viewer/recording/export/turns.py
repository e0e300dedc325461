"""Readings as turns of a conversation, before a format gives them its words for pictures and boxes.

The user shows pictures, the assistant says where the reader looked next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from viewer.recording.export.pictures import ActionPictures
    from viewer.recording.export.reading import Reading

THUMBNAIL = "thumbnail"
LOOK = "This is the thumbnail of a whole slide. Where would you look, and at which magnification?"
_NEXT = "This is what is on screen at that place, and its cells at high power. Where next?"
_AGAIN = "This is the thumbnail of a whole slide. You have looked at: {places}. Where next?"
_WHERE_NEXT = "Where next?"
_WHY = "A reader looks at this place of a whole slide. What is seen here, and why look at it?"
_DONE = "<done>"


class Turn(msgspec.Struct, frozen=True):
    """What one side says.

    Attributes
    ----------
    pictures
        Names, such as "thumbnail", "3-crop" and "3-detail"; shown before the text.
    places
        Indices of actions, whose command and box stand where `text` has {places}.
    """

    role: Literal["user", "assistant"]
    text: str
    pictures: tuple[str, ...] = ()
    places: tuple[int, ...] = ()


def conversations(reading: Reading, images_per_example: int) -> list[list[Turn]]:
    """Return a reading with crop and detail of each place, as conversations that are not too long.

    A session with more pictures than one may hold goes on in another that tells where they had
    looked.
    """
    per_line = max(1, (images_per_example - 1) // 2)
    count = len(reading.actions)
    found: list[list[Turn]] = []
    for begin in range(0, max(count, 1), per_line):
        turns = [_opening(begin)]
        stop = min(begin + per_line, count)
        for index in range(begin, stop):
            turns.append(_place(index))
            shown = (f"{index + 1}-crop", f"{index + 1}-detail")
            turns.append(Turn("user", _NEXT, shown))
            if words := reading.words_of(index):
                turns.append(Turn("assistant", words))
                turns.append(Turn("user", _WHERE_NEXT))
        turns.append(_end(reading) if stop == count else _place(stop))
        found.append(turns)
    return found


def single_picture_conversations(reading: Reading, places_per_example: int) -> list[list[Turn]]:
    """Return a reading for models that take one picture: its path, then why at each place."""
    count = len(reading.actions)
    found: list[list[Turn]] = []
    for begin in range(0, max(count, 1), places_per_example):
        stop = min(begin + places_per_example, count)
        turns = [_opening(begin)]
        for index in range(begin, stop):
            turns += [_place(index), Turn("user", _WHERE_NEXT)]
        turns.append(_end(reading) if stop == count else _place(stop))
        found.append(turns)
    for index in range(count):
        if words := reading.words_of(index):
            shown = Turn("user", _WHY, (f"{index + 1}-crop",))
            found.append([shown, Turn("assistant", words)])
    return found


def picture_of(name: str, reading: Reading, pictures: ActionPictures) -> bytes:
    """Return the JPEG that a name of `Turn.pictures` stands for."""
    if name == THUMBNAIL:
        return pictures.thumbnail()
    number, _, kind = name.partition("-")
    action = reading.actions[int(number) - 1]
    return pictures.crop(action) if kind == "crop" else pictures.detail(action)


def _opening(seen: int) -> Turn:
    return Turn("user", _AGAIN if seen else LOOK, (THUMBNAIL,), tuple(range(seen)))


def _place(index: int) -> Turn:
    return Turn("assistant", "{places}", places=(index,))


def _end(reading: Reading) -> Turn:
    return Turn("assistant", reading.conclusion or _DONE)
