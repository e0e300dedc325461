"""The keys that this account signs with: one a study, so that pseudonyms cannot be linked by them.

Where the private keys lie `kept_secrets` says, and `KeyRing.place` tells the user. The public keys
of this account are listed by study beside them.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from typing import TYPE_CHECKING

import msgspec

from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS
from viewer.signing.kept_secrets import (
    keep_secret,
    kept_secret,
    secrets_folder,
    secrets_lock,
)
from viewer.system_keyring import has_keyring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LIST = "listed.json"
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
        """Return the fingerprint of the public key."""
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

        with secrets_lock():
            raw = kept_secret(study)
            if raw is None:
                raw = os.urandom(32)
                keep_secret(study, raw)
            signer = Signer(Ed25519PrivateKey.from_private_bytes(raw))
            self._list(study, signer.public)
        return signer

    def listed(self, study: str) -> frozenset[str]:
        """Return the public keys with which this account signed for a study."""
        return frozenset(_listed().get(study, ()))

    @property
    def place(self) -> str:
        """Return where private keys lie, as a sentence for the user."""
        if has_keyring():
            return "The keys that sign sessions lie in the system's keyring."
        return (
            "This system has no keyring: the keys that sign sessions lie in "
            f"{secrets_folder()}, in files that only you can read."
        )

    def _list(self, study: str, public: str) -> None:
        listed = _listed()
        if public not in listed.get(study, ()):
            listed[study] = [*listed.get(study, ()), public]
            atomic_write_bytes(secrets_folder() / _LIST, msgspec.json.encode(listed), mode=0o600)


def _listed() -> dict[str, list[str]]:
    try:
        data = read_kept(secrets_folder() / _LIST)
        return msgspec.json.decode(data, type=dict[str, list[str]])
    except FileNotFoundError:
        return {}
    except (OSError, *DECODE_ERRORS) as error:
        _log.warning("the list of keys cannot be read (%s)", error)
        return {}
