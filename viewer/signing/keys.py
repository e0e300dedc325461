"""The keys that this account signs with: one a study, so that pseudonyms cannot be linked by them.

A private key lies in the system's keyring. Where there is none it lies in the data folder, in a
file that this account alone can read; `KeyRing.place` says which. The public keys of this account
are listed by study beside it.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.atomic_write import atomic_write_bytes
from viewer.folders import data_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SERVICE = "coverslip-signing"
_LIST = "listed.json"
_LOCK_WAIT_S = 10.0
_log = logging.getLogger(__name__)


def fingerprint(public: str) -> str:
    """Return the short name of a public key (base64), by which a record says who signed it."""
    return hashlib.blake2b(public.encode(), digest_size=12).hexdigest()


class Signer:
    """Signs with the private key of a study.

    Attributes
    ----------
    public
        The public key, 32 bytes in base64.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._private = private
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = base64.b64encode(raw).decode()

    @property
    def key(self) -> str:
        """The fingerprint of the public key."""
        return fingerprint(self.public)

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, in base64."""
        return base64.b64encode(self._private.sign(message)).decode()


def is_signed(message: bytes, signature: str, public: str) -> bool:
    """Return whether a signature (base64) of a message was made with the key of `public`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


class KeyRing:
    """The keys of this account, made when they are first asked for."""

    def signer(self, study: str) -> Signer:
        """Return what signs for a study; waits for the keyring, which may ask the user.

        Raises
        ------
        OSError
            There is no key, and none can be kept.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from filelock import FileLock

        lock = FileLock(make_folder(_folder()) / ".lock", mode=0o600, timeout=_LOCK_WAIT_S)
        with lock:
            raw = self._kept(study)
            if raw is None:
                raw = os.urandom(32)
                self._keep(study, raw)
            signer = Signer(Ed25519PrivateKey.from_private_bytes(raw))
            self._list(study, signer.public)
        return signer

    def listed(self, study: str) -> frozenset[str]:
        """Return the public keys with which this account signed for a study."""
        return frozenset(_listed().get(study, ()))

    @property
    def place(self) -> str:
        """Where private keys lie, as a sentence for the user."""
        if _has_keyring():
            return "The keys that sign sessions lie in the system's keyring."
        return (
            f"This system has no keyring: the keys that sign sessions lie in {_folder()}, in files "
            "that only you can read."
        )

    def _kept(self, study: str) -> bytes | None:
        """Return the private key, None where there is none yet. Raises OSError."""
        path = _path(study)
        text: str | None = None
        if path.exists():
            text = path.read_text(encoding="ascii")
        elif _has_keyring():
            text = _from_keyring(study)
        if text is None:
            return None
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) == 32:
            return raw
        _log.warning("the key of a study is spoilt, and a new one is made")
        return None

    def _keep(self, study: str, raw: bytes) -> None:
        text = base64.b64encode(raw).decode()
        if not (_has_keyring() and _to_keyring(study, text)):
            atomic_write_bytes(_path(study), text.encode(), mode=0o600)

    def _list(self, study: str, public: str) -> None:
        listed = _listed()
        if public not in listed.get(study, ()):
            listed[study] = [*listed.get(study, ()), public]
            atomic_write_bytes(_folder() / _LIST, msgspec.json.encode(listed), mode=0o600)


def _folder() -> Path:
    return data_folder() / "keys"


def _path(study: str) -> Path:
    name = hashlib.blake2b(study.encode(), digest_size=12).hexdigest()
    return _folder() / f"{name}.key"


def _listed() -> dict[str, list[str]]:
    try:
        data = (_folder() / _LIST).read_bytes()
        return msgspec.json.decode(data, type=dict[str, list[str]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("the list of keys cannot be read (%s)", error)
        return {}


def _has_keyring() -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        backend = keyring.get_keyring()
        # Backends of keyrings.alt write keys to plain files.
        return backend.priority >= 1 and "keyrings.alt" not in type(backend).__module__
    except (KeyringError, RuntimeError):
        return False


def _from_keyring(study: str) -> str | None:
    """Raises OSError where the keyring stays locked: a new key would not be the study's."""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, study)
    except KeyringError as error:
        raise OSError(f"the keyring cannot be read ({type(error).__name__})") from error


def _to_keyring(study: str, text: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_SERVICE, study, text)
    except KeyringError as error:
        _log.warning("the keyring takes no key (%s)", type(error).__name__)
        return False
    return True
