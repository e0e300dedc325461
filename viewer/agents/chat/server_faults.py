"""What went wrong with a request to a model's server, as one sentence that says what to do."""

from __future__ import annotations

import email.utils
import math
import re
import time
from typing import TYPE_CHECKING

from viewer.agents.chat.model_server import LONGEST_PAUSE_S, TryAgainError, UnreachableError
from viewer.agents.errors import MODEL_DIALOG, DeclinedError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from viewer.agents.endpoint import Endpoint

_QUOTA = re.compile(
    r"insufficient|quota|billing|credit|balance|payment|budget|spend(?:ing)? limit", re.IGNORECASE
)
_DECLINED = re.compile(
    r"content[ _-]?(?:filter|policy|management)|safety|moderation|responsible ?ai|"
    r"usage polic|flagged|violat",
    re.IGNORECASE,
)
_NOT_KNOWN = re.compile(
    r"support|unknown|unrecogni[sz]ed|unexpected|invalid|extra|not (?:permitted|allowed|enabled|"
    r"implemented|available)|requires|require |jinja|additional propert|unsupported|deprecated|"
    r"no endpoints|not found",
    re.IGNORECASE,
)
_OPTIONS = {
    "stream_options": re.compile(r"stream_?options|include_usage", re.IGNORECASE),
    "tools": re.compile(r"\btools?\b|tool_?(?:use|choice|call)|function.?call", re.IGNORECASE),
    "max_tokens": re.compile(r"max_tokens", re.IGNORECASE),
    "temperature": re.compile(r"temperature", re.IGNORECASE),
    "stream": re.compile(r"\bstream(?:ing)?\b", re.IGNORECASE),
}
"""What a request can go without, and how servers name it when they refuse it."""
_OPTION_STATUSES = (400, 404, 405, 415, 422, 500, 501)


def refused_option(status: int, words: str, used: Collection[str]) -> str | None:
    """Return which option of a request the server does not know, of those that were used."""
    if status not in _OPTION_STATUSES or not _NOT_KNOWN.search(words):
        return None
    return next(
        (name for name, said in _OPTIONS.items() if name in used and said.search(words)), None
    )


def status_fault(
    endpoint: Endpoint, status: int, words: str, headers: Mapping[str, str], *, has_key: bool
) -> Exception:
    """Return the error of an answer that is none, with the server's own words.

    Parameters
    ----------
    words
        What the server said, in one line and without the key.
    """
    place = endpoint.place
    told = f"{status}: {words}" if words else str(status)
    if status == 429 and "retry-after" not in headers and _QUOTA.search(words):
        return RefusedError(f"{place} refused the request ({told}).")
    if status == 429:
        return TryAgainError(f"{place} is asked too often ({told}).", asked_pause_s(headers))
    if status in (408, 409, 425) or (status >= 500 and status != 501):
        return TryAgainError(f"{place} failed ({told}).", asked_pause_s(headers))
    if status == 401:
        none = "" if has_key else ", as none was given"
        return RefusedError(
            f"{place} does not accept the key{none} ({told}): enter the right one as Key with "
            f"{MODEL_DIALOG}, or with --ask-key."
        )
    if 300 <= status < 400:
        return RefusedError(
            f"{place} sends on to another address ({status}), which is not followed: "
            f"set the address that it means with {MODEL_DIALOG}, or with --url."
        )
    if status in (400, 403, 422, 451) and _DECLINED.search(words):
        return DeclinedError(f"{place} declined the request ({told}).")
    if status == 403:
        return RefusedError(
            f"{place} does not accept the key for this request ({told}): check Key and Model with "
            f"{MODEL_DIALOG}."
        )
    if status in (404, 405):
        return RefusedError(
            f"{place} refused the request ({told}): check Address and Model with {MODEL_DIALOG}, "
            "or --url and --model."
        )
    return RefusedError(f"{place} refused the request ({told}).")


def web_page_fault(endpoint: Endpoint) -> RefusedError:
    """Return the error of a page for people where an answer of a model is due."""
    return RefusedError(
        f"{endpoint.base_url} answered with a web page: it is no address of a model server. "
        f"Most end in /v1; set it with {MODEL_DIALOG}, or with --url."
    )


def connection_fault(endpoint: Endpoint, error: BaseException) -> TryAgainError:
    """Return the error of a connection that did not come to be, or was cut."""
    causes = _causes(error)
    words = " ".join(str(each) for each in causes).casefold()
    reason = type(causes[-1]).__name__
    if "certificate" in words:
        return UnreachableError(
            f"{endpoint.place} cannot be reached: its certificate is not trusted. "
            f"Check Address with {MODEL_DIALOG}."
        )
    if any("Connect" in type(each).__name__ for each in causes) or "name or service" in words:
        why = _connect_reason(words) or reason
        what = "start the model's server" if endpoint.is_local else "check the network"
        return UnreachableError(
            f"{endpoint.place} cannot be reached ({why}): {what}, or set Address with "
            f"{MODEL_DIALOG}."
        )
    return TryAgainError(f"{endpoint.place} cut the connection ({reason}).")


def asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the header Retry-After, a number or a date; bounded, None without."""
    asked = headers.get("retry-after", "").strip()
    if not asked:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_PAUSE_S)


def _connect_reason(words: str) -> str:
    known = {
        "refused": "connection refused",
        "name or service": "no such host",
        "nodename": "no such host",
        "name resolution": "no such host",
        "getaddrinfo": "no such host",
        "timed out": "no answer",
        "unreachable": "no route to it",
    }
    found = next((why for sign, why in known.items() if sign in words), "")
    # asyncio tells of several tries at once, one for each address of the host.
    return found or ("connection refused" if "all connection attempts failed" in words else "")


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while (deeper := causes[-1].__cause__ or causes[-1].__context__) and len(causes) < 10:
        causes.append(deeper)
    return causes
