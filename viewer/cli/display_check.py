"""Whether a window can be shown here, found out before Qt, which would abort."""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
from pathlib import Path

_PATIENCE_S = 5.0
_ADVICE = "Run it on a desktop, or paint a field with coverslip shot."


def why_no_display() -> str:
    """Return one sentence where no display answers; "" where one does or the system has others.

    A platform of Qt that the user chose (QT_QPA_PLATFORM) is taken at their word.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return ""
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not wayland and not x11:
        return f"There is no display here, so the window cannot be shown. {_ADVICE}"
    if (wayland and _answers_wayland(wayland)) or (x11 and _answers_x11(x11)):
        return ""
    return f"The display {x11 or wayland} does not answer, so the window cannot be shown. {_ADVICE}"


def _answers_wayland(name: str) -> bool:
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "")) / name
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(_PATIENCE_S)
            server.connect(str(path))
    except OSError:
        return False
    return True


def _answers_x11(name: str) -> bool:
    """Return whether an X server takes up a connection, be it only to refuse it.

    The X Window System Protocol, version 11, "Connection Setup": byte order, version, and no
    authorization, which every server answers.
    """
    found = re.fullmatch(r"(?:unix|(.*?))(?:/.*)?:(\d+)(?:\.\d+)?", name)
    if found is None:
        return False
    try:
        with _connected(found[1] or "", int(found[2])) as server:
            server.sendall(struct.pack("<cxHHHHxx", b"l", 11, 0, 0, 0))
            return bool(server.recv(1))
    except OSError:
        return False


def _connected(host: str, number: int) -> socket.socket:
    """Return a connection to an X server. Raises OSError."""
    if host:
        return socket.create_connection((host, 6000 + number), _PATIENCE_S)
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers listen
    for address in (path, f"\0{path}"):
        server = socket.socket(socket.AF_UNIX)
        server.settimeout(_PATIENCE_S)
        try:
            server.connect(address)
        except OSError:
            server.close()
        else:
            return server
    raise ConnectionError(path)
