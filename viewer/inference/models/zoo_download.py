"""Downloads from zoos of other laboratories; a task of the helper, which alone reaches a network.

The WSInfer zoo is a registry of repositories on a hub, each with config.json and
torchscript_model.pt. InstanSeg's is an index of zip files. A CLIP is a repository of a hub, as the
transformers library writes it.
"""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from viewer import __version__
from viewer.egress import EgressError, check_egress, is_local
from viewer.errors import CoverslipError
from viewer.inference.models.encoder_download import hub_url
from viewer.limits import DESCRIPTION_BYTES, WEIGHTS_BYTES, LimitError
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.client import HTTPMessage

    from viewer.processes.helper_entry import TaskContext

Zoo = Literal["wsinfer", "instanseg", "clip"]
REGISTRIES: dict[Zoo, str] = {  # a CLIP lies on a hub, which needs none
    "wsinfer": "https://raw.githubusercontent.com/SBU-BMI/wsinfer-zoo/main/wsinfer-zoo-registry.json",
    "instanseg": "https://raw.githubusercontent.com/instanseg/instanseg/main/instanseg/bioimageio_models/model-index.json",
}  # fmt: skip
_NEEDED = ("config.json", "torchscript_model.pt")
_OF_CLIP, _OPTIONAL_OF_CLIP = ("config.json", "tokenizer.json"), ("preprocessor_config.json",)
_WEIGHTS_OF_CLIP = ("model.safetensors", "pytorch_model.bin")
"""The first that is there."""
_CARDS = ("README.md", "LICENSE")
_OWNER = "kaczmarj"
"""Of all repositories that the registry of the WSInfer zoo names."""
_TIMEOUT_S = 30.0
_AGAIN = "check the address and the network, and try again."
_PART_BYTES = 1 << 20
_MOST_NAMED = 40
"""Models in one sentence."""
_REPOSITORY, _REVISION = r"[\w.-]+/[\w.-]+", r"[\w./-]+"


class ZooRequest(msgspec.Struct, frozen=True):
    """Which model of which zoo is fetched, and to which folder; "" for the zoo's own registry."""

    zoo: Zoo
    name: str
    registry: str
    folder: str


class Fetched(msgspec.Struct, frozen=True):
    """What was fetched: its place here, and where it came from."""

    path: str
    source: str


class DownloadError(CoverslipError):
    """A model that cannot be fetched; `str()` is one sentence: why, and what to do."""


class _SilentError(DownloadError):
    """Nothing answers at an address."""


class _RegistryEntry(msgspec.Struct, frozen=True):
    hf_repo_id: str
    hf_revision: str = "main"


class _Registry(msgspec.Struct, frozen=True):
    models: dict[str, _RegistryEntry]


class _IndexEntry(msgspec.Struct, frozen=True):
    name: str
    url: str
    version: str = ""


def download(body: bytes, _context: TaskContext) -> bytes:
    """Fetch what a `ZooRequest` asks for, and answer with `Fetched`."""
    request = msgspec.msgpack.decode(body, type=prepared(ZooRequest))
    match request.zoo:
        case "wsinfer":
            fetched = _from_wsinfer(request)
        case "instanseg":
            fetched = _from_instanseg(request)
        case "clip":
            fetched = _clip(request)
    return msgspec.msgpack.encode(fetched)


def _from_wsinfer(request: ZooRequest) -> Fetched:
    entry = _entry(request)
    repository, revision = entry.hf_repo_id, entry.hf_revision
    is_sound = re.fullmatch(_REPOSITORY, repository) and re.fullmatch(_REVISION, revision)
    if not is_sound or ".." in revision:
        raise DownloadError(f"The registry names {repository} at {revision}, which is no place.")
    folder = Path(request.folder) / _file_name(request.name)
    folder.mkdir()
    source = _on_hub(repository, revision)
    for file in _NEEDED:
        _fetch(source + file, folder / file)
    for file in _CARDS:
        _fetch(source + file, folder / file, is_needed=False)
    return Fetched(str(folder), source)


def _clip(request: ZooRequest) -> Fetched:
    """Fetch the files of a repository that are a CLIP's, and no others."""
    if not re.fullmatch(_REPOSITORY, request.name) or ".." in request.name:
        raise DownloadError(
            f'"{request.name}" is no repository of a hub: give clip:OWNER/NAME, such as '
            "clip:vinid/plip."
        )
    folder = Path(request.folder) / _file_name(request.name.rpartition("/")[2])
    folder.mkdir()
    source = _on_hub(request.name, "main")
    for file in _OF_CLIP:
        _fetch(source + file, folder / file)
    for file in (*_OPTIONAL_OF_CLIP, *_CARDS):
        _fetch(source + file, folder / file, is_needed=False)
    first, last = _WEIGHTS_OF_CLIP
    if not _fetch(source + first, folder / first, is_needed=False):
        _fetch(source + last, folder / last)
    return Fetched(str(folder), source)


def _on_hub(repository: str, revision: str) -> str:
    return f"{hub_url().rstrip('/')}/{repository}/resolve/{quote(revision, safe='')}/"


