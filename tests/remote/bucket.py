"""A bucket on moto's S3 server, behind a server that can refuse for a while."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self
from urllib.request import Request, urlopen

from range_server import RangeServer

from viewer.processes.helper import helper

if TYPE_CHECKING:
    from pathlib import Path

BUCKET, KEY_ID, KEY = "cohort", "AKIATEST", "S3CR3T-KEY"
_SETTINGS = {
    "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "us-east-1",
}  # fmt: skip


class Bucket:
    """Starts both servers, and has this process and its children find the bucket."""

    def __init__(self, folder: Path) -> None:
        from moto.server import ThreadedMotoServer

        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._folder = folder
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> Self:
        import boto3

        self._moto.start()
        host, port = self._moto.get_host_and_port()
        # What is kept is kept for all servers of this process, those of earlier tests among them.
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        self.server = RangeServer(self._folder, behind=f"http://{host}:{port}").start()
        self.client = boto3.client(
            "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
            aws_access_key_id=KEY_ID, aws_secret_access_key=KEY,
        )  # fmt: skip
        self.client.create_bucket(Bucket=BUCKET)
        self.settings = _SETTINGS | {"AWS_ENDPOINT_URL": self.server.address("").rstrip("/")}
        for name, value in self.settings.items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value
        helper().close()  # the next one sees them
        return self

    def __exit__(self, *_: object) -> None:
        helper().close()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.server.stop()
        self._moto.stop()

    def refuse(self, seconds: float) -> None:
        """Answer nothing but 503 for a while."""
        self.server.faults.refuse = 503
        timer = threading.Timer(seconds, setattr, (self.server.faults, "refuse", 0))
        timer.daemon = True
        timer.start()
