"""Nothing but the helper reaches a network, and nobody does while nothing is asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

APP = Path(__file__).parents[2] / "app.py"


def inet_connections(process: psutil.Process) -> list[str]:
    """Connections to any network, this machine's own included, of a process and all below it."""
    found: list[str] = []
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found += [f"{each.name()}: {one}" for one in each.net_connections("inet")]
    return found


@pytest.mark.parametrize(
    "seconds", [4, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
def test_an_idle_window_reaches_no_network(
    seconds: int, sample_slide: Path, tmp_path: Path
) -> None:
    environment = os.environ | {
        "QT_QPA_PLATFORM": "offscreen", "COVERSLIP_HOME": str(tmp_path / "home")
    }  # fmt: skip
    window = subprocess.Popen([sys.executable, str(APP), str(sample_slide)], env=environment)
    try:
        process = psutil.Process(window.pid)
        annotations = tmp_path / "home" / "data" / "annotations"
        until_s = time.monotonic() + 60
        while not annotations.is_dir():
            assert time.monotonic() < until_s
            assert window.poll() is None
            assert inet_connections(process) == []
            time.sleep(0.05)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            assert inet_connections(process) == []
            time.sleep(0.05)
    finally:
        window.terminate()
        window.wait(30)


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