def _entry(request: ZooRequest) -> _RegistryEntry:
    """Return where a model of the zoo lies; one with an owner names its repository itself."""
    if "/" in request.name:
        return _RegistryEntry(request.name)
    try:
        known = _read(request.registry or REGISTRIES["wsinfer"], _Registry)
    except _SilentError:
        if request.registry:
            raise
        # A hub in the house may answer where the list of the zoo does not.
        return _RegistryEntry(f"{_OWNER}/{request.name}")
    entry = known.models.get(request.name)
    if entry is None:
        raise _unknown("WSInfer zoo", request.name, list(known.models))
    return entry


def _from_instanseg(request: ZooRequest) -> Fetched:
    registry = request.registry or REGISTRIES["instanseg"]
    known = _read(registry, list[_IndexEntry])
    entries = [each for each in known if each.name == request.name]
    if not entries:
        raise _unknown("index of InstanSeg", request.name, [each.name for each in known])
    newest = max(entries, key=lambda each: [int(n) for n in re.findall(r"\d{1,18}", each.version)])
    try:
        url = urljoin(registry, newest.url)
    except ValueError:
        raise DownloadError(
            f"The index of InstanSeg names no address for {request.name}: {_AGAIN}"
        ) from None
    place = Path(request.folder) / f"{_file_name(request.name)}.zip"
    _fetch(url, place)
    return Fetched(str(place), url)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "model"


def _unknown(zoo: str, name: str, known: list[str]) -> DownloadError:
    listed = ", ".join(known[:_MOST_NAMED]) or "none"
    more = f" and {len(known) - _MOST_NAMED:,} more" if len(known) > _MOST_NAMED else ""
    return DownloadError(f'The {zoo} has no model "{name}"; it has {listed}{more}.')


_Wanted = TypeVar("_Wanted")


def _read(url: str, wanted: type[_Wanted]) -> _Wanted:
    """Read a small JSON file of a zoo."""
    try:
        with _open(url) as (answer, _):
            text = answer.read(DESCRIPTION_BYTES.most + 1)
        DESCRIPTION_BYTES.check(len(text), _short(url))
        return msgspec.json.decode(text, type=prepared(wanted))
    except _MissingError as error:
        raise DownloadError(f"{_short(url)} is not there (404): {_AGAIN}") from error
    except (LimitError, *DECODE_ERRORS) as error:
        raise DownloadError(f"{_short(url)} is no list of models ({error}).") from error


def _fetch(url: str, place: Path, *, is_needed: bool = True) -> bool:
    """Write what an address gives to a file, and compare it with the checksum of the hub.

    Return whether something is there.
    """
    try:
        with _open(url) as (answer, stated), place.open("wb") as file:
            digest, size = hashlib.sha256(), 0
            while part := answer.read(_PART_BYTES):
                size += len(part)
                WEIGHTS_BYTES.check(size, place.name)
                digest.update(part)
                file.write(part)
    except _MissingError as error:
        if is_needed:
            raise DownloadError(f"{_short(url)} is not there (404): {_AGAIN}") from error
        return False
    except LimitError as error:
        raise DownloadError(str(error)) from error
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{_short(url)} was cut short ({error}): {_AGAIN}") from error
    if stated and stated != digest.hexdigest():
        raise DownloadError(
            f"{_short(url)} is not the file that the hub names (its checksum differs): fetch it "
            "again."
        )
    return True


class _MissingError(CoverslipError):
    """Nothing is at an address."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects only to where requests may go, and never from https to http."""

    def __init__(self) -> None:
        self.stated = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        self.stated = _checksum(headers) or self.stated
        if urlsplit(newurl).scheme != "https" and not is_local(req.full_url):
            raise EgressError(f"Nothing was fetched: {_short(req.full_url)} leads away from https.")
        check_egress(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open(url: str) -> Generator[tuple[IO[bytes], str]]:
    """Open an address; yield its content and the checksum that the hub states, or ""."""
    check_egress(url)
    redirects = _Redirects()
    request = urllib.request.Request(url, headers={"User-Agent": f"coverslip/{__version__}"})  # noqa: S310 - https or http, as checked
    try:
        answer = urllib.request.build_opener(redirects).open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise _MissingError from error
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise DownloadError(
                f"{_short(url)} is not given to everybody ({error.code}), or there is no such "
                "model: see on its page. What its makers give you, coverslip models add takes."
            ) from error
        raise DownloadError(f"{_short(url)} answers {error.code}: {_AGAIN}") from error
    except (urllib.error.URLError, OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _SilentError(f"{_short(url)} does not answer ({reason}): {_AGAIN}") from error
    with answer:
        yield answer, redirects.stated or _checksum(answer.headers)


def _checksum(headers: HTTPMessage) -> str:
    """Return the SHA-256 that a hub states of a file, or ""."""
    for name in ("X-Linked-ETag", "ETag"):
        if found := re.fullmatch('(?:W/)?"?([0-9a-f]{64})"?', headers.get(name) or ""):
            return found[1]
    return ""


def _short(url: str) -> str:
    """Return the host and the file of an address."""
    parts = urlsplit(url)
    return f"{PurePosixPath(parts.path).name or '/'} of {parts.hostname}"
