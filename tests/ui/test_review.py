"""A recorded session is reviewed in a real window: keys, travel, undo, resume, two reviewers."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from model_server import Fail, Say, model_server
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QWidget
from pytestqt.qtbot import QtBot
from session_lines import read_exchanges
from test_recording import AGREED, ended_session
from test_replay import open_sessions, panels, select
from ui_steps import CTRL, open_dialog, press, rest, show_slide, stay

from viewer.agents.drafting import DRAFTING_FOLDER
from viewer.agents.endpoint import Endpoint, save_endpoint
from viewer.agents.permission import PermissionBook
from viewer.geometry import Box
from viewer.recording.export import ExportOptions
from viewer.recording.export.reading import load_reading
from viewer.recording.library import sessions_folder
from viewer.recording.review.drafts import add_draft, read_drafts
from viewer.recording.review.entries import Draft
from viewer.recording.review.items import items_of
from viewer.recording.review.prompts import DEFAULT_PROMPT, load_template
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, review_path
from viewer.recording.review.verdicts import reviews_of
from viewer.ui.agents.permission_dialog import PermissionDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.prompt_dialog import PromptDialog
from viewer.ui.recording.review_controller import ReviewController

STAYS = ("view.magnify_5", "view.magnify_10", "view.magnify_20")


@pytest.fixture
def session(
    make_window: Callable[..., MainWindow],
    sample_slide: Path,
    tmp_path_factory: pytest.TempPathFactory,
    qtbot: QtBot,
) -> tuple[MainWindow, Path]:
    """A window and a session of three actions that was recorded in one; two have drafts.

    It is recorded once, and copied for each further test.
    """
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    kept = tmp_path_factory.getbasetemp() / "recorded-for-review"
    if kept.exists():
        (recorded,) = kept.iterdir()
        return window, Path(shutil.copytree(recorded, sessions_folder() / recorded.name))
    folder = record(window, qtbot)
    shutil.copytree(folder, kept / folder.name)
    return window, folder


def record(window: MainWindow, qtbot: QtBot) -> Path:
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    recording = window.recording.control.recording_of
    qtbot.waitUntil(lambda: recording(window.panes.active) is not None)
    for command in STAYS:
        window.commands[command].trigger()
        rest(window, qtbot)
        stay(window, qtbot, 1.2)
    folder = ended_session(window, qtbot)
    keys = [item.key for item in items_of(load_reading(folder, ExportOptions()), {})]
    assert len(keys) >= 3
    for number, key in enumerate(keys[:2], start=1):
        text = f"Draft {number}."
        add_draft(
            folder, Draft(item=key, text=text, model="model-1", prompt_sha256="ab", at_utc="1")
        )
    return folder


def part(window: MainWindow) -> ReviewController:
    return window.recording.review


def start_review(window: MainWindow, qtbot: QtBot) -> ReviewController:
    open_sessions(window, qtbot)
    select(window)
    qtbot.mouseClick(panels(window).sessions.review, Qt.MouseButton.LeftButton)
    review = part(window)
    qtbot.waitUntil(lambda: review.reviewing.is_active)
    rest(window, qtbot)
    return review


def verdicts(review: ReviewController) -> list[str]:
    assert review.reviewing.review is not None
    return [
        decision.verdict if decision else "open" for decision in review.reviewing.review.decisions()
    ]


def hit(qtbot: QtBot, widget: QWidget, key: Qt.Key, modifier: object = None) -> None:
    qtbot.keyClick(widget, key, modifier or Qt.KeyboardModifier.NoModifier)


def test_a_review_builds_no_panel_that_is_not_seen(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, _ = session
    seen = panels(window).seen
    start_review(window, qtbot)
    assert not seen.is_built
    seen.show()
    assert not seen.scanpath.isChecked()


def test_one_key_each_gives_verdicts_and_travels(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, folder = session
    review = start_review(window, qtbot)
    panel, canvas = review.panel, window.panes.active.canvas
    assert review.reviewing.review is not None
    count = len(review.reviewing.review.items)

    def is_seen(index: int) -> bool:
        rest(window, qtbot)
        assert review.reviewing.review is not None
        box = Box(*review.reviewing.review.items[index].action.box)
        seen = canvas.view.box
        return seen.x0 <= box.x0 and seen.x1 >= box.x1 and seen.y0 <= box.y0 and seen.y1 >= box.y1

    assert panel.text.toPlainText() == "Draft 1."
    assert is_seen(0)
    hit(qtbot, panel.table, Qt.Key.Key_Y)
    assert verdicts(review)[0] == "accepted"
    assert review.reviewing.current == 1
    assert is_seen(1)

    hit(qtbot, panel.table, Qt.Key.Key_F2)
    assert panel.text.hasFocus()
    qtbot.keyClicks(panel.text, "Yes, exit: jump.")
    assert panel.text.toPlainText() == "Yes, exit: jump.", "keys of verdicts write while one types"
    assert verdicts(review)[1] == "open"
    hit(qtbot, panel.text, Qt.Key.Key_Return, CTRL)
    assert verdicts(review)[1] == "edited"
    assert review.reviewing.current == 2
    assert panel.table.hasFocus()

    hit(qtbot, panel.table, Qt.Key.Key_Y)
    assert verdicts(review)[2] == "open", "without a text there is nothing to accept"
    hit(qtbot, panel.table, Qt.Key.Key_G)
    hit(qtbot, panel.table, Qt.Key.Key_I)
    assert verdicts(review)[:3] == ["accepted", "edited", "skipped"]
    window.panes.active.focus()
    before = review.reviewing.current
    press(qtbot, window, Qt.Key.Key_X)
    assert verdicts(review)[before] == "rejected", "keys work with the slide in hand too"

    for _ in range(10):
        hit(qtbot, panel.table, Qt.Key.Key_U)
    assert verdicts(review) == ["open"] * count
    assert panel.text.toPlainText() == "Draft 1."
    for _ in range(10):
        hit(qtbot, panel.table, Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert verdicts(review)[before] == "rejected"
    assert "rejected" in panel.figures.text()
    assert window.panes.active.modes.names == ["Review"]
    qtbot.mouseClick(window.panes.active.mode_bar.exit_button, Qt.MouseButton.LeftButton)
    assert not window.panes.active.modes.names
    qtbot.waitUntil(lambda: bool(reviews_of(folder)))


def test_keys_are_the_windows_own_again_when_the_panel_is_closed(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, _ = session
    review = start_review(window, qtbot)
    bare = window.panes.active.canvas.grab().toImage()
    assert window.commands["review.accept"].isEnabled()
    review.panel.hide()
    qtbot.waitUntil(lambda: not window.commands["review.accept"].isEnabled())
    window.panes.active.focus()
    press(qtbot, window, Qt.Key.Key_X)
    assert set(verdicts(review)) == {"open"}
    assert window.panes.active.canvas.grab().toImage() != bare, "the boxes are gone"


def test_behind_another_tab_a_review_waits(session: tuple[MainWindow, Path], qtbot: QtBot) -> None:
    window, _ = session
    review = start_review(window, qtbot)
    window.commands["panels.overlays"].trigger()
    qtbot.waitUntil(lambda: not window.commands["review.accept"].isEnabled())
    window.panes.active.focus()
    press(qtbot, window, Qt.Key.Key_Y)
    assert set(verdicts(review)) == {"open"}
    review.panel.raise_()
    qtbot.waitUntil(lambda: window.commands["review.accept"].isEnabled())
    press(qtbot, window, Qt.Key.Key_Y)
    assert verdicts(review)[0] == "accepted"


def test_a_review_resumes_with_the_text_that_was_typed(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, folder = session
    review = start_review(window, qtbot)
    hit(qtbot, review.panel.table, Qt.Key.Key_Y)
    hit(qtbot, review.panel.table, Qt.Key.Key_F2)
    qtbot.keyClicks(review.panel.text, "Half a")

    def kept() -> list[str]:
        path = review_path(folder, "reader-7")
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "Half a" in line]

    qtbot.waitUntil(lambda: bool(kept()))
    review.close_review()
    assert not review.reviewing.is_active
    review.start(folder)
    qtbot.waitUntil(lambda: review.reviewing.is_active)
    assert review.reviewing.current == 1
    assert review.panel.text.toPlainText() == "Half a"
    assert verdicts(review)[0] == "accepted"


def test_a_review_opens_the_slide_it_is_about(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, folder = session
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: window.panes.active.source is None)
    review = part(window)
    review.start(folder)
    qtbot.waitUntil(lambda: review.reviewing.is_active, timeout=20_000)
    assert window.panes.active.source is not None
    window.commands["file.close"].trigger()
    qtbot.waitUntil(lambda: not review.reviewing.is_active)
    assert review.panel.empty.text().startswith("No session under review")


def test_two_reviewers_agree_at_the_end(session: tuple[MainWindow, Path], qtbot: QtBot) -> None:
    window, folder = session
    review = start_review(window, qtbot)
    assert review.reviewing.review is not None
    items = review.reviewing.review.items
    first = Review(folder.name, "r1", items, ReviewLog(review_path(folder, "r1")))
    for index in range(len(items)):
        first.accept(index, "Draft 1.", 1.0)
    first.close()
    editor = review.panel.reviewer.lineEdit()
    assert editor is not None
    review.panel.reviewer.setFocus()
    qtbot.waitUntil(editor.hasFocus)
    editor.selectAll()
    qtbot.keyClicks(editor, "r")
    assert editor.text() == "r"  # not completed to a reviewer that there is
    qtbot.keyClicks(editor, "2")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(
        lambda: review.reviewing.review is not None and review.reviewing.review.reviewer == "r2"
    )
    hit(qtbot, review.panel.table, Qt.Key.Key_Y)
    assert review.panel.agreement.text() == "", "nobody is led by another's verdicts"
    for _ in items[1:]:
        hit(qtbot, review.panel.table, Qt.Key.Key_X)
    qtbot.waitUntil(lambda: "With r1: kappa" in review.panel.agreement.text())
    assert (
        f"over {len(items)} judged by both, 100 % of texts alike" in review.panel.agreement.text()
    )


def test_a_session_that_is_deleted_is_let_go_of(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, folder = session
    review = start_review(window, qtbot)
    hit(qtbot, review.panel.table, Qt.Key.Key_Y)
    panels(window).library._delete([folder])
    qtbot.waitUntil(lambda: not folder.exists())
    assert not review.reviewing.is_active
    # What would write there is over.
    qtbot.waitUntil(lambda: "write review" not in {each.name for each in threading.enumerate()})
    assert not folder.exists()


def test_drafts_are_asked_for_once_permitted(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, folder = session
    review = start_review(window, qtbot)
    held = review.reviewing.review
    assert held is not None
    missing = sum(item.draft is None for item in held.items)
    with model_server([Say("From the server.")] * 9) as server:
        save_endpoint(Endpoint(base_url=server.url, model="tiny", tries=1))
        qtbot.mouseClick(review.panel.drafts, Qt.MouseButton.LeftButton)
        dialog = open_dialog(window, PermissionDialog, qtbot)
        dialog.reject()
        assert len(read_drafts(folder)) == 2
        qtbot.mouseClick(review.panel.drafts, Qt.MouseButton.LeftButton)
        dialog = open_dialog(window, PermissionDialog, qtbot)
        assert isinstance(dialog, PermissionDialog)
        dialog.understood.setChecked(True)
        qtbot.mouseClick(dialog.allow, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: len(read_drafts(folder)) == len(held.items), timeout=20_000)
        assert len(server.requests) == missing
    assert len(read_exchanges(folder / DRAFTING_FOLDER)) == missing
    assert PermissionBook().find("default", "127.0.0.1") is not None
    qtbot.waitUntil(lambda: review.panel.drafts.text() == "Draft rationales...")
    assert f"{missing} rationales were drafted" in window.status.currentMessage()
    review.reviewing.choose(2)
    qtbot.waitUntil(lambda: review.panel.text.toPlainText() == "From the server.")
    assert review.panel.source.text() == "Draft by tiny"


def test_review_and_replay_fit_a_low_screen(session: tuple[MainWindow, Path], qtbot: QtBot) -> None:
    window, folder = session
    panel = window.recording.review.panel
    panel.show()
    assert not panel.table.isVisible()
    qtbot.mouseClick(panel.choose_session, Qt.MouseButton.LeftButton)
    assert panels(window).sessions.isVisible()
    panels(window).start_replay(folder)
    start_review(window, qtbot)
    qtbot.waitUntil(lambda: panels(window).replay.isVisible())
    panel.show_agreement(["With Ann: kappa 0.50 over 8 judged by both"] * 3)
    panel.show_failed_draft("The model did not answer within 60 seconds.")
    window.resize(1366, 768)
    assert (window.width(), window.height()) == (1366, 768)
    for shown in (window.status, panels(window).replay, panel):
        place = shown.mapTo(window, shown.rect().topLeft())
        assert window.rect().contains(shown.rect().translated(place))


def test_a_failed_draft_is_said_in_the_panel_until_it_is_dismissed(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, _ = session
    review = start_review(window, qtbot)
    notice = review.panel.notice
    assert not notice.isVisible()
    with model_server([Fail(500)] * 9) as server:
        save_endpoint(Endpoint(base_url=server.url, model="tiny", tries=1))
        qtbot.mouseClick(review.panel.drafts, Qt.MouseButton.LeftButton)
        dialog = open_dialog(window, PermissionDialog, qtbot)
        assert isinstance(dialog, PermissionDialog)
        dialog.understood.setChecked(True)
        qtbot.mouseClick(dialog.allow, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(notice.isVisible, timeout=20_000)
        assert notice.sentence.text().startswith("Not drafted: ")
        window.status.clearMessage()
        hit(qtbot, review.panel.table, Qt.Key.Key_J)
        assert notice.isVisible()
        asked = len(server.requests)
        qtbot.mouseClick(notice.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: len(server.requests) > asked, timeout=20_000)
        qtbot.waitUntil(notice.isVisible, timeout=20_000)
    qtbot.mouseClick(notice.dismiss, Qt.MouseButton.LeftButton)
    assert not notice.isVisible()


def test_a_prompt_is_edited_and_a_wrong_one_refused(
    session: tuple[MainWindow, Path], qtbot: QtBot
) -> None:
    window, _ = session
    review = start_review(window, qtbot)
    qtbot.mouseClick(review.panel.prompt, Qt.MouseButton.LeftButton)
    dialog = open_dialog(window, PromptDialog, qtbot)
    assert isinstance(dialog, PromptDialog)
    save = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    assert dialog.text == DEFAULT_PROMPT
    dialog.studies.setCurrentText("lymph nodes")
    dialog.field.setPlainText("Look for $organ.")
    assert not save.isEnabled()
    assert "$organ" in dialog.problem.text()
    dialog.field.setPlainText("Describe $command.")
    qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: load_template("lymph nodes") == "Describe $command.")
    assert window.settings.study == "lymph nodes"
