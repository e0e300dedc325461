"""Slides on servers in the window: the dialog, a server that is killed, recent slides, projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from cli_steps import coverslip
from PySide6.QtCore import Qt
from range_server import RangeServer
from served_slides import write_pyramid

from viewer.geometry import Point
from viewer.running_window import read_request
from viewer.slides.remote.address import RemotePath, slide_path
from viewer.studies.project import ProjectSlide, stored_path
from viewer.studies.project import slide_path as place_of
from viewer.ui.slides.address_dialog import AddressDialog

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from viewer.ui.main_window import MainWindow

SECRET = "S3CR3T"  # noqa: S105 - of nothing


def test_browsing_goes_on_when_a_killed_server_is_back(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    write_pyramid(tmp_path / "deflated.tif", compression="zlib")
    server = RangeServer(tmp_path).start()
    address = f"{server.address('deflated.tif')}?sig={SECRET}"
    window.file_commands.ask_for_address()
    dialog = next(each for each in window.findChildren(AddressDialog))
    qtbot.keyClicks(dialog.address, address)
    assert "127.0.0.1" in dialog.told.text()
    assert not server.log, "nothing is contacted before"
    qtbot.mouseClick(dialog.open_button, Qt.MouseButton.LeftButton)
    pane = window.panes.active
    qtbot.waitUntil(lambda: pane.source is not None and pane.canvas.is_sharp)
    assert SECRET not in window.windowTitle()
    assert SECRET not in "".join(window.settings.recent_slides)
    assert window.settings.recent_slides[0] == server.address("deflated.tif")

    server.stop()
    said: list[str] = []
    pane.canvas.server_silent.connect(said.append)
    pane.canvas.go_to(Point(1000.0, 1000.0), downsample=1.0)
    qtbot.waitUntil(lambda: pane.bars.notice.isVisible(), timeout=40_000)
    assert "does not answer" in pane.bars.notice.sentence.text()
    assert not pane.canvas.has_hole, "what was fetched stays"
    again = RangeServer(tmp_path, port=server.port).start()
    qtbot.waitUntil(
        lambda: pane.canvas.is_sharp and not pane.bars.notice.isVisible(), timeout=40_000
    )
    assert [bool(each) for each in said] == [True, False], "it is said once"
    pane.close_slide()
    again.log.clear()
    qtbot.waitUntil(lambda: bool(window.recent_menu.actions()))
    qtbot.wait(100)  # that nothing is asked for shows in time alone
    by_others = [each for each in again.log if SECRET not in each.query]
    assert not by_others, "the start page, which knows no secret, contacts no server"
    window.recent_menu.actions()[0].trigger()
    qtbot.waitUntil(lambda: pane.source is not None and pane.canvas.is_sharp)
    pane.close_slide()
    again.stop()


def test_the_dialog_says_who_is_contacted_and_what_others_see(qtbot: QtBot) -> None:
    dialog = AddressDialog()
    qtbot.addWidget(dialog)
    told = {
        "https://slides.example.org/a.tif": "will contact slides.example.org",
        "http://slides.example.org/a.tif": "others on the network can see",
        f"https://slides.example.org/a.tif?sig={SECRET}": "kept nowhere",
        "s3://bucket/a.tif": "S3 for the bucket bucket",
    }
    for address, words in told.items():
        dialog.address.setText(address)
        assert words in dialog.told.text()
        assert SECRET not in dialog.told.text()
        assert dialog.open_button.isEnabled()
    for end in range(1, len("http://[::1]:80/a.tif") + 1):  # as it is typed
        dialog.address.setText("http://[::1]:80/a.tif"[:end])
    assert dialog.open_button.isEnabled()
    dialog.address.setText("http://[bad/a.tif")
    assert not dialog.open_button.isEnabled()
    assert "is no address" in dialog.told.text()
    dialog.address.setText("ftp://host/a.tif")
    assert not dialog.open_button.isEnabled()
    assert "https://" in dialog.told.text()


def test_projects_and_later_starts_take_addresses(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    write_pyramid(tmp_path / "served" / "pyramid.tif", 512, compression="jpeg")
    server = RangeServer(tmp_path / "served").start()
    address = server.address("pyramid.tif")
    done = coverslip("projects", "create", tmp_path / "study", f"{address}?token={SECRET}")
    assert done.returncode == 0, done.stderr
    kept = (tmp_path / "study" / "project.json").read_text()
    assert address in kept
    assert SECRET not in kept
    slide = ProjectSlide(identity="x", path=stored_path(slide_path(address), tmp_path), name="x")
    assert isinstance(place_of(slide, tmp_path), RemotePath)
    asked = read_request(msgspec.json.encode({"paths": [f"{address}?token={SECRET}"]}))
    assert asked == [slide_path(address)]
    server.stop()
