"""JSON nested without end, wherever it comes from, is damaged like other damage: one sentence."""

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

from viewer.agents.calls_in_text import calls_of
from viewer.agents.conversation import Reply
from viewer.annotations.palette import read_palette
from viewer.errors import CoverslipError
from viewer.inference.models.bundle import load_bundle
from viewer.processes.channel import Channel, ChannelError
from viewer.recording.session import read_header
from viewer.settings import Settings, read_settings
from viewer.studies.project import Project
from viewer.studies.project_file import create_project, read_project

DEEP = '{"a":' * 100_000
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
            if any(names & {"MsgspecError", "DecodeError"} for names in taken):
                yield set().union(*taken)


def test_whoever_takes_damaged_json_takes_deep_json_too() -> None:
    """Msgspec raises RecursionError for it, which is none of its own errors."""
    handlers = 0
    for path in SOURCES:
        text = path.read_text()
        if "MsgspecError" not in text and "DecodeError" not in text:
            continue
        for names in decoding_handlers(ast.parse(text)):
            handlers += 1
            is_ours = names & {"RecursionError", "Exception", "JSONDecodeError"}
            assert is_ours, f"{path.relative_to(REPOSITORY)} takes {sorted(names)}"
    assert handlers > 60


def deep_model(folder: Path) -> Path:
    shutil.copytree(NUCLEI, folder / "model")
    (folder / "model" / "model.json").write_text(DEEP)
    return folder / "model"


def deep_project(folder: Path) -> Path:
    create_project(folder / "study", Project())
    for each in (folder / "study").glob("*.json"):
        each.write_text(DEEP)
    return folder / "study"


def deep_session(folder: Path) -> Path:
    (folder / "session.json").write_text(DEEP)
    return folder


def deep_palette(folder: Path) -> Path:
    (folder / "palette.json").write_text(DEEP)
    return folder / "palette.json"


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (deep_model, load_bundle),
        (deep_project, read_project),
        (deep_session, read_header),
        (deep_palette, read_palette),
    ],
)
def test_deep_files_are_damaged_files(
    make: Callable[[Path], Path], read: Callable[[Path], object], tmp_path: Path
) -> None:
    with pytest.raises(CoverslipError) as told:
        read(make(tmp_path))
    assert "\n" not in str(told.value)


def test_deep_settings_give_the_defaults_and_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(DEEP)
    settings, warnings = read_settings(tmp_path)
    assert settings == Settings()
    assert "damaged" in warnings[0]
    assert (tmp_path / "settings.bad.json").read_text() == DEEP


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


def test_a_deep_message_of_another_process_is_no_message() -> None:
    mine, other = socket.socketpair()
    with mine, other:
        channel = Channel(mine, msgspec.msgpack.Decoder(_Word))
        body = b"\x82\xa4type\xa5_Word\xa4more" + b"\x91" * 100_000 + b"\x00"
        other.sendall(struct.pack("<Q", len(body)) + body)
        with pytest.raises(ChannelError, match="could not be understood"):
            channel.receive()
