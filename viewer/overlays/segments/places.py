"""Where a store lies: a folder, or a bucket that the helper process reaches."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from viewer.access import make_folder
from viewer.egress import EgressError, host_of
from viewer.errors import reason_of
from viewer.files.atomic_write import create_whole
from viewer.limits import LINES_BYTES, read_regular
from viewer.overlays.segments.errors import PassingStoreError, StorePlaceError
from viewer.overlays.segments.messages import Created, CreateObject, Listed, ListObjects, ReadObject
from viewer.policy import policy
from viewer.prepared_types import prepared
from viewer.processes.helper import (
    HelperEndedError,
    HelperFailedError,
    HelperStoppedError,
    helper,
)
from viewer.slides.remote.address import is_address, without_secrets
from viewer.slides.remote.endpoints import check_contact
from viewer.slides.remote.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

BUCKETS = ("s3", "gs", "az")
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further trial; the last holds until patience ends."""
_CHECK_PATIENCE_S = 12.0
_FOR_GOOD = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
    errno.ENOSPC, errno.EDQUOT,
)  # fmt: skip
"""What a folder says that waiting does not mend."""
_SERVING = "viewer.overlays.segments.serving"


class StorePlace(Protocol):
    """Files by name, "a/b/c": what is there is whole and never changes.

    All raise StorePlaceError, and PassingStoreError where it helps to ask again.
    """

    text: str
    """As the user named it."""

    def read(self, name: str) -> bytes | None:
        """Return a file; None where there is none."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file, unless there is one: then return False, and leave it as it is."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write a file in place of one that is damaged."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def names(self, below: str) -> list[str]:
        """Return the names of all files directly in a folder of the store, in order."""
        ...

    def folders(self, below: str = "") -> list[str]:
        """Return the names of all folders directly in a folder of the store, in order."""
        ...


class FolderPlace:
    """A folder, also one that many machines share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = str(folder)

    def read(self, name: str) -> bytes | None:
        try:
            return read_regular(self.folder / name, LINES_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._problem("read", error) from error

    def create(self, name: str, data: bytes) -> bool:
        path = self.folder / name
        try:
            make_folder(path.parent)
            return create_whole(path, data)
        except OSError as error:
            raise self._problem("written", error) from error

    def replace(self, name: str, data: bytes) -> None:
        self.remove(name)
        self.create(name, data)

    def remove(self, name: str) -> None:
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._problem("written", error) from error

    def names(self, below: str) -> list[str]:
        return self._listed(below, lambda entry: entry.is_file())

    def folders(self, below: str = "") -> list[str]:
        return self._listed(below, lambda entry: entry.is_dir())

    def _listed(self, below: str, is_meant: Callable[[os.DirEntry[str]], bool]) -> list[str]:
        folder = self.folder / below
        try:
            return sorted(entry.name for entry in os.scandir(folder) if is_meant(entry))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._problem("read", error) from error

    def _problem(self, what: str, error: OSError) -> StorePlaceError:
        kind = StorePlaceError if error.errno in _FOR_GOOD else PassingStoreError
        return kind(
            f"The store {self.text} cannot be {what} ({reason_of(error)}): see that there "
            "is room, and that you may write there."
        )


class BucketPlace:
    """A bucket, or a folder in one; the helper alone contacts its server."""

    def __init__(self, address: str) -> None:
        self.text = without_secrets(address)
        self._address = address.rstrip("/")

    def read(self, name: str) -> bytes | None:
        body = self._asked("read_object", ReadObject(self._address, name))
        return body[1:] if body else None

    def create(self, name: str, data: bytes) -> bool:
        return self._put(name, data, replaces=False)

    def replace(self, name: str, data: bytes) -> None:
        self._put(name, data, replaces=True)

    def remove(self, name: str) -> None:
        self._asked("remove_object", ReadObject(self._address, name))

    def names(self, below: str) -> list[str]:
        return self._listed(below).names

    def folders(self, below: str = "") -> list[str]:
        return self._listed(below).folders

    def _listed(self, below: str) -> Listed:
        body = self._asked("list_objects", ListObjects(self._address, below))
        return msgspec.msgpack.decode(body, type=prepared(Listed))

    def _put(self, name: str, data: bytes, *, replaces: bool) -> bool:
        request = CreateObject(self._address, name, data, replaces)
        return msgspec.msgpack.decode(
            self._asked("create_object", request), type=prepared(Created)
        ).is_new

    def _asked(self, task: str, request: msgspec.Struct) -> bytes:
        try:
            return helper().run(f"{_SERVING}:{task}", request)
        except HelperFailedError as error:
            kind = PassingStoreError if error.kind == "PassingError" else StorePlaceError
            raise kind(str(error)) from error
        except (HelperEndedError, HelperStoppedError, OSError) as error:
            raise PassingStoreError(f"{self.text} cannot be reached: {error}") from error


class PatientPlace:
    """Asks a place again, with growing pauses, for as long as it may be silent."""

    def __init__(
        self, place: StorePlace, patience_s: float, is_stopped: Callable[[], bool] | None = None
    ) -> None:
        self.text = place.text
        self._place = place
        self._patience_s = patience_s
        self._is_stopped = is_stopped or (lambda: False)

    def read(self, name: str) -> bytes | None:
        return self._patiently(lambda: self._place.read(name))

    def create(self, name: str, data: bytes) -> bool:
        return self._patiently(lambda: self._place.create(name, data))

    def replace(self, name: str, data: bytes) -> None:
        self._patiently(lambda: self._place.replace(name, data))

    def remove(self, name: str) -> None:
        self._patiently(lambda: self._place.remove(name))

    def names(self, below: str) -> list[str]:
        return self._patiently(lambda: self._place.names(below))

    def folders(self, below: str = "") -> list[str]:
        return self._patiently(lambda: self._place.folders(below))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        until_s = time.monotonic() + self._patience_s
        trial = 0
        while True:
            try:
                return ask()
            except PassingStoreError:
                pause_s = _PAUSES_S[min(trial, len(_PAUSES_S) - 1)]
                if self._is_stopped() or time.monotonic() + pause_s > until_s:
                    raise
                time.sleep(pause_s)
                trial += 1


def place_of(text: str) -> StorePlace:
    """Return the place that a user names as a store, without looking at it.

    Raises
    ------
    StorePlaceError
        It can be none: neither a folder nor the address of a bucket.
    """
    if not is_address(text):
        if "://" in text or not text.strip():
            raise StorePlaceError(_advice(text))
        return FolderPlace(Path(text).expanduser().absolute())
    scheme, _, rest = text.partition(":")
    if scheme.casefold() not in BUCKETS or not host_of(f"{scheme}://{rest.lstrip('/')}"):
        raise StorePlaceError(_advice(without_secrets(text)))
    return BucketPlace(f"{scheme.casefold()}://{rest.lstrip('/')}")


def check_writable(place: StorePlace) -> None:
    """See that a place can be written, before anything depends on it.

    Raises
    ------
    StorePlaceError
        It cannot be; one sentence says why.
    """
    if isinstance(place, FolderPlace):
        _check_folder(place.folder)
    elif isinstance(place, BucketPlace):
        try:
            check_contact(place.text)
        except (EgressError, ServerError) as error:
            raise StorePlaceError(str(error)) from error
    asked = PatientPlace(place, _CHECK_PATIENCE_S)
    name = f"checks/{token_hex(8)}"
    try:
        if not asked.create(name, b"") or asked.create(name, b""):
            raise StorePlaceError(
                f"{place.text} cannot keep results: it writes over what is there already (no "
                "conditional writes), so that two machines could spoil each other's."
            )
    finally:
        with contextlib.suppress(StorePlaceError):
            place.remove(name)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StorePlaceError(f"{folder} is a file: --store takes a folder, or a bucket.")
    if not policy().allows_path(folder):
        raise StorePlaceError(f"{folder} cannot be used: the administrator's policy forbids it.")
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise StorePlaceError(
            f"Nothing can be written into {folder} ({reason_of(error)}): choose another store."
        ) from error


def _advice(text: str) -> str:
    return (
        f'"{text}" is no store: give a folder, or a bucket with a folder in it, such as '
        "s3://results/cohort."
    )
