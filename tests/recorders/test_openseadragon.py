"""The recorder for OpenSeadragon in a real Chromium: what it records replays here."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import REPOSITORY, Chromium, PageServer, Tab, chromium_path
from PIL import Image
from session_lines import read_lines

from viewer.geometry import Size
from viewer.recording.behaviors import actions_of
from viewer.recording.events import Click, Pointer
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.recording.replay import recorded_view
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        chromium_path() is None or shutil.which("npm") is None,
        reason="needs Chromium, and npm for OpenSeadragon",
    ),
]
SLIDE = REPOSITORY / "resources/slides/CMU-1-Small-Region.svs"
VERSIONS = ("3", "4", "5", "6")


@pytest.fixture(scope="module")
def openseadragon(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the script of a version, from npm."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true}')
    wanted = [f"v{version}@npm:openseadragon@{version}" for version in VERSIONS]
    done = subprocess.run(
        ["npm", "install", "--silent", *wanted], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"OpenSeadragon cannot be fetched with npm: {done.stderr[-200:]}")
    part = "build/openseadragon/openseadragon.min.js"
    return lambda version: folder / "node_modules" / f"v{version}" / part


class Receiver:
    """`coverslip record serve` in a process of its own."""

    def __init__(self, home: Path, port: int = 0) -> None:
        self.home = home
        command = [sys.executable, str(REPOSITORY / "app.py"), "record", "serve"]
        command += ["--port", str(port), "--slides", str(SLIDE.parent)]
        command += ["--token-file", str(home / "token")]
        home.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            command,
            env=os.environ | {"COVERSLIP_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        found: dict[str, str] = {}
        while "Token" not in found:
            line = self.process.stdout.readline()
            assert line, "the server ended"
            name, _, value = line.strip().partition(": ")
            found[name] = value
        self.address, self.token = found["Address"], found["Token"]

    def end(self) -> list[Path]:
        """Interrupt it as Ctrl+C does; the sessions that it made."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(60) == 0
        return Library(self.home / "data" / "sessions").folders()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "home")
    yield made
    made.process.kill()
    made.process.wait(20)


def settings(address: str, token: str) -> dict[str, object]:
    slide = {"name": SLIDE.name, "mpp_um": [0.499, 0.499], "objective_power": 20}
    return {"server": address, "token": token, "reader": "reader-7", "slide": slide}


def agree(tab: Tab) -> None:
    """The reader presses "Record" in the page."""
    tab.wait_for("Boolean(document.querySelector('[data-coverslip=agree]'))")
    assert tab.run("recorder.session") is None
    find = "document.querySelector('[data-coverslip=agree]').getBoundingClientRect()"
    x, y = tab.run(f"(() => {{ const r = {find}; return [r.x + r.width/2, r.y + r.height/2]; }})()")
    tab.mouse("mouseMoved", x, y)
    tab.mouse("mousePressed", x, y, button="left", clickCount=1)
    tab.mouse("mouseReleased", x, y, button="left", clickCount=1)
    tab.wait_for("recorder.state === 'on' && recorder.session")


def walk(tab: Tab) -> None:
    """Zoom in with the wheel, stay, drag, stay."""
    for _ in range(4):
        tab.wheel(450, 300, -120)
        time.sleep(0.1)
    time.sleep(2.2)
    tab.drag((500, 350), (420, 290))
    time.sleep(2.2)


def gray(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), np.float64)


