"""Serves a page with OpenSeadragon and the tiles of a slide, on the loopback alone."""

from __future__ import annotations

import io
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, cast

import openslide
from openslide.deepzoom import DeepZoomGenerator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DEEPZOOM = re.compile(r"/(slide\.dzi|slide_files/\d+/\d+_\d+\.jpeg)")
_KINDS = {".html": "text/html", ".js": "text/javascript", ".json": "application/json"}


class SlidePages(ThreadingHTTPServer):
    """A page is at "/", the slide at "/slide.dzi" with tiles of DeepZoomGenerator.

    Parameters
    ----------
    files
        What else is served: a file, or its content, by its path such as "/settings.json".
    encoding
        Of the tiles, with its options in `Image.save`.
    ready_tiles
        A folder with `slide.dzi` and `slide_files` that is served instead.
    """

    daemon_threads = True

    def __init__(
        self,
        slide: Path,
        page: Path,
        files: Mapping[str, Path | bytes],
        encoding: Literal["png", "jpeg"],
        ready_tiles: Path | None = None,
        **options: int,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.slide = openslide.OpenSlide(slide)
        self.tiles = DeepZoomGenerator(self.slide, tile_size=254, overlap=1)
        self.files: dict[str, Path | bytes] = {"/": page, **files}
        self.encoding, self.options = encoding, options
        self.ready_tiles = ready_tiles
        self.posted = b""
        """What the page sent."""
        self.has_posted = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, server = self.path.split("?")[0], cast("SlidePages", self.server)
        if (file := server.files.get(path)) is not None:
            kind = _KINDS["." + path.rpartition(".")[2]] if path != "/" else "text/html"
            self._send(file if isinstance(file, bytes) else file.read_bytes(), kind)
        elif server.ready_tiles is not None and (name := _DEEPZOOM.fullmatch(path)):
            ready = server.ready_tiles / name[1]
            kind = f"image/{server.encoding}" if ready.suffix != ".dzi" else "application/xml"
            self._send(ready.read_bytes(), kind)
        elif path == "/slide.dzi":
            self._send(server.tiles.get_dzi(server.encoding).encode(), "application/xml")
        elif path.startswith("/slide_files/"):
            level, name = path.split("/")[2:4]
            column, row = name.partition(".")[0].split("_")
            tile = server.tiles.get_tile(int(level), (int(column), int(row)))
            buffer = io.BytesIO()
            tile.save(buffer, server.encoding, **server.options)
            self._send(buffer.getvalue(), f"image/{server.encoding}")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        server = cast("SlidePages", self.server)
        server.posted = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(b"{}", "application/json")
        server.has_posted.set()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
