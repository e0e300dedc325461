"""What is kept from one start to the next, and what happens when something fails."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot
from ui_steps import CTRL, SHIFT, open_dialog, press, show_slide

from viewer.folders import config_folder, data_folder
from viewer.progress import while_wanted
from viewer.settings import load_settings
from viewer.ui import background_queue, background_runner
from viewer.ui.background_runner import BackgroundRunner, Urgency
from viewer.ui.crash_dialog import CrashWatch
from viewer.ui.main_window import MainWindow
from viewer.ui.recent import MOST_RECENT, with_recent
from viewer.ui.settings_dialog import SettingsDialog
from viewer.ui.theme import DARK, LIGHT, current_theme


def test_docks_and_size_are_kept(make_window: Callable[[], MainWindow], qtbot: QtBot) -> None:
    window = make_window()
    press(qtbot, window, Qt.Key.Key_T, CTRL)
    press(qtbot, window, Qt.Key.Key_C, SHIFT)
    window.resize(900, 640)
    window.close()
    again = make_window()
    assert again.slides.isVisible()
    assert again.display.isVisible()
    assert not again.properties.isVisible()
    assert again.commands["panels.tray"].isChecked()
    assert not again.commands["panels.properties"].isChecked()


def test_a_spoilt_window_state_gives_the_first_one_and_what_was_left_goes(
    make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    (config_folder() / "window.ini").write_bytes(b"\x00\xffnot an ini\n[General]\ngeometry=7\n")
    left = data_folder() / f".settings.json-{'0f' * 6}.part"
    left.write_text("{}")
    os.utime(left, (0, 0))
    assert make_window().isVisible()
    qtbot.waitUntil(lambda: not left.exists(), timeout=20_000)


def test_recent_slides_are_kept_and_open_again(
    slide_window: MainWindow,
    make_window: Callable[[], MainWindow],
    sample_slide: Path,
    qtbot: QtBot,
) -> None:
    slide_window.close()
    assert load_settings(config_folder()).recent_slides == [str(sample_slide)]
    again = make_window()
    action = again.recent_menu.actions()[0]
    assert action.text() == sample_slide.name
    with qtbot.waitSignal(again.panes.active.opened):
        action.trigger()
    again.recent_menu.actions()[-1].trigger()
    assert again.settings.recent_slides == []


def test_recent_slides_are_bounded_and_newest_first() -> None:
    recent: list[str] = []
    for number in range(MOST_RECENT + 5):
        recent = with_recent(recent, Path(f"/slides/{number}.svs"))
    recent = with_recent(recent, Path("/slides/10.svs"))
    assert recent[0] == str(Path("/slides/10.svs"))
    assert len(recent) == len(set(recent)) == MOST_RECENT


def test_the_theme_changes_at_once_and_is_kept(
    window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot
) -> None:
    assert current_theme() is DARK
    dark_icon = window.commands["file.open"].icon().pixmap(20, 20).toImage()
    press(qtbot, window, Qt.Key.Key_Comma, CTRL)
    dialog = open_dialog(window, SettingsDialog, qtbot)
    assert isinstance(dialog, SettingsDialog)
    window.commands["view.dark_theme"].trigger()
    dialog.reject()
    assert current_theme() is LIGHT
    assert window.commands["file.open"].icon().pixmap(20, 20).toImage() != dark_icon
    window.close()
    assert load_settings(config_folder()).theme == "light"


def test_furniture_is_a_setting(slide_window: MainWindow, qtbot: QtBot) -> None:
    canvas = slide_window.panes.active.canvas
    assert canvas.overview_rect is not None
    press(qtbot, slide_window, Qt.Key.Key_M, CTRL)
    assert canvas.overview_rect is None
    slide_window.commands["panes.add"].trigger()
    assert not slide_window.settings.show_overview


def test_full_screen_and_back_by_escape(slide_window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, slide_window, Qt.Key.Key_F11)
    qtbot.waitUntil(slide_window.isFullScreen)
    assert slide_window.commands["view.full_screen"].isChecked()
    press(qtbot, slide_window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not slide_window.isFullScreen())
    assert not slide_window.commands["view.full_screen"].isChecked()


def test_closing_leaves_no_thread_behind(
    window: MainWindow, sample_slide: Path, qtbot: QtBot
) -> None:
    before = set(threading.enumerate())
    show_slide(window, sample_slide, qtbot)
    assert not window.slides.isVisible()
    window.open_paths([sample_slide.parent])
    qtbot.waitUntil(window.slides.isVisible)  # while the folder is listed
    window.close()
    qtbot.waitUntil(lambda: set(threading.enumerate()) <= before)


def test_closing_twice_ends_nothing_twice(
    window: MainWindow, recwarn: pytest.WarningsRecorder
) -> None:
    window.close()
    window.close()
    assert [str(each.message) for each in recwarn] == []


@pytest.fixture
def crash_watch() -> Iterator[CrashWatch]:
    watch = CrashWatch()
    watch.install()
    yield watch
    if watch.dialog is not None:
        watch.dialog.close()
    watch.remove()


def test_an_unexpected_error_shows_one_report_and_the_window_goes_on(
    window: MainWindow, crash_watch: CrashWatch, qtbot: QtBot
) -> None:
    def fail() -> None:
        raise RuntimeError("the lamp is broken")

    for _ in range(2):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    qtbot.waitUntil(lambda: crash_watch.dialog is not None)
    dialog = crash_watch.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.report.toPlainText().count("RuntimeError: the lamp") == 2)
    qtbot.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    assert "the lamp is broken" in QGuiApplication.clipboard().text()
    dialog.reject()
    qtbot.waitUntil(lambda: crash_watch.dialog is None)
    assert window.isVisible()


def test_background_work_is_delivered_here_and_late_results_are_dropped(qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    begun, go = threading.Event(), threading.Event()
    done: list[object] = []
    dropped: list[object] = []

    def wait() -> bool:
        begun.set()
        return go.wait(10)

    first = background.run(wait, done.append, dropped=dropped.append)
    assert begun.wait(10)
    background.run(lambda: threading.get_ident(), done.append)
    background.run(lambda: 1 // 0, done.append, lambda error: done.append(type(error)))
    first.cancel()
    go.set()
    qtbot.waitUntil(lambda: len(done) == 2)
    assert done[0] != threading.get_ident()
    assert done[1] is ZeroDivisionError
    qtbot.waitUntil(lambda: dropped == [True])
    background.close()
    assert background.run(lambda: 1, done.append).canceled


def test_a_thread_that_is_done_takes_what_comes_next_and_holds_nothing(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To start one takes the window a turn of each that computes; none stays for long."""
    queue = background_queue.BackgroundQueue()
    monkeypatch.setattr(background_runner, "QUEUE", queue)
    monkeypatch.setattr(background_queue, "_IDLE_S", 0.5)
    background = BackgroundRunner("test", 3)

    class Result:
        thread: threading.Thread

    def work() -> Result:
        result = Result()
        result.thread = threading.current_thread()
        return result

    threads: list[threading.Thread] = []
    results: list[weakref.ref[Result]] = []

    def take(result: Result) -> None:
        results.append(weakref.ref(result))
        threads.append(result.thread)

    for count in range(1, 6):
        background.run(work, take)
        qtbot.waitUntil(lambda count=count: len(threads) == count and queue._idle_count == 1)
    assert len(set(threads)) == 1
    qtbot.waitUntil(lambda: all(each() is None for each in results))
    for _ in range(200):
        background.run(work, take)
    qtbot.waitUntil(lambda: len(threads) == 205)
    qtbot.waitUntil(lambda: not any(each.is_alive() for each in threads))
    # One that was started late may have found nothing left to do, and is in no result.
    qtbot.waitUntil(lambda: (queue._idle_count, len(queue._given)) == (0, 0))
    background.close()