def shift_px(first: np.ndarray, second: np.ndarray) -> float:
    """How far two pictures of the same lie apart, by the peak of their phase correlation."""
    window = np.outer(np.hanning(first.shape[0]), np.hanning(first.shape[1]))
    spectra = [np.fft.fft2((each - each.mean()) * window) for each in (first, second)]
    cross = spectra[0] * spectra[1].conj()
    found = np.fft.fftshift(np.fft.ifft2(cross / (np.abs(cross) + 1e-9)).real)
    peak = np.unravel_index(found.argmax(), found.shape)
    around = found[peak[0] - 2 : peak[0] + 3, peak[1] - 2 : peak[1] + 3].clip(0)
    offsets = np.arange(-2, 3)
    down = peak[0] - first.shape[0] // 2 + (around.sum(1) * offsets).sum() / around.sum()
    across = peak[1] - first.shape[1] // 2 + (around.sum(0) * offsets).sum() / around.sum()
    return float(np.hypot(down, across))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_is_read_and_its_session_replays_here(
    version: str, openseadragon: Callable[[str], Path], receiver: Receiver, tmp_path: Path
) -> None:
    page = settings(receiver.address, receiver.token)
    with (
        PageServer(SLIDE, openseadragon(version), page) as server,
        Chromium(tmp_path / "profile") as browser,
    ):
        tab = browser.tab(server.address)
        agree(tab)
        walk(tab)
        tab.run("viewer.viewport.setRotation(30); viewer.viewport.setFlip(true); 0")
        time.sleep(2.5)
        tab.run("sharp()")
        tab.run("document.querySelector('[role=status]').style.display = 'none'")
        shown = tab.picture()
        size = Size(*tab.run("[viewer.container.clientWidth, viewer.container.clientHeight]"))
        marks = [[500, 700], [1400, 900], [1100, 1900]]
        theirs = tab.run(
            f"{marks}.map(([x, y]) => {{ const p = viewer.world.getItemAt(0)"
            ".imageToViewerElementCoordinates(new OpenSeadragon.Point(x, y)); return [p.x, p.y]; })"
        )
        raw = tab.run("recorder.text()")
        tab.run("recorder.stop()")
        assert tab.run("recorder.sessions()") == []
    (folder,) = receiver.end()
    assert verify(folder).is_good
    header, trace = read_header(folder), load_trace(folder)
    assert header.slide.identity.startswith("s1-")
    assert (header.reader, header.origin) == ("reader-7", "imported")
    assert header.imported_from == f"OpenSeadragon {raw and tab_version(raw)}"
    assert header.slide.name is None
    kinds = {type(line.event) for line in read_lines(folder)}
    assert {Click, Pointer} <= kinds
    assert {"open", "wheel", "drag", "flip"} <= set(trace.causes)
    view = recorded_view(trace, len(trace) - 1, size)
    assert view.mirrored
    assert view.rotation_deg == pytest.approx(30)
    # OpenSeadragon leaves mirroring out of its coordinates; on screen it is about the middle.
    for (x, y), (across, down) in zip(marks, theirs, strict=True):
        ours = view.to_screen(type(view.center)(x, y))
        assert ours == pytest.approx((size.width - across, down), abs=0.5)
    picture = tmp_path / "ours.png"
    command = [sys.executable, str(REPOSITORY / "app.py"), "shot", str(SLIDE), "-o", str(picture)]
    command += ["--center", f"{view.center.x},{view.center.y}", "--display", "raw"]
    command += ["--downsample", str(view.downsample), "--rotate", str(view.rotation_deg), "--flip"]
    subprocess.run([*command, "--size", f"{size.width:.0f}x{size.height:.0f}"], check=True)
    ours_px, theirs_px = gray(picture.read_bytes()), gray(shown)[: int(size.height)]
    half_down, half_across = ours_px.shape[0] // 2, ours_px.shape[1] // 2
    for rows in (slice(0, half_down), slice(half_down, 2 * half_down)):
        for columns in (slice(0, half_across), slice(half_across, 2 * half_across)):
            assert shift_px(ours_px[rows, columns], theirs_px[rows, columns]) < 1.0
    assert actions_of(trace, slide=header.slide.size)


def tab_version(raw: str) -> str:
    found = re.search(r'"viewer":"OpenSeadragon ([\d.]+)"', raw)
    return found[1] if found else ""


def test_a_tab_that_is_killed_loses_a_second_at_most(
    openseadragon: Callable[[str], Path], receiver: Receiver, tmp_path: Path
) -> None:
    page = settings(receiver.address, receiver.token)
    with (
        PageServer(SLIDE, openseadragon("5"), page) as server,
        Chromium(tmp_path / "profile") as browser,
    ):
        known = browser.renderers()
        tab = browser.tab(server.address)
        agree(tab)
        walk(tab)
        time.sleep(3)  # still looked at, although nothing happens
        elapsed_ns = tab.run("Math.round(recorder._now() * 1e6)")
        for process in browser.renderers() - known or browser.renderers():
            os.kill(process, signal.SIGKILL)
    (folder,) = receiver.end()
    last = read_lines(folder)[-1]
    assert last.elapsed_ns >= elapsed_ns - 1_000_000_000
    assert "without closing" in read_header(folder).repairs[0].note
    assert load_trace(folder).looked_s().sum() >= elapsed_ns / 1e9 - 1.5


