"""Finding, naming and deleting sessions."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording_steps import record

from viewer.recording.events import ToolChosen
from viewer.recording.library import Library, sessions_folder
from viewer.recording.session import EVENTS_FILE, HEADER_FILE, SessionError


@pytest.fixture
def library(tmp_path: Path) -> Library:
    for name in ("20261124T080000Z-aaaa0000", "20261125T080000Z-bbbb0000"):
        record(tmp_path / name, [ToolChosen("move")])
    return Library(tmp_path)


def test_the_newest_session_comes_first(library: Library) -> None:
    summaries = library.summaries()
    assert [summary.id[:8] for summary in summaries] == ["20261125", "20261124"]
    assert all(summary.ended_well and not summary.is_open for summary in summaries)
    assert all(summary.bytes > 0 and not summary.problem for summary in summaries)


def test_sessions_are_found_by_id_beginning_or_path(library: Library) -> None:
    folder = library.folder / "20261124T080000Z-aaaa0000"
    assert library.find(folder.name) == library.find("20261124") == library.find(str(folder))
    assert library.find(str(folder)) == folder
    with pytest.raises(SessionError, match="2 sessions begin"):
        library.find("2026")
    with pytest.raises(SessionError, match="no session"):
        library.find("1999")


def test_a_title_is_kept(library: Library) -> None:
    library.rename("20261124", "Second look")
    header = library.summaries()[1].header
    assert header is not None
    assert header.title == "Second look"


def test_a_deleted_session_is_gone(library: Library) -> None:
    library.delete("20261124")
    assert [summary.id for summary in library.summaries()] == ["20261125T080000Z-bbbb0000"]
    assert not (library.folder / "20261124T080000Z-aaaa0000").exists()


def test_a_session_that_crashed_did_not_end_well(library: Library) -> None:
    path = library.find("20261124") / EVENTS_FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]) + b"[2,3")
    assert [summary.ended_well for summary in library.summaries()] == [True, False]
    (note,) = library.recover()
    assert "torn last line" in note


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": "x"}'])
def test_a_damaged_header_is_listed_with_its_problem(library: Library, content: bytes) -> None:
    (library.find("20261124") / HEADER_FILE).write_bytes(content)
    good, bad = library.summaries()
    assert not good.problem
    assert bad.header is None
    assert "damaged" in bad.problem
    assert library.recover() == []


def test_the_users_sessions_are_for_them_only() -> None:
    assert sessions_folder().stat().st_mode & 0o777 == 0o700


def test_places_of_slides_are_looked_up_anew_once_they_are_kept_anew(own_home: Path) -> None:
    from viewer.slides.known_slides import KnownPlaces, last_place, remember

    places = KnownPlaces()
    assert places.reader()("s1-ab") is None
    for name in ("one.tif", "two.tif", "three.tif"):
        remember("s1-ab", own_home / name)
        assert places.reader()("s1-ab") == own_home / name == last_place("s1-ab")
