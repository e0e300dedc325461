"""JSON nested without end, or of bytes that are no text, is damaged like other damage."""

from __future__ import annotations

import ast
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from measured_runs import REPOSITORY

from viewer.agents.chat.calls_in_text import calls_of
from viewer.agents.chat.conversation import Reply
from viewer.agents.report_template import load_template
from viewer.annotations.palette import read_palette
from viewer.errors import CoverslipError
from viewer.inference.models.bundle import load_bundle
from viewer.processes.channel import Channel, ChannelError
from viewer.recording.session import read_header
from viewer.settings import Settings, read_settings
from viewer.studies.blinding import read_stages
from viewer.studies.forms import read_forms
from viewer.studies.project import Project
from viewer.studies.project_file import create_project, read_project

DEEP = '{"a":' * 100_000
NO_TEXT = b'{"name": "\xff\xfe", "format": "\xc0"}'
"""JSON is UTF-8, which such bytes are not."""
NUCLEI = REPOSITORY / "resources" / "models" / "nuclei"
SOURCES = sorted((REPOSITORY / "viewer").rglob("*.py"))


def decoding_handlers(tree: ast.AST) -> Iterator[set[str]]:
    """Yield the names of the errors that a handler of msgspec's errors takes together."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            taken = [
                {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
                 for each in ast.walk(handler.type)}
                for handler in node.handlers if handler.type is not None
            ]  # fmt: skip
            if any(names & {"MsgspecError", "DecodeError", "DECODE_ERRORS"} for names in taken):
                yield set().union(*taken)


def test_whoever_takes_damaged_json_takes_deep_json_and_no_text_too() -> None:
    """Msgspec raises RecursionError and UnicodeDecodeError for them, which are none of its own."""
    handlers = 0
    for path in SOURCES:
        text = path.read_text()
        if not any(name in text for name in ("MsgspecError", "DecodeError", "DECODE_ERRORS")):
            continue
        for names in decoding_handlers(ast.parse(text)):
            handlers += 1
            for all_of_it in ({"RecursionError"}, {"UnicodeError", "ValueError"}):
                is_taken = names & (all_of_it | {"DECODE_ERRORS", "Exception"})
                assert is_taken, f"{path.relative_to(REPOSITORY)} takes {sorted(names)}"
    assert handlers > 60


def damaged_model(folder: Path, content: bytes) -> Path:
    shutil.copytree(NUCLEI, folder / "model")
    (folder / "model" / "model.json").write_bytes(content)
    return folder / "model"


def damaged_project(folder: Path, content: bytes) -> Path:
    create_project(folder / "study", Project())
    for each in (folder / "study").glob("*.json"):
        each.write_bytes(content)
    return folder / "study"


def damaged_session(folder: Path, content: bytes) -> Path:
    (folder / "session.json").write_bytes(content)
    return folder


def damaged_file(folder: Path, content: bytes) -> Path:
    (folder / "a.json").write_bytes(content)
    return folder / "a.json"


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (damaged_model, load_bundle),
        (damaged_project, read_project),
        (damaged_session, read_header),
        (damaged_file, read_palette),
        (damaged_file, read_forms),
        (damaged_file, read_stages),
        (damaged_file, load_template),
    ],
)
@pytest.mark.parametrize("content", [DEEP.encode(), NO_TEXT], ids=["deep", "no text"])
def test_deep_files_and_no_texts_are_damaged_files(
    make: Callable[[Path, bytes], Path], read: Callable[[Path], object], content: bytes,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(CoverslipError) as told:
        read(make(tmp_path, content))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [DEEP.encode(), NO_TEXT], ids=["deep", "no text"])
def test_damaged_settings_give_the_defaults_and_are_set_aside(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    settings, warnings = read_settings(tmp_path)
    assert settings == Settings()
    assert "damaged" in warnings[0]
    assert (tmp_path / "settings.bad.json").read_bytes() == content


@pytest.mark.parametrize(
    "text",
    [
        f"<function=look><parameter=x>{DEEP}</parameter></function>",
        DEEP,
        f"```json\n{DEEP}\n```",
        f"<tool_call>{DEEP}</tool_call>",
    ],
    ids=["parameter", "bare", "fenced", "call"],
)
def test_deep_answers_of_a_model_are_text(text: str) -> None:
    calls = calls_of(Reply(text))
    assert [call.name for call in calls] in ([], ["look"])


class _Word(msgspec.Struct, tag=True):
    text: str = ""


@pytest.mark.parametrize(
    "body", [b"\xa4more" + b"\x91" * 100_000 + b"\x00", b"\xa4text\xa2\xff\xfe"],
    ids=["deep", "no text"],
)  # fmt: skip
def test_a_message_of_another_process_that_is_none_is_no_message(body: bytes) -> None:
    mine, other = socket.socketpair()
    with mine, other:
        channel = Channel(mine, msgspec.msgpack.Decoder(_Word))
        body = b"\x82\xa4type\xa5_Word" + body
        other.sendall(struct.pack("<Q", len(body)) + body)
        with pytest.raises(ChannelError, match="could not be understood"):
            channel.receive()
