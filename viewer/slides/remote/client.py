"""A slide on a server, as the window has it: its bytes, and whether it is still the same."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from viewer.egress import EgressError
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.processes.helper import (
    HelperEndedError,
    HelperFailedError,
    HelperStoppedError,
    helper,
)
from viewer.slides.errors import (
    SlideAccessError,
    SlideChangedError,
    SlideError,
    SlideNotFoundError,
    UnsupportedSlideError,
)
from viewer.slides.remote.address import full_address, is_dicom_address
from viewer.slides.remote.dicom_keys import METADATA
from viewer.slides.remote.endpoints import check_contact
from viewer.slides.remote.errors import ServerError, denied
from viewer.slides.remote.messages import (
    FoundAddress,
    GivenBytes,
    ObjectRead,
    OpenAddress,
    RangeRead,
    ReadObjects,
    ReadRanges,
    WantBytes,
    WantObjects,
)
from viewer.slides.remote.objects import ROOT_KEYS, Objects
from viewer.slides.remote.ranged import RangedBytes
from viewer.slides.remote.shared_fetch import RangesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from viewer.slides.remote.messages import Want
    from viewer.slides.remote.ranged import Run

_OPEN = "viewer.slides.remote.serving:open_address"
_READ = "viewer.slides.remote.serving:read_ranges"
_OBJECTS = "viewer.slides.remote.serving:read_objects"
_LOOK_AGAIN_S = 2.0
"""How old the last word of the server may be before it is asked whether the file is the same."""
_KINDS: dict[str, type[SlideError]] = {
    "NothingThereError": SlideNotFoundError,
    "NoRangesError": UnsupportedSlideError,
}
_hints = ThreadPoolExecutor(4, "expected bytes")


class _Remote:
    """What a slide on a server is, be it a file or a folder.

    Attributes
    ----------
    problem
        Why bytes cannot be had now, one sentence; "" while they can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self.has_changed = False
        self._target = target_of(path)
        self._heard_s = time.monotonic()
        self._is_looking = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise SlideChangedError once the slide was found to be another."""
        if self.has_changed:
            raise SlideChangedError(self.path)

    def _receive(
        self, operation: str, request: msgspec.Struct, arrived: Callable[[bytes], object]
    ) -> None:
        """Have the helper fetch, and take each part as it comes. Raises RangesError."""
        try:
            helper().start(operation, request).wait(arrived)
        except HelperFailedError as error:
            if error.kind == "OtherVersionError":
                self.has_changed = True
            self.problem = str(error)
            raise RangesError(self.problem) from error
        except (HelperEndedError, HelperStoppedError, OSError) as error:
            self.problem = f"{self.path.name} cannot be fetched now: {error}"
            raise RangesError(self.problem) from error
        self.problem = ""

    def _look_again(self) -> None:
        """Ask the server now and then whether the slide is the same; nobody waits for it."""
        with self._lock:
            is_due = time.monotonic() - self._heard_s > _LOOK_AGAIN_S
            if not is_due or self._is_looking or self.has_changed:
                return
            self._is_looking = True
        _hints.submit(self._look)

    def _look(self) -> None:
        try:
            self._compare()
        except Exception:  # a server that is silent now has not changed the slide
            return
        finally:
            self._heard_s = time.monotonic()
            self._is_looking = False

    def _compare(self) -> None:
        """Notice where the slide is another now. Raises any Exception."""
        raise NotImplementedError


class RemoteFile(_Remote):
    """A file on a server. Any thread may read; what is the same fetch is made once."""

    def __init__(self, path: Path, found: FoundAddress) -> None:
        super().__init__(path)
        self.validator = found.validator
        self.bytes = RangedBytes(found.size_bytes, self._fetch)
        self.bytes.keep(0, found.head)
        self._hint = 0

    @property
    def size_bytes(self) -> int:
        return self.bytes.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes there; fewer than `size` at the file's end. Raises RangesError."""
        self._look_again()
        return self.bytes.read(offset, size)

    def answer(
        self, question: WantBytes | WantObjects, give: Callable[[GivenBytes], object]
    ) -> None:
        """Give a reader the ranges that it asks for. Raises RangesError."""
        if not isinstance(question, WantBytes):
            raise RangesError("a file has no objects")
        self.bytes.expect(question.runs)
        for number, (offset, size) in enumerate(question.runs):
            give(GivenBytes(question.id, number, self.bytes.read(offset, size)))

    def expect_soon(self, ranges: Iterable[Run]) -> None:
        """Begin to fetch ranges that will be read; returns at once.

        What was wanted before and has not begun by then is dropped: the view has moved on.
        """
        wanted = list(ranges)
        if wanted and not self.bytes.has(wanted):
            self._hint += 1
            _hints.submit(self._expect, wanted, self._hint)

    def _expect(self, wanted: list[Run], hint: int) -> None:
        if hint != self._hint:
            return
        try:
            self.bytes.expect(wanted)
        except Exception:  # whoever reads them hears of it
            return

    def _fetch(self, runs: Sequence[Run], take: Callable[[int, bytes], None]) -> None:
        request = ReadRanges(self._target, self.size_bytes, self.validator, list(runs))

        def arrived(body: bytes) -> None:
            part = msgspec.msgpack.decode(body, type=prepared(RangeRead))
            take(part.number, part.data)

        self._receive(_READ, request, arrived)
        self._heard_s = time.monotonic()

    def _compare(self) -> None:
        found = msgspec.msgpack.decode(
            helper().run(_OPEN, self._target), type=prepared(FoundAddress)
        )
        same = (found.size_bytes, found.validator) == (self.size_bytes, self.validator)
        self.has_changed = self.has_changed or not same


