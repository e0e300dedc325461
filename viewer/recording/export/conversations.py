"""Readings as conversations: in the reference's folders, and as lines for fine-tuning."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.recording.export.records import RATIONALE_COLUMNS, Record, action_records
from viewer.recording.export.turns import LOOK, Turn, conversations, picture_of

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.export.options import ExportOptions
    from viewer.recording.export.pictures import ActionPictures
    from viewer.recording.export.reading import Reading

Message = dict[str, Any]

PROVENANCE_FILE = "provenance.jsonl"


def write_case(reading: Reading, pictures: ActionPictures, folder: Path) -> None:
    """Write one case in the layout of the Pathology-CoT dataset: true boxes, relative paths.

    What neither the reader wrote nor a reviewer accepted is not there: a turn that would hold a
    rationale is left out, never filled in. Where a rationale is from stands in boxes.json.
    """
    numbers = range(1, len(reading.actions) + 1)
    (folder / "thumbnail.jpeg").write_bytes(pictures.thumbnail())
    (folder / "thumbnail_with_boxes.jpeg").write_bytes(pictures.thumbnail_with(numbers))
    for number, action in zip(numbers, reading.actions, strict=True):
        (folder / f"thumbnail_with_box_{number}.jpeg").write_bytes(
            pictures.thumbnail_with([number])
        )
        (folder / f"box_{number}.jpeg").write_bytes(pictures.crop(action))
        (folder / f"cyto_box_{number}.jpeg").write_bytes(pictures.detail(action))
    records = action_records(reading)
    _write_json(folder / "boxes.json", records)
    _write_json(folder / "conversation.json", _case_turns(reading, records))


def _case_turns(reading: Reading, records: list[Record]) -> list[Message]:
    turns = [
        _turn("user", _text(LOOK), _image("thumbnail.jpeg")),
        _turn(
            "assistant",
            _text("\n".join(f"Box {record['number']}: {_place(record)}" for record in records)),
            _image("thumbnail_with_boxes.jpeg"),
        ),
    ]
    for index, record in enumerate(records):
        number = record["number"]
        turns.append(
            _turn(
                "system",
                _text(f"Box {number}: {_place(record)}"),
                _image(f"box_{number}.jpeg"),
                _image(f"cyto_box_{number}.jpeg"),
            )
        )
        if words := reading.words_of(index):
            turns.append(_turn("assistant", _text(words)))
    if reading.conclusion:
        turns.append(_turn("assistant", _text(reading.conclusion)))
    return turns


def write_chat(
    reading: Reading, pictures: ActionPictures, folder: Path, options: ExportOptions
) -> None:
    """conversations.jsonl: a line a conversation in the shape that fine-tuning jobs take.

    The user shows pictures, the assistant says where the reader looked next. A session with more
    pictures than an example may hold goes on in another line that tells where they had looked.
    Where rationales are from stands in provenance.jsonl: fine-tuning jobs take no other keys in
    the conversations.
    """
    records = action_records(reading)
    shower = _Shower(folder, reading.id, as_files=options.images == "file")
    shown: dict[str, Message] = {}
    lines: list[bytes] = []
    for turns in conversations(reading, options.images_per_example):
        for name in (name for turn in turns for name in turn.pictures if name not in shown):
            shown[name] = shower.shown(name, picture_of(name, reading, pictures))
        messages = [_chat_message(turn, shown, records) for turn in turns]
        lines.append(msgspec.json.encode({"messages": messages}))
    (folder / "conversations.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    write_provenance(records, folder)


def _chat_message(turn: Turn, shown: dict[str, Message], records: list[Record]) -> Message:
    places = "; ".join(_place(records[index]) for index in turn.places)
    text = turn.text.replace("{places}", places) if turn.places else turn.text
    if turn.role == "assistant":
        return {"role": "assistant", "content": text}
    return _turn("user", *(shown[name] for name in turn.pictures), _text(text))


def write_provenance(records: list[Record], folder: Path) -> None:
    """Write a line a rationale; the file is there without any, so that parts join alike."""
    names = ("session", "number", *RATIONALE_COLUMNS)
    entries = [{name: record[name] for name in names} for record in records if record["rationale"]]
    lines = b"".join(msgspec.json.encode(line) + b"\n" for line in entries)
    (folder / PROVENANCE_FILE).write_bytes(lines)


class _Shower:
    """Puts pictures into messages, as files beside them or as data URLs."""

    def __init__(self, folder: Path, session: str, *, as_files: bool) -> None:
        self._folder = folder
        self._session = session
        self._as_files = as_files

    def shown(self, name: str, jpeg: bytes) -> Message:
        if self._as_files:
            url = f"images/{self._session}-{name}.jpg"
            path = self._folder / url
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(jpeg)
        else:
            url = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        return {"type": "image_url", "image_url": {"url": url}}


def _place(record: Record) -> str:
    """`<10x-inspect> [120, 340, 980, 1200]`: command and box in level-0 pixels."""
    box = ", ".join(f"{record[name]:.0f}" for name in ("x0_px", "y0_px", "x1_px", "y1_px"))
    return f"{record['command']} [{box}]"


def _turn(role: str, *content: Message) -> Message:
    return {"role": role, "content": list(content)}


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _image(path: str) -> Message:
    return {"type": "image", "image": path}


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
