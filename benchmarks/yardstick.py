"""The yardstick: the same jumps in a browser, OpenSeadragon over OpenSlide's DeepZoomGenerator.

Needs chromium and npm; left out with a reason where one is absent.
"""

from __future__ import annotations

import io
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openslide
from openslide.deepzoom import DeepZoomGenerator

from benchmarks.browse import jump_points
from benchmarks.report import Figure

_HERE = Path(__file__).resolve().parent / "openseadragon"
_SCRIPT = _HERE / "node_modules/openseadragon/build/openseadragon/openseadragon.min.js"
_PATIENCE_S = 240
_CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1920,1080",
)


def run(slide: Path) -> list[Figure]:
    """Open and jumps until fully drawn; no figures where the browser cannot run."""
    browser = shutil.which("chromium")
    if browser is None:
        print("OpenSeadragon is left out: chromium is not installed (apt-get install chromium).")
        return []
    if not _SCRIPT.exists():
        if shutil.which("npm") is None:
            print("OpenSeadragon is left out: npm is not installed.")
            return []
        subprocess.run(["npm", "install", "--silent"], cwd=_HERE, check=True)
    with _Server(slide) as server, tempfile.TemporaryDirectory() as profile:
        address = f"http://127.0.0.1:{server.server_port}/"
        command = [browser, *_CHROMIUM, f"--user-data-dir={profile}", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not server.has_result.wait(_PATIENCE_S):
                print(f"OpenSeadragon is left out: no result within {_PATIENCE_S} s.")
                return []
        finally:
            process.terminate()
            process.wait(10)
    result = server.result
    jump_ms = statistics.median(result["jumps_ms"])
    return [
        Figure("yardstick", "OpenSeadragon, open to sharp", result["open_ms"], "ms"),
        Figure("yardstick", "OpenSeadragon, jump to sharp, median", jump_ms, "ms"),
    ]


def compared(ours: list[Figure], theirs: list[Figure]) -> list[Figure]:
    """Return how many times as fast as OpenSeadragon we are, from figures of the same run."""
    our_ms = {figure.name: figure.value for figure in ours}
    names = {"open to sharp": 5.0, "jump to sharp, median": 20.0}
    return [
        Figure(
            "yardstick",
            f"OpenSeadragon / ours, {name}",
            figure.value / our_ms[name],
            "x",
            names[name],
            at_least=True,
        )
        for figure in theirs
        if (name := figure.name.removeprefix("OpenSeadragon, ")) in our_ms
    ]


class _Server(ThreadingHTTPServer):
    """Serves the page, the slide's tiles and the places; takes the result. Loopback only."""

    daemon_threads = True

    def __init__(self, slide: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        source = openslide.OpenSlide(slide)
        self.tiles = DeepZoomGenerator(source, tile_size=254, overlap=1)
        self.places = [list(place) for place in jump_points(source.dimensions[0])]
        self.has_result = threading.Event()
        self.result: dict[str, list[float]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path
        if path == "/":
            self._send((_HERE / "page.html").read_bytes(), "text/html")
        elif path == "/openseadragon.js":
            self._send(_SCRIPT.read_bytes(), "text/javascript")
        elif path == "/places.json":
            self._send(json.dumps(self.server.places).encode(), "application/json")
        elif path == "/slide.dzi":
            self._send(self.server.tiles.get_dzi("jpeg").encode(), "application/xml")
        elif path.startswith("/slide_files/"):
            level, name = path.split("/")[2:4]
            column, row = name.removesuffix(".jpeg").split("_")
            tile = self.server.tiles.get_tile(int(level), (int(column), int(row)))
            buffer = io.BytesIO()
            tile.save(buffer, "jpeg", quality=75)
            self._send(buffer.getvalue(), "image/jpeg")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.server.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(b"{}", "application/json")
        self.server.has_result.set()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
