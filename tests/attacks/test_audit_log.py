"""What was opened, exported, sent and imported is listed, and the list cannot be changed unseen."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import shapely
from cli_steps import invoke
from pytestqt.qtbot import QtBot
from small_disks import fill, small_disk
from ui_steps import show_slide

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import FORMATS
from viewer.audit_log import AuditEntry, check_audit, export_audit, keep_audit, read_audit, trail
from viewer.files import atomic_write as writing
from viewer.folders import data_folder
from viewer.settings import Settings
from viewer.signing.keys import KeyRing
from viewer.tiles.cache import TileCache
from viewer.ui.main_window import MainWindow
from viewer.ui.privacy.audit_box import audit_sentence
from viewer.ui.settings_dialog import SettingsDialog


@pytest.fixture(autouse=True)
def kept() -> None:
    trail.flush()
    keep_audit()


def log_file() -> Path:
    return data_folder() / "audit" / "audit.jsonl"


def deeds() -> list[tuple[str, str]]:
    assert trail.flush(20)
    return [(entry.what, entry.subject) for entry in reversed(read_audit())]


def noted(count: int = 4) -> list[bytes]:
    for number in range(count):
        trail.note("opened", f"/slides/{number}.svs")
    assert trail.flush(20)
    assert check_audit().problem == ""
    return log_file().read_bytes().splitlines(keepends=True)


def test_a_day_is_listed_and_exported(
    sample_slide: Path, tmp_path: Path, qtbot: QtBot, own_home: Path
) -> None:
    window = MainWindow(Settings(reader="a"), TileCache(64 << 20))
    qtbot.addWidget(window)
    window.show()
    show_slide(window, sample_slide, qtbot)
    qtbot.waitUntil(lambda: window.annotations.active is not None)
    shown = window.annotations.active
    assert shown is not None
    shown.do(adding("Box", [Annotation(shapely.box(10, 10, 90, 90))]))
    out = tmp_path / "out" / "a.geojson"
    out.parent.mkdir()
    files = window.annotations.files
    files.write(out, FORMATS["qupath"], shown)
    qtbot.waitUntil(out.exists)
    files.take(out, window.panes.active)
    qtbot.waitUntil(lambda: any(what == "imported" for what, _ in deeds()))
    assert deeds() == [
        ("opened", str(sample_slide)),
        ("exported", str(out.parent)),
        ("imported", str(out)),
    ]
    dialog = SettingsDialog(Settings())
    qtbot.addWidget(dialog)
    audit = dialog.privacy.audit
    qtbot.waitUntil(lambda: audit.table.topLevelItemCount() == 3)
    assert "none changed or missing" in audit.state.text()
    table = tmp_path / "audit.csv"
    audit.export_to(table)
    qtbot.waitUntil(lambda: audit.state.text() == "Wrote 3 entries to audit.csv.")
    rows = list(csv.reader(table.read_text().splitlines()))
    assert [row[2] for row in rows[1:]] == ["opened", "exported", "imported"]
    dialog.reject()
    window.close()


def test_commands_are_listed(sample_slide: Path, tmp_path: Path) -> None:
    assert invoke(["info", str(sample_slide)]).exit_code == 0
    picture = tmp_path / "a.png"
    shot = ["shot", str(sample_slide), "-o", str(picture), "--size", "64x64"]
    assert invoke(shot).exit_code == 0
    assert invoke(["models", "results", str(sample_slide)]).exit_code == 0
    simulate = [
        "sessions",
        "simulate",
        str(sample_slide),
        "--spots",
        "1",
        "-o",
        str(tmp_path / "readings"),
    ]
    assert invoke(simulate).exit_code == 0
    assert deeds()[:5] == [
        ("opened", str(sample_slide)),
        ("opened", str(sample_slide)),
        ("exported", str(tmp_path)),
        ("opened", str(sample_slide)),
        ("opened", str(sample_slide)),
    ]


def test_many_files_of_one_export_are_one_line(tmp_path: Path) -> None:
    for number in range(50):
        writing.atomic_write_bytes(tmp_path / f"{number}.png", b"tile")
    writing.atomic_write_bytes(data_folder() / "own", b"no export")
    assert trail.flush(20)
    entries = read_audit()
    assert sum(entry.count for entry in entries) == 50
    assert len(entries) <= 5


@pytest.mark.parametrize(
    "attack",
    [
        "change", "remove", "put in", "swap", "cut", "unsign", "at_utc", "what", "detail", "count",
    ],
)  # fmt: skip
def test_what_is_changed_shows(attack: str) -> None:
    lines = noted()
    entry = msgspec.json.decode(lines[1], type=AuditEntry)
    changes: dict[str, object] = {
        "at_utc": "2026-01-01T00:00:00+00:00", "what": "sent", "detail": "a.png", "count": 2
    }  # fmt: skip
    named = attack if attack in changes else "subject"
    value = changes.get(attack, "/slides/other.svs")
    other = msgspec.structs.replace(entry, **{named: value})
    forged = msgspec.json.encode(other) + b"\n"
    unsigned = msgspec.json.encode(msgspec.structs.replace(other, signature="")) + b"\n"
    made = {
        "change": [lines[0], forged, *lines[2:]],
        "remove": [lines[0], *lines[2:]],
        "put in": [lines[0], forged, *lines[1:]],
        "swap": [lines[1], lines[0], *lines[2:]],
        "cut": lines[:2],
        "unsign": [lines[0], unsigned, *lines[2:]],
    }.get(attack, [lines[0], forged, *lines[2:]])
    log_file().write_bytes(b"".join(made))
    assert check_audit().problem


@pytest.mark.parametrize("is_put_in", [False, True])
def test_a_last_line_without_a_signature_may_be_anybodys_and_that_is_said(is_put_in: bool) -> None:
    lines = noted()
    entry = msgspec.json.decode(lines[-1], type=AuditEntry)
    made = msgspec.structs.replace(
        entry, number=entry.number + is_put_in, subject="/slides/other.svs", signature=""
    )
    kept = lines if is_put_in else lines[:-1]
    log_file().write_bytes(b"".join([*kept, msgspec.json.encode(made) + b"\n"]))
    verdict = check_audit()
    assert (verdict.problem, verdict.unsigned) == ("", 1)
    assert "1 of them unsigned, which may have been changed or put in" in audit_sentence(verdict)


def test_a_forger_with_another_key_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_home: Path
) -> None:
    noted()
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "forger"))
    forged = b"".join(noted(6))
    monkeypatch.setenv("COVERSLIP_HOME", str(own_home))
    log_file().write_bytes(forged)
    assert check_audit().problem


def test_a_full_disk_writes_no_entry_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path, "1m") as disk:
        monkeypatch.setenv("COVERSLIP_HOME", str(disk))
        noted(2)
        fill(disk)
        written = 0
        while trail.note("opened", f"/slides/{written + 2}.svs") or trail.flush(20):
            written += 1
        assert written > 1  # there is room in the page of the log, and none for another file
        for _ in range(3):
            assert not trail.flush(20)
        (disk / "filler").unlink()
        assert deeds() == [("opened", f"/slides/{number}.svs") for number in range(written + 3)]
        verdict = check_audit()
        assert (verdict.problem, verdict.lines) == ("", written + 3)


def test_a_torn_line_costs_that_line_alone() -> None:
    noted()
    with log_file().open("ab") as file:
        file.write(b'[4,"2026-11-26T')
    noted(2)
    assert json.loads((data_folder() / "audit" / "last.json").read_bytes()) == 6


def test_without_a_key_it_is_written_unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_ring: KeyRing, _study: str) -> None:
        raise OSError("the keyring is locked")

    monkeypatch.setattr(KeyRing, "signer", refuse)
    monkeypatch.setattr(trail, "_signer", None)
    lines = noted()
    assert check_audit().unsigned == 4
    log_file().write_bytes(b"".join([lines[0], *lines[2:]]))
    assert check_audit().problem == "Line 2 is number 2: lines are missing."


def test_a_line_that_is_no_text_is_damaged_and_hides_no_other() -> None:
    lines = noted()
    log_file().write_bytes(b"".join([*lines[:2], lines[2].replace(b"/", b"\xff"), lines[3]]))
    assert check_audit().problem == "Line 3 is damaged."
    assert [entry.subject for entry in read_audit()] == [f"/slides/{n}.svs" for n in (3, 1, 0)]


def test_no_cell_of_the_exported_list_is_a_formula(tmp_path: Path) -> None:
    trail.note("imported", "=HYPERLINK(1)", "+1")
    assert trail.flush(20)
    assert export_audit(tmp_path / "a.csv") == 1
    (row,) = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))[1:]
    assert [each[:1] for each in row[3:5]] == ["'", "'"]


_SIGNS = """
import sys
from viewer.signing.keys import KeyRing

KeyRing().signer("study")
print("keyring" in sys.modules)
"""


def test_a_key_that_lies_in_a_file_takes_no_keyring() -> None:
    """To look for keyrings, every installed package is looked through."""
    environment = os.environ | {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    told = [
        subprocess.run(
            [sys.executable, "-c", _SIGNS],
            env=environment, cwd=Path(__file__).parents[2],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert told == ["True", "False"]
