"""The list of sessions with thousands of them: what it does hangs on what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMainWindow, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from viewer.recording.export import FORMATS
from viewer.recording.library import Library, SessionSummary
from viewer.recording.session import SessionHeader, SlideRef, write_header
from viewer.recording.session_catalog import ListedSession, SessionCatalog, SessionListing
from viewer.slides.known_slides import remember
from viewer.ui.recording.export_dialog import ExportDialog
from viewer.ui.recording.sessions_model import when_fitting
from viewer.ui.recording.sessions_panel import SessionsPanel

COUNT = 3000
PAGE_PX = 340


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[SessionsPanel]:
    window = QMainWindow()
    qtbot.addWidget(window)
    panel = SessionsPanel(window)
    window.setCentralWidget(panel)
    window.resize(PAGE_PX, 600)
    window.show()
    qtbot.waitExposed(window)
    panel.show_sessions(_listing())
    yield panel
    window.close()


def _header(number: int, slide: SlideRef | None = None) -> SessionHeader:
    return SessionHeader(
        id=f"{number:05d}",
        slide=slide or SlideRef(identity=f"slide-{number % 7}", width_px=1000, height_px=800),
        started_utc="2026-11-24T08:30:00+00:00",
        utc_offset_min=60,
        reader="anna" if number % 2 else "local",
        app_version="1",
        origin="recorded" if number % 2 else "agent",
    )


def _listing(count: int = COUNT) -> SessionListing:
    sessions = tuple(
        ListedSession(
            SessionSummary(Path(f"/sessions/{n:05d}"), _header(n), 86.0, 100, False, True),
            f"case-{n:04d}.svs", None, is_here=n == 5,
        )
        for n in range(count)
    )  # fmt: skip
    rows = {each.folder: row for row, each in enumerate(sessions)}
    return SessionListing(sessions, rows, sessions[5:6], count, "slide-5")


def _select(panel: SessionsPanel, row: int) -> None:
    panel.list.setCurrentIndex(panel.model.index(row))


def test_a_refresh_with_all_rows_selected_tells_once(panel: SessionsPanel) -> None:
    panel.list.selectAll()
    assert len(panel.selected()) == COUNT
    told: list[object] = []
    panel.session_chosen.connect(told.append)
    panel.show_sessions(_listing())
    assert told == []
    assert len(panel.selected()) == COUNT
    assert panel.delete.isEnabled()
    assert not panel.replay.isEnabled()


def test_only_rows_in_sight_ask_for_figures(panel: SessionsPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.sight_changed):
        panel.show_sessions(_listing())
    first = panel.folders_in_sight()
    assert first[0] == Path("/sessions/00000")
    assert 3 < len(first) < 20
    with qtbot.waitSignal(panel.sight_changed):
        panel.list.verticalScrollBar().setValue(panel.list.verticalScrollBar().maximum())
    assert panel.folders_in_sight()[-1] == Path(f"/sessions/{COUNT - 1:05d}")
    panel.show_figures(Path("/sessions/01234"), 7, 0.5)
    assert panel.model.texts(1234)[3] == "1:26 · 7 actions · 50 % seen"


def test_a_refresh_asks_only_for_rows_in_sight(
    panel: SessionsPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[int] = set()
    real = panel.model.session

    def session(row: int) -> ListedSession:
        asked.add(row)
        return real(row)

    monkeypatch.setattr(panel.model, "session", session)
    with qtbot.waitSignal(panel.sight_changed):
        panel.show_sessions(_listing())
    panel.list.viewport().repaint()
    assert asked
    assert len(asked) < 30


def test_all_of_the_page_is_in_sight_at_its_width(panel: SessionsPanel) -> None:
    assert panel.width() == PAGE_PX
    assert panel.list.horizontalScrollBar().maximum() == 0
    for button in panel.findChildren(QPushButton):
        place = button.mapTo(panel, button.rect().topLeft())
        assert panel.rect().contains(button.rect().translated(place)), button.text()
        needed = button.fontMetrics().horizontalAdvance(button.text())
        assert needed <= button.width() - 8, button.text()


def test_replay_needs_no_selection_for_the_session_of_the_slide(
    panel: SessionsPanel, qtbot: QtBot
) -> None:
    asked: list[Path] = []
    panel.replay_requested.connect(asked.append)
    qtbot.mouseClick(panel.replay, Qt.MouseButton.LeftButton)
    assert asked == [Path("/sessions/00005")]
    _select(panel, 9)
    qtbot.mouseClick(panel.replay, Qt.MouseButton.LeftButton)
    assert asked[1:] == [Path("/sessions/00009")]


def test_the_time_of_the_day_gives_way_to_who_read(panel: SessionsPanel) -> None:
    metrics = panel.list.fontMetrics()
    when = f"{datetime.now().astimezone().year}-11-24 09:30"
    room_px = metrics.horizontalAdvance("Language model leads" + "24 Nov")
    assert when_fitting("Language model leads", when, metrics, room_px) == "24 Nov"
    assert when_fitting("anna", when, metrics, room_px) == "24 Nov 09:30"
    assert when_fitting("Language model leads", "2020-01-02 09:30", metrics, 9) == "2 Jan 2020"


def test_who_read_is_said_in_words_and_a_choice_is_told(panel: SessionsPanel) -> None:
    assert panel.model.texts(2)[1] == "Agent: Bundled models only"
    assert panel.model.texts(3)[1:3] == ("Reader anna", "2026-11-24 09:30")
    told: list[object] = []
    panel.session_chosen.connect(told.append)
    _select(panel, 5)
    assert told == [Path("/sessions/00005")]
    assert panel.details.text() == "Reader anna."
    panel.show_previewed(previewed=True)
    assert "path is on the slide" in panel.details.text()
    assert panel.key.isVisible()
    _select(panel, 6)
    assert "another slide" in panel.details.text()


def test_rows_are_copied_as_text(panel: SessionsPanel, qtbot: QtBot) -> None:
    _select(panel, 3)
    qtbot.keyClick(panel.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    copied = QApplication.clipboard().text()
    assert copied == "case-0003.svs\tReader anna\t2026-11-24 09:30\t1:26"


def test_an_empty_list_says_what_to_do(panel: SessionsPanel, qtbot: QtBot) -> None:
    panel.show_sessions(SessionListing((), {}, (), 0))
    assert panel.empty.isVisible()
    assert "Record" in panel.empty.text()
    panel.show_sessions(SessionListing((), {}, (), 4))
    assert panel.empty.text() == "No session matches."
    typed: list[str] = []
    panel.filter_changed.connect(typed.append)
    with qtbot.waitSignal(panel.filter_changed):
        qtbot.keyClicks(panel.filter, "anna")
    assert typed == ["anna"]


def test_down_goes_from_the_filter_to_the_list(panel: SessionsPanel, qtbot: QtBot) -> None:
    panel.filter.setFocus()
    qtbot.keyClick(panel.filter, Qt.Key.Key_Down)
    assert panel.list.hasFocus()
    assert panel.list.currentIndex().row() == 0


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with five sessions of two slides, of which one was open on this machine."""
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    folder = tmp_path / "sessions"
    for number in range(5):
        session = folder / f"{number:05d}"
        session.mkdir(parents=True)
        (session / "events.jsonl").write_bytes(b"")
        write_header(session, _header(number, slide=_slide(number % 2)))
    remember("slide-0", tmp_path / "Tumor A.svs")
    return folder


