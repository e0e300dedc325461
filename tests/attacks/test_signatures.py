"""A signed session cannot be forged, changed or cut by anybody who lacks the key."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cli_steps import invoke
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from session_lines import read_lines

from viewer.folders import data_folder
from viewer.recording import recorder as recorder_module
from viewer.recording.events import AnyEvent, NoteTaken, ToolChosen
from viewer.recording.library import sessions_folder
from viewer.recording.log_line import CHAIN_START, decode_line, encode_line
from viewer.recording.log_reader import repair, verify
from viewer.recording.recorder import Recorder
from viewer.recording.session import (
    EVENTS_FILE,
    Consent,
    SessionHeader,
    SlideRef,
    read_header,
    write_header,
)
from viewer.recording.signing import SIGNATURES_FILE, LogSignature, check_signatures
from viewer.settings import Settings
from viewer.signing.keys import KeyRing
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow

STUDY = "own:default"
HEADER = SessionHeader(
    id="20261126T000000Z-0a1b2c3d",
    slide=SlideRef(identity="s1-0", width_px=1000, height_px=800),
    started_utc="2026-11-26T00:00:00+00:00",
    utc_offset_min=0,
    reader="reader-7",
    app_version="0.2.0",
    consent=Consent(given_utc="2026-11-24T08:00:00+00:00", texts=True),
    study=STUDY,
)


def record(header: SessionHeader = HEADER, *, syncs: int = 1) -> Path:
    """A session in the library, closed well, with at least so many signatures before the close."""
    folder = sessions_folder() / header.id
    recorder = Recorder(folder, header)
    for number in range(5 * syncs):
        recorder.record(ToolChosen(str(number)))
        if number % 5 == 4:
            wait_until(lambda n=number: signed_lines(folder) >= n + 2)
    recorder.close()
    return folder


def signed_lines(folder: Path) -> int:
    path = folder / SIGNATURES_FILE
    return signatures(folder)[-1].lines if path.exists() and path.read_bytes() else 0


def wait_until(is_so: Callable[[], bool], patience_s: float = 20) -> None:
    until_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def signatures(folder: Path) -> list[LogSignature]:
    lines = (folder / SIGNATURES_FILE).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=LogSignature) for line in lines]


def state(folder: Path) -> str:
    return check_signatures(folder, KeyRing().listed(STUDY)).state


def verified(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of `coverslip sessions verify`."""
    result = invoke(["sessions", "verify", str(folder), *options])
    return result.exit_code, result.output


def rewrite(folder: Path, change: Callable[[AnyEvent], AnyEvent]) -> None:
    """Change events of a log and compute its chain anew, as a forger does."""
    chain, made = CHAIN_START, list[bytes]()
    for line in (folder / EVENTS_FILE).read_bytes().splitlines():
        at = decode_line(line)
        written, chain = encode_line(at.number, at.elapsed_ns, at.wall_ms, change(at.event), chain)
        made.append(written)
    (folder / EVENTS_FILE).write_bytes(b"".join(made))
    assert verify(folder).is_good


@pytest.fixture(autouse=True)
def quick_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_SYNC_NS", 10_000_000)


def test_a_session_is_signed_at_each_sync_and_at_its_close() -> None:
    folder = record(syncs=2)
    moments = [each.moment for each in signatures(folder)]
    assert moments.count("sync") >= 2
    assert moments[-1] == "close"
    code, output = verified(folder)
    assert code == 0
    assert "Signed: signed by reader-7" in output
    named = msgspec.structs.replace(read_header(folder), title="A title")
    write_header(folder, named)
    assert state(folder) == "signed"


def test_a_recomputed_chain_is_broken() -> None:
    folder = record()
    rewrite(folder, lambda event: ToolChosen("9") if event == ToolChosen("2") else event)
    code, output = verified(folder)
    assert code == 1
    assert "it was changed" in output


@pytest.mark.parametrize("moment", ["", "sync", "close"])
def test_a_cut_session_is_broken(moment: str) -> None:
    folder = record(syncs=2)
    path = folder / EVENTS_FILE
    earlier = signatures(folder)[0]
    path.write_bytes(path.read_bytes()[: earlier.bytes])
    if moment:
        last = msgspec.structs.replace(earlier, moment=moment)
        (folder / SIGNATURES_FILE).write_bytes(msgspec.json.encode(last) + b"\n")
    assert verify(folder).is_good
    code, output = verified(folder)
    assert code == 1
    why = {"": "only", "sync": "its close is not signed", "close": "it was changed"}
    assert why[moment] in output


def test_what_is_added_at_the_end_is_broken() -> None:
    folder = record()
    last = read_lines(folder)[-1]
    line, _ = encode_line(last.number + 1, last.elapsed_ns, 0, NoteTaken(1, "x"), last.chain)
    with (folder / EVENTS_FILE).open("ab") as file:
        file.write(line)
    assert verify(folder).is_good
    assert "1 line at its end is not signed" in verified(folder)[1]


