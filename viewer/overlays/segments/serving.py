"""Tasks of the helper, which alone contacts the bucket of a store."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec
from cachetools import LRUCache

from viewer.overlays.segments.messages import (
    Created,
    CreateObject,
    Listed,
    ListObjects,
    ReadObject,
)
from viewer.prepared_types import prepared
from viewer.slides.remote.endpoints import check_contact, endpoint_of
from viewer.slides.remote.errors import DeniedError, NothingThereError, PassingError, ServerError
from viewer.slides.remote.stores import imported_obstore, store_of, tells_other_region

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.processes.helper_entry import TaskContext

_MOST_STORES = 16
_stores: LRUCache[str, Any] = LRUCache(_MOST_STORES)
_lock = threading.Lock()


def read_object(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `ReadObject`."""
    asked = msgspec.msgpack.decode(body, type=prepared(ReadObject))
    obstore = imported_obstore()
    try:
        data = _contacted(
            asked.store,
            lambda store, key: obstore.get(store, key(asked.name)).bytes(),
        )
    except NothingThereError:
        return b""
    return b"\1" + bytes(data)


def create_object(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `CreateObject` with `Created`."""
    asked = msgspec.msgpack.decode(body, type=prepared(CreateObject))
    obstore = imported_obstore()
    mode = "overwrite" if asked.replaces else "create"

    def put(store: Any, key: Callable[[str], str]) -> bool:
        try:
            obstore.put(store, key(asked.name), asked.data, mode=mode, use_multipart=False)
        except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
            return False
        return True

    return msgspec.msgpack.encode(Created(_contacted(asked.store, put)))


def remove_object(body: bytes, _context: TaskContext) -> bytes:
    """Remove what a `ReadObject` names."""
    asked = msgspec.msgpack.decode(body, type=prepared(ReadObject))
    obstore = imported_obstore()
    with contextlib.suppress(NothingThereError):
        _contacted(asked.store, lambda store, key: obstore.delete(store, key(asked.name)))
    return b""


def list_objects(body: bytes, _context: TaskContext) -> bytes:
    """Answer a `ListObjects` with `Listed`."""
    asked = msgspec.msgpack.decode(body, type=prepared(ListObjects))
    obstore = imported_obstore()

    def listed(store: Any, key: Callable[[str], str]) -> Listed:
        found = obstore.list_with_delimiter(store, key(asked.below) or None)
        names = sorted(each["path"].rsplit("/", 1)[-1] for each in found["objects"])
        folders = sorted(each.rstrip("/").rsplit("/", 1)[-1] for each in found["common_prefixes"])
        return Listed(names, folders)

    return msgspec.msgpack.encode(_contacted(asked.store, listed))


def _contacted(address: str, ask: Callable[[Any, Callable[[str], str]], Any]) -> Any:
    """Ask a bucket, and say in a sentence why it does not answer; what it says is not passed on."""
    check_contact(address)
    obstore, parts = imported_obstore(), urlsplit(address)
    folder = unquote(parts.path).strip("/")
    host = urlsplit(endpoint_of(address)).hostname or parts.netloc
    name = f"{parts.scheme}://{parts.netloc}"
    errors = obstore.exceptions

    def key(inner: str) -> str:
        return f"{folder}/{inner}".strip("/")

    try:
        return ask(_store(address), key)
    except (errors.NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error):
            raise ServerError(f"There is no bucket {name} on {host}: make it first.") from None
        raise NothingThereError(f"{name} has no such object.") from None
    except (errors.PermissionDeniedError, errors.UnauthenticatedError, PermissionError):
        raise DeniedError(
            f"{host} does not let you read and write {name}: check your credentials "
            "(docs/remote.md says where they are looked for)."
        ) from None
    except (errors.BaseError, OSError) as error:
        raise _problem(str(error), name, host) from None


def _problem(words: str, name: str, host: str) -> ServerError:
    if tells_other_region(words):
        return ServerError(f"{name} lies in another region than {host} serves: set AWS_REGION.")
    if "NoSuchBucket" in words:
        return ServerError(f"There is no bucket {name} on {host}: make it first.")
    return PassingError(
        f"{name} on {host} does not answer: check the address and the network, and try again."
    )


def _store(address: str) -> Any:
    parts = urlsplit(address)
    name = f"{parts.scheme}://{parts.netloc}"
    with _lock:
        store = _stores.get(name)
        if store is None:
            store = _stores[name] = store_of(address)
        return store
