"""Nothing but the helper reaches a network, and nobody does while nothing is asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest

from viewer.processes.confinement.launching import confinement_gap

if TYPE_CHECKING:
    from collections.abc import Generator

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "app.py"
SLIDE = REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"
NEVER_IN_THE_WINDOW = (
    *(
        "openslide",
        "_imagingcms",
        "lcms",
        "imagecodecs/_tiff",
        "_jpeg2k",
        "libtorch",
        "onnxruntime",
    ),
    *("libarrow", "h5py", "numcodecs", "duckdb", "lance", "sklearn", "skimage"),
)
"""Parts of the names of libraries."""


def inet_connections(process: psutil.Process) -> list[str]:
    """Connections to any network, this machine's own included, of a process and all below it."""
    found: list[str] = []
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found += [f"{each.name()}: {one}" for one in each.net_connections("inet")]
    return found


class Window(NamedTuple):
    """One that runs, with a slide open."""

    process: psutil.Process
    connections: list[str]
    """Which it had while it started."""

    def readers(self) -> list[psutil.Process]:
        """Those of its processes that read slides."""
        main = "main=viewer.slides.reader_process.host"
        return [each for each in self.process.children() if main in each.cmdline()]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Generator[Window]:
    home = tmp_path_factory.mktemp("window") / "home"
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "COVERSLIP_HOME": str(home)}
    started = subprocess.Popen([sys.executable, str(APP), str(SLIDE)], env=environment)
    try:
        process = psutil.Process(started.pid)
        connections: list[str] = []
        until_s = time.monotonic() + 60
        while not (home / "data" / "annotations").is_dir():
            assert time.monotonic() < until_s
            assert started.poll() is None
            connections += inet_connections(process)
            time.sleep(0.05)
        yield Window(process, connections)
    finally:
        started.terminate()
        started.wait(30)


@pytest.mark.parametrize(
    "seconds", [4, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
def test_an_idle_window_reaches_no_network(seconds: int, window: Window) -> None:
    assert window.connections == []
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        assert inet_connections(window.process) == []
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_window_with_a_slide_holds_no_decoder_of_slides(window: Window) -> None:
    """Those are in its readers, which are confined."""

    def loaded(process: psutil.Process) -> list[str]:
        libraries = {each.path for each in process.memory_maps() if ".so" in each.path}
        return [each for each in libraries if any(name in each for name in NEVER_IN_THE_WINDOW)]

    assert loaded(window.process) == []
    readers = window.readers()
    assert len(readers) == 2, "of the slide, and one in reserve"
    for reader in readers:
        assert any("openslide" in each for each in loaded(reader))
        said = Path(f"/proc/{reader.pid}/status").read_text()
        assert confinement_gap() or ("Seccomp:\t2" in said and "NoNewPrivs:\t1" in said)


def test_only_the_helper_imports_network_libraries() -> None:
    """Of our own code, sockets to a network are opened in tasks of the helper alone."""
    root = Path(__file__).parents[2] / "viewer"
    words = ("import httpx", "import requests", "urllib.request", "import openai", "create_conn")
    words += ("huggingface_hub import", "AF_INET", "http.client", "aiohttp", "websocket")
    words += ("hub_files import",)
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    helper_tasks = {
        "agents/connection.py",
        "inference/models/encoder_download.py",
        "inference/models/hub_files.py",
        "inference/models/zoo_download.py",
        "slides/remote/web.py",
    }
    # One names the family to deny it, the second asks the display, which may be another machine's,
    # the third runs in the process that holds the link to a cluster, and is started for that alone.
    others = {
        "processes/confinement/syscalls.py",
        "cli/display_check.py",
        "cohort/cluster/link.py",
    }
    assert found <= helper_tasks | others, found


def test_only_two_commands_listen() -> None:
    """`coverslip mcp --http` and `coverslip record serve`, each on this machine by default."""
    root = Path(__file__).parents[2] / "viewer"
    words = (
        "http.server",
        "socketserver",
        "import uvicorn",
        "listener.listen()",
        ".bind((",
        "wsgiref",
    )
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    local = {path for path in found if "AF_UNIX" in (root / path).read_text(encoding="utf-8")}
    assert found - local <= {"agents/clients/mcp_server.py", "recording/receiving/server.py"}, found
