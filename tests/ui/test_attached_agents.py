"""An agent of another program reads in the window: allowed, watched, paused, taken over, let go."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from cli_steps import coverslip
from mcp_steps import stdio_session, text_of
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot
from session_lines import read_lines
from ui_steps import open_dialog

from viewer.agents.agent_events import AgentState
from viewer.agents.clients.attachment import AttachedDesk
from viewer.agents.errors import AgentError
from viewer.annotations.sets.annotation_set import AGENT_SET
from viewer.recording.events import PauseChanged, ToolCalled
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header
from viewer.running_window import _socket_path, attach
from viewer.settings import Settings
from viewer.ui.agents.permission_dialog import ClientPermissionDialog
from viewer.ui.agents.report_dialog import ReportDialog
from viewer.ui.main_window import MainWindow

BOX = [500, 500, 1500, 1500]
_LONG_MS = 60_000


class Client:
    """The package's own client in a thread of its own, which is told what to call."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot = qtbot
        self.results: list[Any] = []
        self._calls: list[tuple[str, dict[str, object]]] = []
        self._changed = threading.Condition()
        self._is_over = False
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(self._serve,))
        self._thread.start()

    def begin(self, tool: str, **arguments: object) -> int:
        """Call a tool, and return the number of its result."""
        with self._changed:
            self._calls.append((tool, arguments))
            self._changed.notify_all()
            return len(self._calls) - 1

    def result(self, number: int) -> Any:
        self._qtbot.waitUntil(lambda: len(self.results) > number, timeout=_LONG_MS)
        return self.results[number]

    def call(self, tool: str, **arguments: object) -> Any:
        return self.result(self.begin(tool, **arguments))

    def leave(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._qtbot.waitUntil(lambda: not self._thread.is_alive(), timeout=_LONG_MS)
        assert self.problem is None

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            anyio.run(work)
        except BaseException as error:
            self.problem = error

    async def _serve(self) -> None:
        async with stdio_session("--attach") as session:
            while (call := await anyio.to_thread.run_sync(self._next)) is not None:
                self.results.append(await session.call_tool(*call))

    def _next(self) -> tuple[str, dict[str, object]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or len(self._calls) > len(self.results))
            return None if self._is_over else self._calls[len(self.results)]


@pytest.fixture
def client(slide_window: MainWindow, qtbot: QtBot) -> Iterator[Client]:
    slide_window.agents.clients.listen()
    made = Client(qtbot)
    yield made
    made.leave()


def allow(window: MainWindow, qtbot: QtBot) -> None:
    dialog = open_dialog(window, ClientPermissionDialog, qtbot)
    assert not dialog.allow.isEnabled()
    qtbot.mouseClick(dialog.understood, Qt.MouseButton.LeftButton, pos=QPoint(10, 10))
    qtbot.mouseClick(dialog.allow, Qt.MouseButton.LeftButton)


def in_thread(work: Callable[[], Any], qtbot: QtBot) -> Any:
    """What `work` gives in a thread of its own, while the window goes on."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        qtbot.waitUntil(future.done)
        return future.result()


def state(window: MainWindow) -> AgentState | None:
    return None if window.agents.walk is None else window.agents.walk.state


def test_a_client_reads_is_paused_taken_over_and_handed_back(
    slide_window: MainWindow, client: Client, sample_slide: Path, qtbot: QtBot
) -> None:
    window, banner = slide_window, slide_window.agents.clients.banner
    opened = client.begin("open_slide", path=str(sample_slide), question="Is it dense?")
    dialog = open_dialog(window, ClientPermissionDialog, qtbot)
    assert "calls itself mcp" in dialog.notice.text()
    assert not client.results
    allow(window, qtbot)
    assert client.result(opened).structured_content["width_px"] == 2220
    assert banner.isVisible()
    assert banner.sentence.text().startswith("mcp reads this slide")
    seen = client.call("look", box=BOX, magnification=10)
    assert [part.type for part in seen.content] == ["image", "text"]
    canvas = window.panes.active.canvas
    assert canvas.view.box.x0 <= BOX[0]
    assert canvas.view.box.x1 >= BOX[2]
    client.call("draft_annotation", label="Dense", text="Nuclei crowd.", box=BOX)

    # Paused: the call waits, and goes on with the reading.
    qtbot.mouseClick(banner.pause, Qt.MouseButton.LeftButton)
    assert state(window) is AgentState.PAUSED
    qtbot.waitUntil(lambda: banner.pause.text() == "Go on")
    waiting = client.begin("go_to", box=[100, 100, 400, 400])
    qtbot.wait(100)  # that no answer comes shows in time alone
    assert len(client.results) == waiting
    qtbot.mouseClick(banner.pause, Qt.MouseButton.LeftButton)
    assert client.result(waiting).structured_content["region"] == 2

    # Taken over by moving the slide, and handed back: the client is told.
    before = canvas.view
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 300))
    qtbot.mouseMove(canvas, QPoint(260, 340))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(260, 340))
    qtbot.waitUntil(lambda: state(window) is AgentState.TAKEN_OVER)
    qtbot.waitUntil(lambda: banner.pause.text() == "Hand back")
    assert canvas.view != before
    qtbot.keyClicks(window.agents.panel.remark, "look here")
    qtbot.keyClick(window.agents.panel.remark, Qt.Key.Key_Return)
    waiting = client.begin("measure", box=BOX)
    qtbot.mouseClick(banner.pause, Qt.MouseButton.LeftButton)
    told = client.result(waiting).structured_content
    assert told["width_um"] == pytest.approx(499.0)
    assert any("look here" in line for line in told["user"])
    assert any("moved the slide: region 3" in line for line in told["user"])

    answered = client.call("answer", text="It is.", evidence=[{"text": "Here", "box": BOX}])
    assert answered.structured_content["answer"]["claims"][0]["region"] == 1
    qtbot.waitUntil(lambda: "has answered" in banner.sentence.text())
    qtbot.mouseClick(window.agents.panel.report, Qt.MouseButton.LeftButton)
    report = open_dialog(window, ReportDialog, qtbot)
    assert "It is" in report.preview.toPlainText()
    report.reject()
    assert "It is" in client.call("report").structured_content["report"]
    sets = window.annotations.sets_of(window.panes.active)
    assert sets is not None
    qtbot.waitUntil(lambda: sets.named(AGENT_SET) is not None)

    (folder,) = (each for each in Library().folder.iterdir())
    header = read_header(folder)
    assert (header.origin, header.reader) == ("agent", "agent-mcp")
    qtbot.waitUntil(lambda: verify(folder).is_good)
    events = [line.event for line in read_lines(folder)]
    called = [event.tool for event in events if isinstance(event, ToolCalled)]
    assert called == ["look", "draft_annotation", "go_to", "measure", "answer"]
    assert sum(isinstance(event, PauseChanged) for event in events) == 4
    client.leave()
    qtbot.waitUntil(lambda: not banner.isVisible())


def test_what_the_user_does_not_allow_is_refused(
    slide_window: MainWindow, client: Client, tmp_path: Path, qtbot: QtBot
) -> None:
    window = slide_window
    opened = client.begin("open_slide")
    dialog = open_dialog(window, ClientPermissionDialog, qtbot)
    dialog.reject()
    assert text_of(client.result(opened)) == "The user does not let you read this slide."
    assert client.call("open_slide").is_error  # nor is the user asked again
    assert "Open a slide first" in text_of(client.call("overview"))
    assert window.agents.walk is None
    # Of a path nothing is said before the user allowed it.
    elsewhere = client.begin("open_slide", path=str(tmp_path / "none.svs"))
    asked = open_dialog(window, ClientPermissionDialog, qtbot)
    assert "none.svs" in asked.notice.text()
    asked.reject()
    assert client.result(elsewhere).is_error
    # One client: a second one is told so, and the first one is not disturbed.
    with pytest.raises(AgentError, match="Another agent is attached"):
        in_thread(AttachedDesk, qtbot)
    qtbot.mouseClick(window.agents.clients.banner.dismiss, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.agents.clients.banner.isVisible())
    assert "ended the attachment" in text_of(client.call("open_slide"))


def test_a_slide_that_is_not_open_is_opened_once_it_is_allowed(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    window.agents.clients.listen()
    client = Client(qtbot)
    assert "No slide is open" in text_of(client.call("open_slide"))
    opened = client.begin("open_slide", path=str(sample_slide))
    assert window.panes.active.path is None
    allow(window, qtbot)
    assert client.result(opened).structured_content["height_px"] == 2967
    assert window.panes.active.path == sample_slide
    assert not client.call("open_slide").is_error  # allowed as long as the client is attached
    window.commands["file.close"].trigger()
    assert client.call("overview").is_error
    client.leave()


def test_nonsense_at_the_socket_harms_nothing(slide_window: MainWindow, qtbot: QtBot) -> None:
    slide_window.agents.clients.listen()
    door = slide_window.agents.clients._door
    assert door is not None
    path = _socket_path("agents")
    assert path is not None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for data in (
        b"",
        b"\xff" * 100_000,
        b'{"jsonrpc": "2.0"}\n',
        b"\x05\0\0\0\0\0\0\0hello",
        b"\0",
    ):
        connection = in_thread(attach, qtbot)
        with contextlib.suppress(OSError):  # it was closed before all was written
            connection.sendall(data)
        connection.close()
        qtbot.waitUntil(lambda: door._client is None)
    assert slide_window.agents.walk is None
    assert not slide_window.agents.clients.banner.isVisible()
    slide_window.close()
    assert attach(0.2) is None


def test_nobody_attaches_where_settings_or_policy_forbid_it(
    make_window: Callable[..., MainWindow],
) -> None:
    window = make_window(Settings(attached_agents=False))
    window.agents.clients.listen()
    ended = coverslip("mcp", "--attach")
    assert ended.returncode == 2
    assert "No window runs" in ended.stderr
    assert json.dumps(ended.stdout) == '""'