class RemoteFolder(_Remote):
    """A folder of objects on a server, such as an OME-Zarr."""

    size_bytes = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.validator = ""
        self.root_keys = (METADATA,) if is_dicom_address(path) else ROOT_KEYS
        self.objects = Objects(self._fetch)
        self._validators: dict[str, str] = {}

    def answer(
        self, question: WantBytes | WantObjects, give: Callable[[GivenBytes], object]
    ) -> None:
        """Give a reader the objects that it asks for. Raises RangesError."""
        if not isinstance(question, WantObjects):
            raise RangesError("a folder has no bytes")
        self._look_again()

        def take(number: int, data: bytes, total_bytes: int) -> None:
            give(GivenBytes(question.id, number, data, total_bytes))

        self._fetch(question.wants, take)

    def _fetch(self, wanted: Sequence[Want], take: Callable[[int, bytes, int], None]) -> None:
        def arrived(body: bytes) -> None:
            part = msgspec.msgpack.decode(body, type=prepared(ObjectRead))
            self._note(wanted[part.number][0], part.validator)
            take(part.number, part.data, part.total_bytes)

        self._receive(_OBJECTS, ReadObjects(self._target, list(wanted)), arrived)

    def versions(self) -> list[str]:
        """Return what the server tells of the versions of what was read."""
        return [f"{key}={version}" for key, version in sorted(self._validators.items())]

    def _note(self, key: str, validator: str) -> None:
        """Notice where a description, or a chunk that was read before, is another now."""
        before = self._validators.setdefault(key, validator)
        self.has_changed = self.has_changed or before != validator

    def _compare(self) -> None:
        self._fetch([(key, 0, 1) for key in self.root_keys], _leave)


def _leave(_number: int, _data: bytes, _total_bytes: int) -> None:
    """Take nothing: the versions alone are of interest."""


RemoteSlide = RemoteFile | RemoteFolder


def target_of(path: Path) -> OpenAddress:
    """Return what the helper needs to know of a slide's address."""
    return OpenAddress(full_address(path), path.name or str(path), str(path))


def open_folder(path: Path) -> RemoteFolder:
    """Contact the server of an OME-Zarr. Raises SlideError."""
    try:
        check_contact(full_address(path))
    except (EgressError, ServerError) as error:
        raise SlideAccessError(path, str(error)) from error
    folder = RemoteFolder(path)
    try:
        folder.objects.expect(folder.root_keys)
    except (RangesError, EgressError) as error:
        raise SlideAccessError(path, str(error)) from error
    if all(folder.objects(key) is None for key in folder.root_keys):
        kind = "DICOM series" if is_dicom_address(path) else "OME-Zarr"
        if any(map(folder.objects.is_denied, folder.root_keys)):
            host = urlsplit(full_address(path)).hostname or ""
            raise SlideAccessError(path, str(denied(path.name, host, "401 or 403")))
        raise SlideNotFoundError(
            path, f"There is no {kind} {path.name} on its server: check the address."
        )
    folder.validator = "|".join(folder.versions())
    return folder


def open_file(path: Path) -> RemoteFile:
    """Contact the server of a slide and look at the file there.

    Raises
    ------
    SlideError
        It cannot be opened; `str()` of the error is one sentence for the user.
    """
    target = target_of(path)
    try:
        check_contact(target.address)
        found = msgspec.msgpack.decode(helper().run(_OPEN, target), type=prepared(FoundAddress))
    except HelperFailedError as error:
        raise _KINDS.get(error.kind, SlideAccessError)(path, str(error)) from error
    except (EgressError, ServerError) as error:
        raise SlideAccessError(path, str(error)) from error
    except (HelperEndedError, OSError, *DECODE_ERRORS) as error:
        raise SlideAccessError(path, f"{path.name} cannot be fetched: {error}") from error
    if found.size_bytes == 0:
        raise SlideAccessError(path, f"{path.name} is empty on its server: check the address.")
    return RemoteFile(path, found)