def test_a_swapped_key_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "forger"))
    forged = record(msgspec.structs.replace(HEADER, reader="reader-7"))
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "reader"))
    own = record(msgspec.structs.replace(HEADER, id="20261126T000000Z-ffffffff"))
    brought = sessions_folder() / forged.name
    shutil.copytree(forged, brought)
    assert verified(own)[0] == 0
    code, output = verified(brought)
    assert code == 1
    assert "does not list" in output
    # The key's name of the reader in the forger's file does not make it the reader's.
    key = read_header(own).key
    swapped = msgspec.structs.replace(signatures(brought)[-1], key=key)
    (brought / SIGNATURES_FILE).write_bytes(msgspec.json.encode(swapped) + b"\n")
    assert verified(brought)[0] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"reader": "reader-8"},
        {"started_utc": "2025-11-26T00:00:00+00:00"},
        {"slide": SlideRef(identity="s1-9", width_px=1000, height_px=800)},
        {"study": "own:other"},
        {"origin": "agent"},
        {"consent": Consent(given_utc="2020-11-24T08:00:00+00:00", texts=True)},
    ],
)
def test_another_reader_slide_or_time_is_broken(change: dict[str, object]) -> None:
    folder = record()
    write_header(folder, msgspec.structs.replace(read_header(folder), **change))
    assert verified(folder)[0] == 1
    # Nor where another study lists the same key.
    assert check_signatures(folder, KeyRing().listed(STUDY)).state == "broken"


def test_a_session_without_its_signatures_is_broken() -> None:
    folder = record()
    (folder / SIGNATURES_FILE).unlink()
    code, output = verified(folder)
    assert code == 1
    assert "signatures are missing" in output


@pytest.mark.parametrize(
    "header",
    [
        msgspec.structs.replace(HEADER, study=""),
        msgspec.structs.replace(HEADER, origin="simulated"),
        msgspec.structs.replace(HEADER, origin="imported"),
    ],
)
def test_older_imported_and_simulated_sessions_are_unsigned(header: SessionHeader) -> None:
    folder = sessions_folder() / header.id
    recorder = Recorder(folder, header)
    recorder.record(ToolChosen("1"))
    recorder.close()
    code, output = verified(folder)
    assert code == 0
    assert "Unsigned" in output
    assert not (folder / SIGNATURES_FILE).exists()


def crashed() -> Path:
    """A session as a kill leaves it: signed up to a sync, a few lines more, no close."""
    folder = record(syncs=2)
    lines = (folder / SIGNATURES_FILE).read_bytes().splitlines(keepends=True)
    syncs = [line for line in lines if b'"sync"' in line]
    (folder / SIGNATURES_FILE).write_bytes(b"".join(syncs[:1]))
    return folder


def test_a_crash_is_signed_as_one_at_the_next_start() -> None:
    folder = crashed()
    assert verified(folder)[0] == 1
    repair(folder)
    code, output = verified(folder)
    assert code == 0
    assert "a crash ended it" in output
    before = (folder / SIGNATURES_FILE).read_bytes()
    repair(folder)
    assert (folder / SIGNATURES_FILE).read_bytes() == before


def test_no_more_is_signed_afterwards_than_a_crash_can_leave() -> None:
    folder = crashed()
    last = read_lines(folder)[-1]
    late_ns = last.elapsed_ns + 5 * 10**9  # a crash leaves what was done in three seconds at most
    line, _ = encode_line(last.number + 1, late_ns, 0, NoteTaken(1, "x"), last.chain)
    whole = (folder / EVENTS_FILE).read_bytes()
    (folder / EVENTS_FILE).write_bytes(whole + line)
    assert verify(folder).is_good
    repair(folder)
    assert verified(folder)[0] == 1
    assert signatures(folder)[-1].moment == "sync"
    (folder / EVENTS_FILE).write_bytes(whole)
    rewrite(folder, lambda event: ToolChosen("9") if event == ToolChosen("2") else event)
    repair(folder)
    assert signatures(folder)[-1].moment == "sync"
    assert verified(folder)[0] == 1


def test_each_study_has_a_key_of_its_own_that_only_its_owner_can_read() -> None:
    one, other = KeyRing().signer("own:a"), KeyRing().signer("own:b")
    assert one.public != other.public
    assert KeyRing().signer("own:a").public == one.public
    assert KeyRing().listed("own:a") == {one.public}
    keys = list((data_folder() / "keys").glob("*.key"))
    assert len(keys) == 2
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert "only you can read" in KeyRing().place


def test_keys_lie_in_the_keyring_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[tuple[str, str], str] = {}

    class Ring:
        priority = 5

    monkeypatch.setattr("keyring.get_keyring", Ring)
    monkeypatch.setattr("keyring.set_password", lambda *a: held.update({a[:2]: a[2]}))
    monkeypatch.setattr("keyring.get_password", lambda *a: held.get(a))
    public = KeyRing().signer("own:a").public
    assert KeyRing().signer("own:a").public == public
    assert list(held) == [("coverslip-signing", "own:a")]
    assert not list((data_folder() / "keys").glob("*.key"))


def test_a_project_lists_the_keys_of_its_readers(
    sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    from viewer.studies.finding import project_slides
    from viewer.studies.project import Project, ReaderKey
    from viewer.studies.project_file import change_project, create_project, read_project

    study = tmp_path / "study"
    slides = tuple(project_slides([sample_slide], study, []))
    create_project(study, Project(title="Margins", slides=slides))
    settings = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")
    window = MainWindow(settings, TileCache(64 << 20))
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    with qtbot.waitSignal(window.projects.opened.switched):
        window.open_paths([study])
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([sample_slide])
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: bool(read_project(study).keys), timeout=20_000)
    window.close()
    (folder,) = sessions_folder().iterdir()
    (key,) = read_project(study).keys
    assert key.reader == "reader-7"
    assert read_header(folder).study == read_project(study).study
    assert verified(folder, "--study", str(study))[0] == 0
    assert verified(folder)[0] == 0
    other = ReaderKey(reader="reader-8", key=key.key)
    change_project(study, lambda project: msgspec.structs.replace(project, keys=(other,)))
    assert verified(folder, "--study", str(study))[0] == 1
