"""The one place that decides what may leave the machine, and what may be fetched.

Model servers, downloads of models, and whatever else reaches a network ask here, in the process
that decides and once more in the helper that sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from viewer.errors import CoverslipError
from viewer.policy import policy, read_policy

if TYPE_CHECKING:
    from collections.abc import Collection

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine."""


class EgressError(CoverslipError):
    """Nothing was sent or fetched; `str()` is one sentence: why, and what to do."""


def host_of(url: str) -> str:
    """Return where requests to an address go, without port; empty where the address is none."""
    try:
        return (urlsplit(url).hostname or "").casefold()
    except ValueError:
        return ""


def is_local(url: str) -> bool:
    """Return whether an address is on this machine."""
    return host_of(url) in LOOPBACK


def check_egress(
    url: str, *, allowed_hosts: Collection[str] | None = None, carries_key: bool = False
) -> None:
    """Allow a connection, or say why it is not.

    Parameters
    ----------
    allowed_hosts
        Those that the user allows; None where the program itself chose the host.
    carries_key
        Whether a key, token or password goes along, which others must not read.

    Raises
    ------
    EgressError
        The address is none, or not allowed by the user or by the administrator's policy.
    """
    host = host_of(url)
    scheme = url.partition("://")[0].casefold()
    if scheme not in ("http", "https") or not host:
        raise EgressError(f'Nothing was sent: "{url}" is no address.')
    if allowed_hosts is not None and host not in allowed_hosts:
        raise EgressError(
            f"Nothing was sent: {host} is not among the allowed hosts; add it under Allowed hosts "
            'with "Model..." on the page Agent.'
        )
    if host in LOOPBACK:
        return
    if not policy().allows_host(host):
        why = read_policy().problem or "the administrator's policy does not allow it."
        raise EgressError(f"Nothing was sent to {host}: {why}")
    if carries_key and scheme != "https":
        raise EgressError(
            f"Nothing was sent: the key of {host} goes over https only, or others on the network "
            "could read it; change the address to https://."
        )
