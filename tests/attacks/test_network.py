"""Nothing but the helper reaches a network, and nobody does while nothing is asked."""

from __future__ import annotations

import ast
import contextlib
import os
import re
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
    """Those are in its readers, of the slide and in reserve, which are confined."""

    def loaded(process: psutil.Process) -> list[str]:
        libraries = {each.path for each in process.memory_maps() if ".so" in each.path}
        return [each for each in libraries if any(name in each for name in NEVER_IN_THE_WINDOW)]

    until_s = time.monotonic() + 60
    while sum(any("openslide" in each for each in loaded(one)) for one in window.readers()) < 2:
        assert time.monotonic() < until_s, "there is one of the slide, and one in reserve"
        time.sleep(0.1)
    assert loaded(window.process) == []
    for reader in window.readers():
        said = Path(f"/proc/{reader.pid}/status").read_text()
        assert confinement_gap() or ("Seccomp:\t2" in said and "NoNewPrivs:\t1" in said)


NETWORK = {
    *("aiohttp", "boto3", "botocore", "fsspec", "ftplib", "http.client", "http.server", "httpx"),
    *("huggingface_hub", "imaplib", "nntplib", "obstore", "openai", "poplib", "PySide6.QtNetwork"),
    *("PySide6.QtWebEngineCore", "PySide6.QtWebSockets", "ray", "requests", "s3fs", "smtplib"),
    *("socketserver", "starlette", "telnetlib", "urllib.request", "urllib3", "uvicorn"),
    *("websocket", "websockets", "wsgiref", "xmlrpc"),
}


def imported_names(tree: ast.Module) -> set[str]:
    """All that a module imports, at its top or in a function, by the full name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def program_that_speaks_of_networks() -> dict[str, ast.Module]:
    """Those files of our own code in which a network library, asyncio or sockets are named."""
    roots = {name.partition(".")[0] for name in NETWORK} - {"PySide6"}
    words = re.compile(rb"\b(QtNetwork|QtWeb\w+|asyncio|socket|%s)\b" % "|".join(roots).encode())
    paths = [APP, *(REPOSITORY / "viewer").rglob("*.py"), *(REPOSITORY / "coverslip").rglob("*.py")]
    read = {str(path.relative_to(REPOSITORY)): path.read_bytes() for path in paths}
    return {place: ast.parse(text) for place, text in read.items() if words.search(text)}


def opens_network_sockets(tree: ast.Module) -> bool:
    """Return whether a module makes sockets of other families than that of this machine."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = ast.unparse(node)
        if called.startswith(("socket.create_", "asyncio.open_", "asyncio.start_server")):
            return True
        is_local = "(socket.AF_UNIX" in called or "(fileno=" in called
        if called.startswith("socket.socket(") and not is_local:
            return True
    return False


def test_only_the_helper_imports_network_libraries() -> None:
    """Of our own code, sockets to a network are opened in tasks of the helper alone."""
    importing: set[str] = set()
    opening: set[str] = set()
    for place, tree in program_that_speaks_of_networks().items():
        names = imported_names(tree)
        if any(name == net or name.startswith(f"{net}.") for name in names for net in NETWORK):
            importing.add(place)
        if opens_network_sockets(tree):
            opening.add(place)
    helper_tasks = {
        "viewer/agents/chat/connection.py",
        "viewer/inference/models/encoder_download.py",
        "viewer/inference/models/hub_files.py",
        "viewer/inference/models/zoo_download.py",
        "viewer/slides/remote/stores.py",
        "viewer/slides/remote/web.py",
    }
    cluster = {"viewer/cohort/cluster/link.py"}  # its process is started for that alone
    listening = {"viewer/agents/clients/mcp_server.py", "viewer/recording/receiving/server.py"}
    assert importing == helper_tasks | cluster | listening
    # One asks the display, which may be another machine's.
    others = cluster | listening | {"viewer/cli/display_check.py"}
    assert opening <= helper_tasks | others, opening


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
