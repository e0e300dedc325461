"""Orthanc with its DICOMweb plugin, from Debian's packages, for the tests of services."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterable

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_START_S = 30.0


def why_absent() -> str:
    """Return why Orthanc cannot be started here; "" where it can."""
    if shutil.which("Orthanc") is None or not PLUGIN.exists():
        return "Orthanc with its DICOMweb plugin is not here: `make services` installs it"
    return ""


class OrthancServer:
    """Runs until `stop`; its slides lie in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir()
        settings = {
            "Name": "tests", "HttpPort": self.port, "DicomServerEnabled": False,
            "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "Plugins": [str(PLUGIN)], "AuthenticationEnabled": False, "RemoteAccessAllowed": False,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self._process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def upload(self, files: Iterable[Path]) -> None:
        """Store DICOM files."""
        for file in files:
            urllib3.request("POST", f"{self.root}/instances", body=file.read_bytes())

    def series(self) -> list[str]:
        """Return the DICOMweb addresses of all series."""
        found = urllib3.request("GET", f"{self.root}/dicom-web/series").json()
        return [
            f"{self.root}/dicom-web/studies/{each['0020000D']['Value'][0]}"
            f"/series/{each['0020000E']['Value'][0]}"
            for each in found
        ]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _wait(self) -> None:
        until_s = time.monotonic() + _START_S
        while True:
            try:
                urllib3.request("GET", f"{self.root}/system", retries=False)
            except urllib3.exceptions.HTTPError:
                if time.monotonic() > until_s or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return
