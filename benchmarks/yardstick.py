"""The yardsticks: the same jumps in a browser, OpenSeadragon over two kinds of tiles.

The one are those of OpenSlide's DeepZoomGenerator, made when they are asked for, as most servers
do; the other lie ready on the disk, which is the fastest that OpenSeadragon can have.

Needs chromium and npm; left out with a reason where one is absent.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import openslide

from benchmarks.browse import REOPEN, jump_points
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


_MADE, _READY = "OpenSeadragon", "OpenSeadragon on ready tiles"
_TARGETS = {
    f"{_MADE}, open to sharp": 5.0,
    f"{_MADE}, jump to sharp, median": 20.0,
    f"{_READY}, open to sharp": 1.0,
    f"{_READY}, jump to sharp, median": 1.0,
}
"""How many times as fast we are to be."""


def run(slide: Path, ready_tiles: Path | None = None) -> list[Figure]:
    """Open and jumps until fully drawn; no figures where the browser cannot run.

    Parameters
    ----------
    ready_tiles
        A folder of DeepZoom tiles of the slide, see `deepzoom`; None for tiles made on demand.
    """
    browser = shutil.which("chromium")
    if browser is None:
        print("OpenSeadragon is left out: chromium is not installed (apt-get install chromium).")
        return []
    if not _SCRIPT.exists():
        if shutil.which("npm") is None:
            print("OpenSeadragon is left out: npm is not installed.")
            return []
        subprocess.run(["npm", "install", "--silent"], cwd=_HERE, check=True)
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "recorders"))
    from slide_pages import SlidePages

    with openslide.OpenSlide(slide) as source:
        places = json.dumps([list(place) for place in jump_points(source.dimensions[0])])
    files = {"/openseadragon.js": _SCRIPT, "/places.json": places.encode()}
    with (
        SlidePages(slide, _HERE / "page.html", files, "jpeg", ready_tiles, quality=75) as server,
        tempfile.TemporaryDirectory() as profile,
    ):
        command = [browser, *_CHROMIUM, f"--user-data-dir={profile}", server.address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not server.has_posted.wait(_PATIENCE_S):
                print(f"OpenSeadragon is left out: no result within {_PATIENCE_S} s.")
                return []
        finally:
            process.terminate()
            process.wait(10)
    result = json.loads(server.posted)
    jump_ms = statistics.median(result["jumps_ms"])
    name = _MADE if ready_tiles is None else _READY
    return [
        Figure("yardstick", f"{name}, open to sharp", result["open_ms"], "ms"),
        Figure("yardstick", f"{name}, jump to sharp, median", jump_ms, "ms"),
    ]


def compared(ours: list[Figure], theirs: list[Figure]) -> list[Figure]:
    """Return how many times as fast as OpenSeadragon we are, from figures of the same run."""
    our_ms = {figure.name: figure.value for figure in ours}
    compared: list[Figure] = []
    for figure in theirs:
        name, _, what = figure.name.partition(", ")
        factor, target = figure.value / our_ms[what], _TARGETS[figure.name]
        ratio = f"{name} / ours, {what}"
        compared.append(Figure("yardstick", ratio, factor, "x", target, at_least=True))
        if REOPEN.startswith(what):
            # The page that is measured runs already, as the program does that has a reader ready.
            ratio, factor = f"{name} / ours, {REOPEN}", figure.value / our_ms[REOPEN]
            compared.append(Figure("yardstick", ratio, factor, "x", 2 * target, at_least=True))
    return compared
