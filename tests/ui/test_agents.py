"""Agents in the window: a walk before the user's eyes, questions, permission, the model's key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from model_server import Fail, Say, Stall, model_server, pictures_of, texts_of
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from test_recording import AGREED, ended_session
from ui_steps import CTRL, SHIFT, open_dialog, press, set_document, show_slide

from viewer.agents.agent_events import AgentState
from viewer.agents.endpoint import Endpoint, load_endpoint, save_endpoint
from viewer.agents.permission import PermissionBook
from viewer.recording.events import QuestionAsked
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.ui.agents.agent_panel import AgentPanel
from viewer.ui.agents.endpoint_dialog import EndpointDialog
from viewer.ui.agents.permission_dialog import PermissionDialog
from viewer.ui.agents.report_dialog import ReportDialog
from viewer.ui.main_window import MainWindow

_LONG_MS = 90_000


def show_agent(window: MainWindow, qtbot: QtBot) -> AgentPanel:
    press(qtbot, window, Qt.Key.Key_J, CTRL | SHIFT)
    panel = window.agents.panel
    qtbot.waitUntil(panel.isVisible)
    return panel


def choose(panel: AgentPanel, policy: str) -> None:
    panel.how.setCurrentIndex(panel.how.findData(policy))


def lines(panel: AgentPanel) -> list[str]:
    return [panel.log.item(row).text() for row in range(panel.log.count())]


def state(window: MainWindow) -> AgentState | None:
    return None if window.agents.walk is None else window.agents.walk.state


@pytest.mark.usefixtures("quick_nuclei")
def test_an_agent_without_a_language_model_reads_the_slide(
    make_window: Callable[..., MainWindow], sample_slide: Path, qtbot: QtBot
) -> None:
    window = make_window(AGREED)
    show_slide(window, sample_slide, qtbot)
    press(qtbot, window, Qt.Key.Key_R, CTRL)
    recording_of = window.recording.control.recording_of
    qtbot.waitUntil(lambda: recording_of(window.panes.active) is not None)
    panel = show_agent(window, qtbot)
    qtbot.keyClicks(panel.question, "Where is it densest?")
    panel.steps.setValue(3)
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    assert not panel.start.isEnabled()
    qtbot.waitUntil(lambda: state(window) is AgentState.FINISHED, timeout=_LONG_MS)
    qtbot.waitUntil(lambda: panel.start.isEnabled())
    assert any(line.startswith("Region 1 at ") for line in lines(panel))
    assert any("/mm²" in line for line in lines(panel))
    assert "densest is region" in panel.answer.toPlainText()
    canvas = window.panes.active.canvas
    window.commands["view.home"].trigger()
    qtbot.waitUntil(lambda: not canvas.is_moving)
    before = canvas.view.center
    panel.answer.anchorClicked.emit(QUrl("claim-0"))
    qtbot.waitUntil(lambda: canvas.view.center != before and not canvas.is_moving)
    # The agent left a session of its own, and does not count as the user's reading.
    mine = ended_session(window, qtbot)
    folder = Library().folder
    (agents,) = [f for f in folder.iterdir() if read_header(f).origin == "agent"]
    assert read_header(agents).reader == "agent-local"
    assert verify(agents).is_good
    asked = [line.event for line in read_lines(agents) if isinstance(line.event, QuestionAsked)]
    assert [event.text for event in asked] == ["Where is it densest?"]
    trace, own = load_trace(agents), load_trace(mine)
    assert set(trace.causes) == {"agent"}
    assert trace.looked_s().sum() > 1.0
    assert "agent" in own.causes
    assert own.looked_s()[own.causes == "agent"].sum() == pytest.approx(0.0, abs=1e-9)


def test_the_user_takes_the_slide_and_hands_it_back(slide_window: MainWindow, qtbot: QtBot) -> None:
    panel = show_agent(slide_window, qtbot)
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any("Region 1" in line for line in lines(panel)), timeout=_LONG_MS)
    canvas = slide_window.panes.active.canvas
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 300))
    qtbot.mouseMove(canvas, QPoint(260, 340))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(260, 340))
    qtbot.waitUntil(lambda: state(slide_window) is AgentState.TAKEN_OVER)
    qtbot.waitUntil(lambda: panel.pause.text() == "Hand back")
    qtbot.keyClicks(panel.remark, "look here too")
    qtbot.keyClick(panel.remark, Qt.Key.Key_Return)
    assert "You: look here too" in lines(panel)
    press(qtbot, slide_window, Qt.Key.Key_F8)
    qtbot.waitUntil(lambda: state(slide_window) is AgentState.RUNNING)
    qtbot.waitUntil(lambda: any("Region 2" in line for line in lines(panel)), timeout=_LONG_MS)
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state(slide_window) is AgentState.CANCELED, timeout=_LONG_MS)
    qtbot.waitUntil(lambda: "was stopped" in panel.state.text())


def test_another_slide_ends_the_walk(
    slide_window: MainWindow, shared_slide: Callable[[str], Path], qtbot: QtBot
) -> None:
    panel = show_agent(slide_window, qtbot)
    qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.log.count() > 0, timeout=_LONG_MS)
    slide_window.commands["file.close"].trigger()
    assert slide_window.agents.walk is None
    assert panel.log.count() == 0
    assert not panel.start.isEnabled()


def endpoint_of(url: str) -> Endpoint:
    return Endpoint(base_url=url, model="test-model", tries=1, price_in=10.0, price_out=30.0)


def test_nothing_is_sent_before_the_user_allows_it(slide_window: MainWindow, qtbot: QtBot) -> None:
    answer = "Keratin lies at [100, 200, 300, 400] and <b>nothing</b> else."
    with model_server([Say(answer), Say("As before.")]) as server:
        save_endpoint(endpoint_of(server.url))
        press(qtbot, slide_window, Qt.Key.Key_K, CTRL | SHIFT)
        panel = slide_window.agents.ask
        qtbot.waitUntil(panel.isVisible)
        qtbot.keyClicks(panel.question, "What is this?")
        qtbot.mouseClick(panel.ask, Qt.MouseButton.LeftButton)
        refused = open_dialog(slide_window, PermissionDialog, qtbot)
        refused.reject()
        qtbot.waitUntil(lambda: not refused.isVisible())
        assert server.requests == []
        qtbot.mouseClick(panel.ask, Qt.MouseButton.LeftButton)
        dialog = open_dialog(slide_window, PermissionDialog, qtbot)
        assert isinstance(dialog, PermissionDialog)
        assert not dialog.allow.isEnabled()
        dialog.understood.click()
        qtbot.mouseClick(dialog.allow, Qt.MouseButton.LeftButton)
        shown = panel.answers.toPlainText
        qtbot.waitUntil(lambda: answer in shown(), timeout=_LONG_MS)
        qtbot.waitUntil(lambda: not panel.stop.isEnabled())
        assert PermissionBook().find("default", "127.0.0.1") is not None
        assert len(pictures_of(server.requests[0])) == 2
        assert "What is this?" in texts_of(server.requests[0])
        canvas = slide_window.panes.active.canvas
        panel.answers.anchorClicked.emit(QUrl("place-0"))
        near = pytest.approx((200, 300), abs=1)
        qtbot.waitUntil(lambda: not canvas.is_moving and canvas.view.center == near)
        qtbot.keyClicks(panel.question, "Are you sure?")
        qtbot.mouseClick(panel.ask, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "As before." in shown(), timeout=_LONG_MS)
        assert answer in texts_of(server.requests[1], "assistant")


def test_an_answer_that_does_not_come_is_one_sentence(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    with model_server([Fail(401, "bad key")]) as server:
        save_endpoint(endpoint_of(server.url))
        PermissionBook().give("default", "127.0.0.1")
        press(qtbot, slide_window, Qt.Key.Key_K, CTRL | SHIFT)
        panel = slide_window.agents.ask
        qtbot.keyClicks(panel.question, "What is this?")
        qtbot.mouseClick(panel.ask, Qt.MouseButton.LeftButton)
        shown = panel.answers.toPlainText
        qtbot.waitUntil(lambda: "does not accept the key" in shown(), timeout=_LONG_MS)
        qtbot.waitUntil(lambda: not panel.stop.isEnabled())


def test_what_was_answered_is_there_again_with_its_slide(
    slide_window: MainWindow, sample_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    other = tmp_path / "other.svs"
    other.write_bytes(sample_slide.read_bytes() + b"x")
    with model_server([Say("Keratin at [100, 200, 300, 400]."), Stall(60)]) as server:
        save_endpoint(endpoint_of(server.url))
        PermissionBook().give("default", "127.0.0.1")
        press(qtbot, slide_window, Qt.Key.Key_K, CTRL | SHIFT)
        panel = slide_window.agents.ask
        qtbot.waitUntil(panel.question.hasFocus)
        qtbot.keyClicks(panel.question, "What is this?")
        qtbot.keyClick(panel.question, Qt.Key.Key_Return, CTRL)
        shown = panel.answers.toPlainText
        qtbot.waitUntil(lambda: "Keratin" in shown(), timeout=_LONG_MS)
        qtbot.waitUntil(lambda: not panel.stop.isEnabled())
        qtbot.keyClicks(panel.question, "Sure?")
        qtbot.keyClick(panel.question, Qt.Key.Key_Return, CTRL)
        qtbot.waitUntil(lambda: "Waiting for the model..." in shown())
        show_slide(slide_window, other, qtbot)
        qtbot.waitUntil(panel.empty.isVisible)
        assert shown() == ""
        assert not panel.stop.isEnabled()
        show_slide(slide_window, sample_slide, qtbot)
        qtbot.waitUntil(panel.answers.isVisible)
        assert "Keratin" in shown()
        assert shown().endswith("Sure?\n(stopped)")
        canvas = slide_window.panes.active.canvas
        panel.answers.anchorClicked.emit(QUrl("place-0"))
        near = pytest.approx((200, 300), abs=1)
        qtbot.waitUntil(lambda: not canvas.is_moving and canvas.view.center == near)


def test_a_language_model_chooses_where_to_look(slide_window: MainWindow, qtbot: QtBot) -> None:
    look = {"x0": 800, "y0": 900, "x1": 1300, "y1": 1300, "why": "dense"}
    told = {"text": "Keratin.", "claims": [{"text": "Dense.", "region": 1}]}
    script = [Say(calls=(("look", look),)), Say(calls=(("answer", told),))]
    with model_server(script) as server:
        save_endpoint(endpoint_of(server.url))
        PermissionBook().give("default", "127.0.0.1")
        panel = show_agent(slide_window, qtbot)
        choose(panel, "giant")
        qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: state(slide_window) is AgentState.FINISHED, timeout=_LONG_MS)
        qtbot.waitUntil(lambda: "Keratin." in panel.answer.toPlainText())
        assert "Dense (region 1)" in panel.answer.toPlainText()
        assert "tokens in" in panel.note.text()
        center = slide_window.panes.active.canvas.view.center
        assert center == pytest.approx((1050, 1100), abs=2)


def test_the_model_is_chosen_in_a_dialog(slide_window: MainWindow, qtbot: QtBot) -> None:
    slide_window.commands["agent.model"].trigger()
    dialog = open_dialog(slide_window, EndpointDialog, qtbot)
    assert isinstance(dialog, EndpointDialog)
    buttons = dialog.findChild(QDialogButtonBox)
    assert buttons is not None
    ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
    dialog.base_url.setText("https://models.example.org/v1")
    dialog.model.setText("path-vlm")
    qtbot.mouseClick(ok, Qt.MouseButton.LeftButton)
    assert "allowed hosts" in dialog.complaint.text()
    with model_server([Say("Red."), Fail(401, "bad key")]) as server:
        dialog.base_url.setText(server.url)
        qtbot.mouseClick(dialog.test, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: dialog.complaint.text().startswith("Connected: path-vlm at 127"))
        assert len(pictures_of(server.requests[0])) == 1
        qtbot.mouseClick(dialog.test, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "401: bad key" in dialog.complaint.text())
    assert "Key" in dialog.complaint.text()
    dialog.base_url.setText("https://models.example.org/v1")
    dialog.hosts.setText("models.example.org")
    qtbot.mouseClick(ok, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: load_endpoint().model == "path-vlm")
    assert "models.example.org" in load_endpoint().allowed_hosts


def test_a_walk_becomes_annotations_and_a_report(
    slide_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    told = {"text": "Keratin, see <b>there</b>."}
    mark = {"label": "Keratin pearl", "text": "Whorls."}
    look = {"x0": 800, "y0": 900, "x1": 1300, "y1": 1300}
    script = [
        Say(calls=(("look", look),)),
        Say(calls=(("mark", mark),)),
        Say(calls=(("answer", told),)),
    ]
    with model_server(script) as server:
        save_endpoint(endpoint_of(server.url))
        PermissionBook().give("default", "127.0.0.1")
        pane = slide_window.panes.active
        qtbot.waitUntil(lambda: slide_window.annotations.of(pane) is not None)
        panel = show_agent(slide_window, qtbot)
        choose(panel, "giant")
        qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: state(slide_window) is AgentState.FINISHED, timeout=_LONG_MS)
        qtbot.waitUntil(lambda: panel.report.isEnabled())
    here, sets = slide_window.annotations.of(pane), slide_window.annotations.active_sets
    assert here is not None
    assert sets is not None
    document = set_document(slide_window, qtbot, "Agent's findings")
    (found,) = document
    assert (found.name, found.class_name) == ("Keratin pearl", "Agent's finding")
    assert found.description == "Whorls."
    assert len(here.document) == 0
    assert [each.label for each in sets.entries if each.is_shown] == ["My annotations"]
    qtbot.mouseClick(panel.report, Qt.MouseButton.LeftButton)
    dialog = open_dialog(slide_window, ReportDialog, qtbot)
    assert isinstance(dialog, ReportDialog)
    assert "Draft for research" in dialog.preview.toPlainText()
    assert "see <b>there</b>" in dialog.preview.toPlainText()
    for name in ("report.pdf", "report.md"):
        dialog.save.click()
        chooser = open_dialog(slide_window, QFileDialog, qtbot)
        assert isinstance(chooser, QFileDialog)
        assert [Path(each).name for each in chooser.selectedFiles()] == ["draft report.pdf"]
        chooser.fileSelected.emit(str(tmp_path / name))
        chooser.reject()
        qtbot.waitUntil((tmp_path / name).exists, timeout=_LONG_MS)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "Keratin pearl" in (tmp_path / "report.md").read_text("utf-8")


def test_what_was_trained_on_readers_is_offered_for_proposals(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    regions_by = slide_window.agents.panel.regions_by
    qtbot.waitUntil(lambda: regions_by.findData("Where to look") > 0)
    assert regions_by.currentData() == ""


def test_an_agent_that_fails_to_start_leaves_no_session(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    with model_server([Fail(401, "bad key")]) as server:
        save_endpoint(endpoint_of(server.url))
        PermissionBook().give("default", "127.0.0.1")
        panel = show_agent(slide_window, qtbot)
        choose(panel, "giant")
        qtbot.mouseClick(panel.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: state(slide_window) is AgentState.FAILED, timeout=_LONG_MS)
        qtbot.waitUntil(lambda: Library().summaries() == [])
