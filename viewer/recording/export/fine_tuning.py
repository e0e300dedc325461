"""Readings as fine-tuning sets, in train and validation by slide."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from viewer.files.atomic_write import atomic_write, atomic_write_bytes
from viewer.processes.helper import helper
from viewer.recording.export.conversations import write_provenance
from viewer.recording.export.dialects import DIALECTS, Dialect, DialectTurn, Fractions, fitted_jpeg
from viewer.recording.export.records import Record, action_records
from viewer.recording.export.turns import (
    THUMBNAIL,
    Turn,
    conversations,
    picture_of,
    single_picture_conversations,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.recording.export.options import ExportOptions
    from viewer.recording.export.pictures import ActionPictures
    from viewer.recording.export.reading import Reading

SPLITS = ("train", "validation")
SPLITS_FILE = "splits.json"
_EXAMPLES, _SLIDE = "examples.jsonl", "slide.txt"
_PLACES_PER_EXAMPLE = 20
"""Of conversations with one picture: longer sessions go on in another."""


_MARKS = re.compile(r"<\|[^<>|]*\|>|</?(?:image|img|box|ref|quad|video)>")
"""What trainers take for pictures, boxes or ends of turns: in what somebody wrote it is words."""


class JoinExamples(msgspec.Struct, frozen=True):
    """Asks the helper process for one Parquet file of the examples of some sessions."""

    parts: list[str]
    out: str


class _Split(msgspec.Struct):
    """One side of splits.json."""

    slides: list[str]
    sessions: list[str]
    examples: int = 0


def write_examples(
    reading: Reading, pictures: ActionPictures, folder: Path, options: ExportOptions
) -> None:
    """Write the examples of one session, an example a line, and their pictures."""
    dialect = DIALECTS[options.format]
    records = action_records(reading)
    shown = _Shown(reading, pictures, folder, dialect, options)
    if dialect.takes_one_picture:
        found = single_picture_conversations(reading, _PLACES_PER_EXAMPLE)
    else:
        found = conversations(reading, options.images_per_example)
    lines: list[bytes] = []
    for number, turns in enumerate(found, 1):
        said = [_said(turn, shown, dialect, records) for turn in turns]
        lines.append(msgspec.json.encode(dialect.example(f"{reading.id}-{number}", said)))
    (folder / _EXAMPLES).write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / _SLIDE).write_text(reading.header.slide.identity)
    write_provenance(records, folder)


def join_examples(parts: Sequence[Path], out: Path, options: ExportOptions) -> None:
    """Write train and validation: all sessions of a slide are on one side.

    Raises
    ------
    OSError
        They cannot be written.
    HelperFailedError, HelperEndedError
        The helper process failed.
    """
    dialect = DIALECTS[options.format]
    slides = {part: (part / _SLIDE).read_text() for part in parts}
    held_back = validation_slides(set(slides.values()), options.validation, options.seed)
    about: dict[str, _Split] = {}
    for name in SPLITS:
        is_validation = name == "validation"
        own = [part for part in parts if (slides[part] in held_back) == is_validation]
        lines = [line for part in own for line in (part / _EXAMPLES).read_bytes().splitlines()]
        about[name] = _Split(
            sorted({slides[part] for part in own}), [part.name for part in own], len(lines)
        )
        if dialect.layout == "parquet":
            target = str((out / f"{name}.parquet").absolute())
            request = JoinExamples([str(part.absolute()) for part in own], target)
            helper().run("viewer.recording.export.example_files:join", request)
        elif dialect.layout == "lines":
            atomic_write_bytes(out / f"{name}.jsonl", b"".join(line + b"\n" for line in lines))
        else:
            with atomic_write(out / f"{name}.json") as file:
                file.write(b"[" + b",\n".join(lines) + b"]\n")
    content = msgspec.json.encode({"format": options.format, "boxes": dialect.boxes} | about)
    atomic_write_bytes(out / SPLITS_FILE, msgspec.json.format(content, indent=2) + b"\n")


def validation_slides(slides: set[str], share: float, seed: int) -> set[str]:
    """Return the slides that are held back: a share of them, one at least where there are two."""
    if share <= 0 or len(slides) < 2:
        return set()
    ordered = sorted(slides, key=lambda slide: _drawn(slide, seed))
    return set(ordered[: min(max(1, round(share * len(slides))), len(slides) - 1)])


# ---------------------------------------------------------------------------------------------


def _drawn(slide: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{slide}".encode(), digest_size=8).digest()


def _said(turn: Turn, shown: _Shown, dialect: Dialect, records: list[Record]) -> DialectTurn:
    text = _MARKS.sub(lambda mark: mark[0].strip("<>|/"), turn.text)
    if turn.places:
        places = [
            dialect.place(
                str(records[index]["command"]).strip("<>"), shown.box(records[index]), shown.size
            )
            for index in turn.places
        ]
        text = text.replace("{places}", "; ".join(places))
    if THUMBNAIL in turn.pictures and dialect.hint:
        width, height = shown.size
        text = f"{text} {dialect.hint.format(width=width, height=height)}"
    return DialectTurn(turn.role, text, tuple(shown.url(name) for name in turn.pictures))


class _Shown:
    """The pictures of one reading as a dialect shows them, each made once."""

    def __init__(
        self,
        reading: Reading,
        pictures: ActionPictures,
        folder: Path,
        dialect: Dialect,
        options: ExportOptions,
    ) -> None:
        self._reading, self._pictures, self._folder = reading, pictures, folder
        self._are_inside = dialect.layout == "lines" and options.images == "data-url"
        self._urls: dict[str, str] = {}
        thumbnail, self.size = fitted_jpeg(pictures.thumbnail(), dialect, options.jpeg_quality)
        self._is_squared = dialect.takes_one_picture
        self._urls[THUMBNAIL] = self._put(THUMBNAIL, thumbnail)

    def url(self, name: str) -> str:
        """Return where a picture lies, or the picture itself as a data URL."""
        if name not in self._urls:
            self._urls[name] = self._put(name, picture_of(name, self._reading, self._pictures))
        return self._urls[name]

    def box(self, record: Record) -> Fractions:
        """Return an action's box as shares of the thumbnail that is shown, within it."""
        names = ("x0_fraction", "y0_fraction", "x1_fraction", "y1_fraction")
        x0, y0, x1, y1 = (min(max(float(record[name] or 0.0), 0.0), 1.0) for name in names)
        if self._is_squared:
            slide = self._reading.header.slide.size
            side = max(slide)
            across, down = slide.width / side, slide.height / side
            left, top = (1 - across) / 2, (1 - down) / 2
            return left + x0 * across, top + y0 * down, left + x1 * across, top + y1 * down
        return x0, y0, x1, y1

    def _put(self, name: str, jpeg: bytes) -> str:
        if self._are_inside:
            return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        url = f"images/{self._reading.id}-{name}.jpg"
        path = self._folder / url
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg)
        return url