def test_what_is_asked_for_goes_before_what_is_in_sight_and_the_rest(qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    begun, go = threading.Event(), threading.Event()
    order: list[str] = []
    background.run(lambda: (begun.set(), go.wait(10)), lambda _: None)
    assert begun.wait(10)
    background.run(lambda: "rest", order.append, urgency=Urgency.REST)
    background.run(lambda: "in sight", order.append, urgency=Urgency.IN_SIGHT)

    def work_for_nobody() -> str:
        order.append("gone")
        return "gone"

    gone = background.run(work_for_nobody, order.append, urgency=Urgency.IN_SIGHT)
    background.run(lambda: "asked", order.append)
    gone.cancel()
    assert background.waiting_count == 3
    go.set()
    qtbot.waitUntil(lambda: len(order) == 3)
    assert order == ["asked", "in sight", "rest"]
    background.close()


def test_of_too_much_that_nobody_asked_for_the_oldest_is_dropped(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_queue, "_MOST_UNASKED", 10)
    background = BackgroundRunner("test", 1)
    go = threading.Event()
    done: list[object] = []
    refused: list[str] = []
    background.run(lambda: go.wait(10), lambda _: None)
    for number in range(30):
        background.run(lambda number=number: number, done.append)
        background.run(
            lambda number=number: number,
            done.append,
            lambda error, number=number: refused.append(f"{type(error).__name__} {number}"),
            urgency=Urgency.IN_SIGHT,
        )
    assert background.waiting_count <= 30 + 10
    go.set()
    qtbot.waitUntil(lambda: len(done) + len(refused) == 60)
    assert done[:30] == list(range(30)), "what was asked for is never dropped"
    assert done[-1] == 29
    assert refused[0] == "DroppedError 0"
    background.close()


def test_one_thread_is_left_to_what_is_asked_for(qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 2)
    go = threading.Event()
    done: list[object] = []
    for _ in range(3):
        background.run(lambda: go.wait(10), done.append, urgency=Urgency.IN_SIGHT)
    background.run(lambda: "asked", done.append)
    qtbot.waitUntil(lambda: done == ["asked"])
    go.set()
    qtbot.waitUntil(lambda: len(done) == 4)
    background.close()


def test_parts_share_the_order_of_what_nobody_asked_for(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_queue, "_MOST_UNASKED_AT_ONCE", 1)
    first, second = BackgroundRunner("first", 1), BackgroundRunner("second", 1)
    begun, go = threading.Event(), threading.Event()
    order: list[str] = []
    first.run(lambda: (begun.set(), go.wait(10)), lambda _: None, urgency=Urgency.REST)
    assert begun.wait(10)
    second.run(lambda: order.append("rest"), lambda _: None, urgency=Urgency.REST)
    first.run(lambda: order.append("in sight"), lambda _: None, urgency=Urgency.IN_SIGHT)
    second.run(lambda: "asked", order.append)
    qtbot.waitUntil(lambda: order == ["asked"])
    go.set()
    qtbot.waitUntil(lambda: len(order) == 3)
    assert order == ["asked", "in sight", "rest"]
    first.close()
    second.close()


def test_what_a_drive_holds_up_does_not_hold_up_other_parts(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_queue, "_MOST_UNASKED_AT_ONCE", 1)
    monkeypatch.setattr(background_queue, "_HELD_UP_S", 0.0)
    stuck, other = BackgroundRunner("stuck", 1), BackgroundRunner("other", 1)
    begun, go = threading.Event(), threading.Event()
    done: list[object] = []
    stuck.run(lambda: (begun.set(), go.wait(10)), lambda _: None, urgency=Urgency.REST)
    assert begun.wait(10)
    other.run(lambda: "done", done.append, urgency=Urgency.REST)
    qtbot.waitUntil(lambda: done == ["done"])
    go.set()
    stuck.close()
    other.close()


def _pass(_: object = None) -> None:
    pass


def test_more_than_can_ever_be_done_is_refused_with_a_word(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_queue, "_MOST_ASKED", 5)
    held_up, other = BackgroundRunner("held up", 1), BackgroundRunner("other", 1)
    begun, go = threading.Event(), threading.Event()
    done: list[object] = []
    refused: list[str] = []
    held_up.run(lambda: (begun.set(), go.wait(10)), lambda _: None)
    assert begun.wait(10)
    canceled = [held_up.run(lambda: "canceled", done.append) for _ in range(3)]
    for each in canceled:
        each.cancel()
    for number in range(7):
        held_up.run(
            lambda number=number: number, done.append, lambda error: refused.append(str(error))
        )
    other.run(lambda: "other", done.append)
    qtbot.waitUntil(lambda: len(refused) == 2 and done == ["other"])
    assert refused[0].startswith("Too much waits to be done")
    go.set()
    qtbot.waitUntil(lambda: len(done) == 6)
    assert done == ["other", 0, 1, 2, 3, 4], "what is taken is done; what is canceled has no room"
    held_up.close()
    other.close()


@pytest.mark.parametrize("place", ["work", "done", "failed", "dropped"])
def test_what_is_canceled_is_held_no_longer(place: str, qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    go = threading.Event()
    held = {"large"}
    gone: list[object] = []
    weakref.finalize(held, gone.append, "gone")
    background.run(lambda: go.wait(10), lambda _: None)

    def hold(_: object = None, held: object = held) -> object:
        return held

    work, done, failed, dropped = (
        hold if each == place else _pass for each in ("work", "done", "failed", "dropped")
    )
    task = background.run(work, done, failed, dropped)
    task.cancel()
    del held, hold, work, done, failed, dropped
    qtbot.waitUntil(lambda: gone == ["gone"])
    go.set()
    background.close()


def test_work_that_says_how_far_it_is_ends_once_canceled_and_lets_go(qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    held = {"large"}
    gone: list[object] = []
    weakref.finalize(held, gone.append, "gone")
    begun = threading.Event()

    def work(held: object = held) -> object:
        for number in while_wanted(itertools.count()):
            begun.set()
            assert number < 10**9
        return held

    task = background.run(work, gone.append, gone.append, gone.append)
    del held, work
    assert begun.wait(10)
    gc.disable()
    try:
        task.cancel()
        qtbot.waitUntil(lambda: gone == ["gone"])
    finally:
        gc.enable()
    background.close()


def test_writing_is_finished_before_the_end(tmp_path: Path, qtbot: QtBot) -> None:
    background = BackgroundRunner("test", 1)
    for number in range(20):
        path = tmp_path / str(number)
        background.run(lambda path=path: path.write_text("kept"), lambda _: None)
    background.close(finish=True)
    assert len(list(tmp_path.iterdir())) == 20


def test_what_cannot_be_written_at_the_end_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    background = BackgroundRunner("test", 1)
    told: list[object] = []
    for number in range(3):
        path = tmp_path / "no folder" / str(number)
        background.run(lambda path=path: path.write_text("lost"), told.append, told.append)
    background.close(finish=True)
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [type(error) for error in errors] == [FileNotFoundError] * 3
    assert not told, "nobody is there any more"


def test_hidden_panels_take_no_room(window: MainWindow) -> None:
    assert (window.width(), window.height()) == (1000, 700)
