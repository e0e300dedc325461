"""Drives a real Chromium over its debugging pipe, and serves it a page with a slide."""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from slide_pages import SlidePages

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDER = REPOSITORY / "resources/recorders/openseadragon/coverslip-recorder.js"
PAGE = Path(__file__).with_name("page.html")


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


class Chromium:
    """One browser of its own profile; `call` speaks to it, `kill_tab` ends a tab's process."""

    def __init__(self, profile: Path) -> None:
        to_child, ours = os.pipe()
        theirs, from_child = os.pipe()

        def put_in_place() -> None:
            os.dup2(to_child, 3, inheritable=True)
            os.dup2(from_child, 4, inheritable=True)

        self.process = subprocess.Popen(
            [
                chromium_path() or "chromium", "--headless=new", "--no-sandbox", "--no-first-run",
                "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
                "--window-size=900,700", f"--user-data-dir={profile}", "about:blank",
            ],
            preexec_fn=put_in_place, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(to_child)
        os.close(from_child)
        self._out = os.fdopen(ours, "wb", buffering=0)
        self._in = os.fdopen(theirs, "rb", buffering=0)
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        self._number += 1
        number = self._number
        self._answers[number] = answer = queue.Queue()
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._out.write(json.dumps(message).encode() + b"\0")
        found = answer.get(timeout=60)
        assert "error" not in found, (method, found)
        return found["result"]

    def tab(self, address: str) -> Tab:
        """Open a page in a new tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.call("Page.navigate", url=address)
        return tab

    def renderers(self) -> set[int]:
        found = self.call("SystemInfo.getProcessInfo")["processInfo"]
        return {each["id"] for each in found if each["type"] == "renderer"}

    def _read(self) -> None:
        rest = b""
        while block := self._in.read(1 << 16):
            *messages, rest = (rest + block).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)


class Tab:
    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser, self.target, self._session = browser, target, session

    def call(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def run(self, script: str) -> Any:
        """Evaluate a script, wait for its promise, and return its value."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str, patience_s: float = 40.0) -> Any:
        until_s = time.monotonic() + patience_s
        while True:
            value = self.run(script)
            if value:
                return value
            assert time.monotonic() < until_s, f"it did not come about: {script}"
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **more: object) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, button="left", buttons=1, clickCount=1)
        for step in range(1, steps + 1):
            share = step / steps
            at = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            self.mouse("mouseMoved", *at, button="left", buttons=1)
            time.sleep(0.02)
        self.mouse("mouseReleased", *end, button="left", buttons=0, clickCount=1)

    def wheel(self, x: float, y: float, delta: float) -> None:
        self.mouse("mouseWheel", x, y, deltaX=0, deltaY=delta)

    def picture(self) -> bytes:
        """What the tab shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


class PageServer(SlidePages):
    """Serves the page, the recorder, OpenSeadragon and the tiles of a slide; loopback only."""

    def __init__(self, slide: Path, openseadragon: Path, settings: dict[str, object]) -> None:
        files = {
            "/openseadragon.js": openseadragon,
            "/coverslip-recorder.js": RECORDER,
            "/settings.json": json.dumps(settings).encode(),
        }
        super().__init__(slide, PAGE, files, "png", compress_level=1)
