"""Keys of model servers: in the system's keyring, or in memory for this run only."""

from __future__ import annotations

import logging

import keyring
from keyring.errors import KeyringError

from viewer.system_keyring import has_keyring

_log = logging.getLogger(__name__)
_SERVICE = "coverslip"

NO_KEYRING = (
    "This system has no keyring that Coverslip can use, so the key holds for this run only."
)


class Keys:
    """The keys by host. Their text never goes to a log, a file or an error."""

    def __init__(self) -> None:
        self._for_this_run: dict[str, str] = {}

    @property
    def are_kept(self) -> bool:
        """Return whether there is a keyring.

        `NO_KEYRING` says what it means where there is none.
        """
        return has_keyring()

    def key_of(self, host: str) -> str | None:
        """Return the key of a host, None where none was given."""
        if host in self._for_this_run:
            return self._for_this_run[host]
        if not self.are_kept:
            return None
        try:
            return keyring.get_password(_SERVICE, host)
        except KeyringError as error:
            _log.warning("the keyring cannot be read (%s)", type(error).__name__)
            return None

    def set(self, host: str, key: str) -> str:
        """Take a key; return "" or a sentence where it holds for this run only."""
        if self.are_kept:
            try:
                keyring.set_password(_SERVICE, host, key)
            except KeyringError as error:
                _log.warning("the keyring takes no key (%s)", type(error).__name__)
            else:
                self._for_this_run.pop(host, None)
                return ""
        self._for_this_run[host] = key
        return NO_KEYRING

    def forget(self, host: str) -> None:
        """Remove the key of a host, wherever it is."""
        self._for_this_run.pop(host, None)
        if self.are_kept:
            try:
                keyring.delete_password(_SERVICE, host)
            except KeyringError as error:
                _log.info("there was no key to forget (%s)", type(error).__name__)
