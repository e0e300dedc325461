"""Objects in S3, Google's and Azure's stores, by obstore."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from viewer.slides.remote import credentials
from viewer.slides.remote.endpoints import check_contact, endpoint_of
from viewer.slides.remote.errors import PassingError, ServerError, denied, no_ranges, nothing_there
from viewer.slides.remote.origin import Part

if TYPE_CHECKING:
    from viewer.slides.remote.messages import OpenAddress

_TIMES = {"connect_timeout": "10s", "timeout": "30s"}
_ONCE = {"max_retries": 0}
"""What is tried again, and when, is decided for all servers alike."""
_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})\b")


class StoredObject:
    """One object of a store. Where no credentials are found it is asked for without any."""

    def __init__(self, target: OpenAddress) -> None:
        self._obstore = imported_obstore()
        check_contact(target.address)
        parts = urlsplit(target.address)
        self._address = target.address
        self._name, self._bucket = target.name, parts.netloc
        self._host = urlsplit(endpoint_of(target.address)).hostname or parts.netloc
        self._key = unquote(parts.path).lstrip("/")
        self._store = store_of(target.address)

    def child(self, key: str) -> StoredObject:
        """Return the object of a key below this one."""
        other = copy.copy(self)
        other._key = f"{self._key.rstrip('/')}/{key}"
        return other

    def read_some(self, start: int, end: int | None) -> Part:
        """Read a part of an object, as `messages.Want` has it."""
        if start < 0:
            return self._get({"range": {"suffix": -start}}, None)
        if end is None:
            return self._get({"range": {"offset": start}} if start else {}, None)
        return self._get({"range": (start, end)}, None)

    def read(self, offset: int, size: int) -> Part:
        return self._get({"range": (offset, offset + size)}, offset)

    def _get(self, options: dict[str, Any], offset: int | None) -> Part:
        check_contact(self._address)
        errors = self._obstore.exceptions
        try:
            answer = self._obstore.get(self._store, self._key, options=options)
            meta = answer.meta
            start, end = answer.range
            if offset is not None and start != offset:
                raise no_ranges(self._name, self._host, int(meta["size"]))
            data = bytes(answer.bytes())
        except (errors.NotFoundError, FileNotFoundError):
            raise nothing_there(f"{self._name} in {self._bucket} on {self._host}") from None
        except (errors.PermissionDeniedError, errors.UnauthenticatedError, PermissionError):
            raise denied(self._name, self._host, "403") from None
        except errors.NotSupportedError:
            raise no_ranges(self._name, self._host, None) from None
        except (errors.BaseError, OSError) as error:
            raise self._problem(str(error)) from None
        if len(data) != end - start:
            raise PassingError(f"The connection to {self._host} was cut: try again.")
        validator = meta.get("e_tag") or str(meta.get("last_modified") or "")
        return Part(data, int(meta["size"]), validator)

    def _problem(self, words: str) -> ServerError:
        """Sort what obstore says; its words hold addresses, so they are never passed on."""
        if _status_in(words) == 416:
            return ServerError(f"{self._name} is empty or was cut on {self._host}: open it again.")
        if tells_other_region(words):
            return ServerError(
                f"{self._bucket} lies in another region than {self._host} serves: set AWS_REGION."
            )
        return PassingError(
            f"{self._host} does not answer: check the address and the network, and try again."
        )


def tells_other_region(words: str) -> bool:
    """Return whether obstore says that a bucket lies in another region than was asked."""
    return _status_in(words) == 301 or "Received redirect without LOCATION" in words


def _status_in(words: str) -> int | None:
    """Return the status that a server answered with, out of what obstore says.

    Its words also hold the address and the time that passed, whose digits may be anything.
    """
    found = _STATUS.search(words)
    return None if found is None else int(found[1])


def imported_obstore() -> Any:
    """Return the library. Raises ServerError where it is not installed."""
    try:
        import obstore
    except ImportError as error:
        raise ServerError(
            "Object stores need an extra: install it with `pip install coverslip[remote]`."
        ) from error
    return obstore


def store_of(address: str) -> Any:
    """Return obstore's store of the bucket that an address names."""
    from obstore.store import AzureStore, GCSStore, S3Store

    scheme, bucket, endpoint = *urlsplit(address)[:2], endpoint_of(address)
    more: dict[str, Any] = {
        "client_options": _TIMES | {"allow_http": endpoint.startswith("http://")},
        "retry_config": _ONCE,
    }
    config: Any
    # Without credentials stores would ask the cloud's own machine for some: nobody named that.
    match scheme:
        case "s3":
            config = credentials.s3_settings() | {
                "endpoint": endpoint,
                "virtual_hosted_style_request": False,
            }
            if "access_key_id" not in config:
                config["skip_signature"] = True
            return S3Store(bucket, config=config, **more)
        case "gs":
            config = dict(credentials.google_settings()) or {"skip_signature": True}
            return GCSStore(bucket, config=config, **more)
        case _:
            config = dict(credentials.azure_settings())
            if not {"account_key", "sas_token"} & set(config):
                config["skip_signature"] = True
            return AzureStore(bucket, config=config, **more)