def test_what_no_server_took_is_sent_when_the_page_is_opened_again(
    openseadragon: Callable[[str], Path], receiver: Receiver, tmp_path: Path
) -> None:
    assert receiver.end() == []  # its port is free: nobody answers
    port = int(receiver.address.rpartition(":")[2].partition("/")[0])
    page = settings(receiver.address, receiver.token)
    with (
        PageServer(SLIDE, openseadragon("6"), page) as server,
        Chromium(tmp_path / "profile") as browser,
    ):
        tab = browser.tab(server.address)
        agree(tab)
        walk(tab)
        tab.wait_for("recorder._said.includes('does not answer')")
        elapsed_ns = tab.run("Math.round(recorder._now() * 1e6)")
        for process in browser.renderers():
            os.kill(process, signal.SIGKILL)
        again = Receiver(receiver.home, port)
        try:
            assert again.token == receiver.token
            tab = browser.tab(server.address)
            agree(tab)
            tab.wait_for("recorder.sessions().then((all) => all.length === 1)")
            tab.run("recorder.stop()")
            folders = again.end()
        finally:
            again.process.kill()
    assert len(folders) == 2
    last = read_lines(folders[1])[-1]
    assert last.elapsed_ns >= elapsed_ns - 1_000_000_000
    assert {"wheel", "drag"} <= set(load_trace(folders[1]).causes)


def test_absences_another_slide_and_the_end_of_a_page(
    openseadragon: Callable[[str], Path], receiver: Receiver, tmp_path: Path
) -> None:
    page = settings(receiver.address, receiver.token)
    with (
        PageServer(SLIDE, openseadragon("4"), page) as server,
        Chromium(tmp_path / "profile") as browser,
    ):
        tab = browser.tab(server.address)
        agree(tab)
        tab.wheel(450, 300, -240)
        time.sleep(1.5)
        first = tab.run("recorder.session")
        tab.run("viewer.open('/slide.dzi'); 0")
        tab.wait_for(f"recorder.session && recorder.session !== '{first}'")
        tab.call("Emulation.setFocusEmulationEnabled", enabled=False)
        other = browser.tab("about:blank")
        browser.call("Target.activateTarget", targetId=other.target)
        tab.wait_for("document.visibilityState === 'hidden'")
        time.sleep(1)
        browser.call("Target.activateTarget", targetId=tab.target)
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.wait_for("document.hasFocus() && recorder._hasFocus")
        time.sleep(11.5)
        tab.mouse("mouseMoved", 300, 300)
        time.sleep(0.5)
        tab.run("recorder.pause(); 0")
        time.sleep(0.5)
        tab.run("recorder.resume(); 0")
        time.sleep(0.5)
        tab.call("Page.navigate", url="about:blank")
        time.sleep(2)
    second, first_folder = receiver.end()
    for folder in (first_folder, second):
        assert verify(folder).is_good
        assert read_header(folder).repairs == ()  # both ended well
    told = [
        (
            type(line.event).__name__,
            getattr(line.event, "begins", getattr(line.event, "gained", "")),
        )
        for line in read_lines(second)
    ]
    wanted = [
        ("FocusChanged", False), ("FocusChanged", True), ("IdleChanged", True),
        ("IdleChanged", False), ("PauseChanged", True), ("PauseChanged", False),
    ]  # fmt: skip
    found = iter(told)
    assert all(each in found for each in wanted), told
    assert 10 <= load_trace(second).duration_s - load_trace(second).looked_s().sum() <= 18


def test_who_declines_is_not_recorded(
    openseadragon: Callable[[str], Path], receiver: Receiver, tmp_path: Path
) -> None:
    page = settings(receiver.address, receiver.token)
    with (
        PageServer(SLIDE, openseadragon("6"), page) as server,
        Chromium(tmp_path / "profile") as browser,
    ):
        tab = browser.tab(server.address)
        tab.wait_for("Boolean(document.querySelector('[data-coverslip=decline]'))")
        tab.run("document.querySelector('[data-coverslip=decline]').click(); 0")
        tab.wait_for("recorder.state === 'off'")
        tab.wheel(450, 300, -240)
        time.sleep(1.5)
        assert tab.run("recorder.session") is None
        assert tab.run("recorder.sessions()") == []
    assert receiver.end() == []