def _slide(number: int) -> SlideRef:
    return SlideRef(identity=f"slide-{number}", width_px=1000, height_px=800)


def test_sessions_are_called_by_the_slide_on_this_machine(library: Path) -> None:
    catalog = SessionCatalog(library)
    listing = catalog.listing("slide-0")
    assert [each.name for each in listing.sessions] == [
        "Tumor A.svs", "Unknown slide 1", "Tumor A.svs", "Unknown slide 1", "Tumor A.svs",
    ]  # fmt: skip
    assert [each.folder.name for each in listing.of_slide] == ["00004", "00002", "00000"]
    assert b"Tumor" not in b"".join(file.read_bytes() for file in library.rglob("*.json"))
    Library(library).rename("00002", "Second look")
    assert catalog.listing("").sessions[2].name == "Second look"


def test_a_filter_finds_names_readers_and_dates(library: Path) -> None:
    catalog = SessionCatalog(library)
    found = {
        text: [each.folder.name for each in catalog.listing("slide-0", text).sessions]
        for text in ("tumor", "reader ANNA", "agent 2026-11-24", "nobody")
    }
    assert found == {
        "tumor": ["00004", "00002", "00000"],
        "reader ANNA": ["00003", "00001"],
        "agent 2026-11-24": ["00004", "00002", "00000"],
        "nobody": [],
    }
    assert catalog.listing("slide-0", "nobody").total == 5


def test_what_a_study_hides_is_neither_listed_nor_named(library: Path) -> None:
    listing = SessionCatalog(library).listing(
        "slide-0",
        hides=lambda summary: summary.id == "00004",
        name_of=lambda identity, name: "Slide 1" if identity == "slide-0" else name,
    )
    assert [each.folder.name for each in listing.of_slide] == ["00002", "00000"]
    assert listing.sessions[1].name == "Slide 1"
    assert listing.total == 4


def test_a_damaged_session_says_so(library: Path, panel: SessionsPanel) -> None:
    (library / "00001" / "session.json").write_text("{")
    listing = SessionCatalog(library).listing("")
    damaged = listing.sessions[listing.row_of[library / "00001"]]
    assert damaged.name == "Damaged session 00001"
    panel.show_sessions(replace(listing, identity=""))
    _select(panel, listing.row_of[library / "00001"])
    assert panel.details.text() == damaged.summary.problem != ""


def test_every_format_can_be_chosen_and_says_what_it_is(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ExportDialog(2, parent, "qwen2.5-vl")
    assert dialog.options.format == "qwen2.5-vl"
    about: set[str] = set()
    for number, name in enumerate(FORMATS):
        dialog.format.setCurrentIndex(number)
        assert dialog.options.format == name
        about.add(dialog._description.text())
    assert len(about) == len(FORMATS)
