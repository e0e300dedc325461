"""Downloads of encoders; a task of the helper process, which alone reaches the network."""

from __future__ import annotations

import os
import socket
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import msgspec

from viewer.egress import check_egress
from viewer.errors import CoverslipError, reason_of
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.processes.helper_entry import TaskContext

_REACH_S = 8.0


class EncoderRequest(msgspec.Struct, frozen=True):
    """Which encoder is fetched, and to which folder; `token` is used for this and not kept."""

    name: str
    repository: str
    token: str | None
    folder: str


class DownloadError(CoverslipError):
    """An encoder that cannot be fetched; `str()` is one sentence: why, and what to do."""


def hub_url() -> str:
    """Return the hub that encoders and models of zoos are fetched from."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def download(body: bytes, _context: TaskContext) -> bytes:
    """Fetch the weights that an `EncoderRequest` asks for, and answer with their path."""
    request = msgspec.msgpack.decode(body, type=prepared(EncoderRequest))
    check_egress(hub_url(), carries_key=request.token is not None)
    return msgspec.msgpack.encode(str(_fetched(request)))


def _fetched(request: EncoderRequest) -> Path:
    try:
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError
        from huggingface_hub.utils import logging as hub_logging

        from viewer.inference.models.hub_files import fetched_file
    except ImportError:
        raise DownloadError(
            "Fetching encoders needs huggingface_hub: pip install coverslip[hub]."
        ) from None
    hub_logging.set_verbosity_error()
    hub_logging.disable_propagation()
    endpoint = hub_url()
    _check_reachable(request, endpoint)

    def fetch(file: str) -> Path:
        return fetched_file(request.repository, file, request.folder, request.token, endpoint)

    try:
        try:
            return fetch("model.safetensors")
        except EntryNotFoundError:
            return fetch("pytorch_model.bin")
    except GatedRepoError as error:
        raise DownloadError(
            f"{request.name} is given to those who agreed to its terms: agree at "
            f"huggingface.co/{request.repository}, then give your token with --token."
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DownloadError(
            f"{request.name} cannot be fetched from {request.repository} ({first}): "
            "check the network and try again."
        ) from error


def _check_reachable(request: EncoderRequest, address: str) -> None:
    """Raise DownloadError at once where nothing answers; the hub's library tries for a minute."""
    if urllib.request.getproxies():
        return
    parts = urllib.parse.urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _REACH_S).close()
    except OSError as error:
        raise DownloadError(
            f"{request.name} cannot be fetched: {parts.hostname} does not answer "
            f"({reason_of(error)}); check the network and try again."
        ) from error
