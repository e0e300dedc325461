"""Private keys of this account, each 32 bytes under a name.

They lie in the system's keyring. Where there is none they lie in the data folder, in files that
this account alone can read.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import TYPE_CHECKING

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import data_folder
from viewer.limits import read_kept
from viewer.system_keyring import has_keyring

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock

_SERVICE = "coverslip-signing"
_KEY_BYTES = 32
_LOCK_WAIT_S = 10.0
_log = logging.getLogger(__name__)


def secrets_folder() -> Path:
    """Return where keys lie that no keyring takes; it need not exist."""
    return data_folder() / "keys"


def secrets_lock() -> FileLock:
    """Return what keeps two processes from making a key of one name at the same time."""
    from filelock import FileLock

    return FileLock(make_folder(secrets_folder()) / ".lock", mode=0o600, timeout=_LOCK_WAIT_S)


def kept_secret(name: str) -> bytes | None:
    """Return a key, None where there is none; waits for the keyring, which may ask the user.

    Raises
    ------
    OSError
        The keyring stays locked: another key would not be the one that is meant.
    """
    path = _path(name)
    text: str | bytes | None = None
    if path.exists():
        text = read_kept(path)
    elif has_keyring():
        text = _from_keyring(name)
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) == _KEY_BYTES:
        return raw
    _log.warning("a key is damaged, and a new one is made")
    return None


def keep_secret(name: str, raw: bytes) -> None:
    """Keep a key under a name. Raises OSError."""
    text = base64.b64encode(raw).decode()
    if not (has_keyring() and _to_keyring(name, text)):
        make_folder(secrets_folder())
        atomic_write_bytes(_path(name), text.encode(), mode=0o600)


def forget_secret(name: str) -> None:
    """Remove a key for good, wherever it lies. Raises OSError."""
    path = _path(name)
    if path.exists():  # a home that nobody can write is none to complain of
        path.unlink(missing_ok=True)
    if has_keyring():
        import keyring
        from keyring.errors import KeyringError

        try:
            if keyring.get_password(_SERVICE, name) is not None:
                keyring.delete_password(_SERVICE, name)
        except KeyringError as error:
            raise OSError(f"the keyring keeps a key ({type(error).__name__})") from error


def _path(name: str) -> Path:
    digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    return secrets_folder() / f"{digest}.key"


def _from_keyring(name: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, name)
    except KeyringError as error:
        raise OSError(f"the keyring cannot be read ({type(error).__name__})") from error


def _to_keyring(name: str, text: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_SERVICE, name, text)
    except KeyringError as error:
        _log.warning("the keyring takes no key (%s)", type(error).__name__)
        return False
    return True
