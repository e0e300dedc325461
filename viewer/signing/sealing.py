"""Lines that only the holders of certain keys can read.

Each line is sealed by itself: an X25519 key made for it alone agrees with the public key of each
recipient on a key that wraps the line's own, and ChaCha20-Poly1305 encrypts the line with that.
So a process that is killed loses no line before, and no line tells anything of another.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError, reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import DESCRIPTION_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.signing.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE = bytes(12)
"""Each key encrypts one message alone."""
_KEY_BYTES = 32
_PURPOSE = b"coverslip sealed line 1"
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 16, 8, 1
"""64 MiB and a fifth of a second for each guess of a passphrase."""
SHORTEST_PASSPHRASE = 8
RECOVERY_FORMAT = "coverslip study key"


class SealError(CoverslipError):
    """A key that cannot be used; `str()` is one sentence."""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """A sealed line: whom it is for, the public key made for it, and the encrypted bytes."""

    to: list[tuple[str, bytes]]
    """The fingerprint of a recipient's public key, and the line's key wrapped for it."""
    ephemeral: bytes
    data: bytes


class _Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A private key under a passphrase, as a file keeps it."""

    format: str
    version: int = 1
    title: str = ""
    public: str
    salt: bytes
    scrypt: tuple[int, int, int]
    key: bytes


class SealKey:
    """A private key that opens what was sealed to its public key.

    Attributes
    ----------
    public
        32 bytes in base64.
    """

    def __init__(self, raw: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.raw = raw
        self._private = X25519PrivateKey.from_private_bytes(raw)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = base64.b64encode(public).decode()

    @classmethod
    def new(cls) -> SealKey:
        """Make a key that nobody else has."""
        return cls(os.urandom(_KEY_BYTES))

    @property
    def name(self) -> str:
        """Return the fingerprint of the public key."""
        return fingerprint(self.public)

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        """Return what a line holds; None where it is not for this key, or not about this.

        Raises nothing for lines that are damaged or made up: they stay sealed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        try:
            line = msgspec.msgpack.decode(
                base64.b64decode(sealed, validate=True), type=prepared(_Sealed)
            )
            wrapped = dict(line.to).get(self.name)
            if wrapped is None:
                return None
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(line.ephemeral))
            key = _cipher(_wrapping_key(shared, line.ephemeral, self.public)).decrypt(
                _NONCE, wrapped, None
            )
            return _cipher(key).decrypt(_NONCE, line.data, about)
        except (InvalidTag, ValueError, msgspec.MsgspecError, RecursionError):
            return None


def seal(data: bytes, to: Iterable[str], about: bytes) -> str:
    """Return a line, in base64, that holders of these public keys (base64) can read.

    Parameters
    ----------
    about
        What the line belongs to; it opens only together with the same.

    Raises
    ------
    SealError
        A public key is none.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = X25519PrivateKey.generate()
    ephemeral = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = os.urandom(_KEY_BYTES)
    wrapped = [(fingerprint(each), _wrapped(key, private, ephemeral, each)) for each in to]
    line = _Sealed(wrapped, ephemeral, _cipher(key).encrypt(_NONCE, data, about))
    return base64.b64encode(msgspec.msgpack.encode(line)).decode()


def write_recovery_file(path: Path, key: SealKey, passphrase: str, title: str = "") -> None:
    """Write a private key under a passphrase, for its owner alone; never over another file.

    Raises
    ------
    SealError
        The passphrase is too short, or there is such a file: it may hold the key of another study.
    OSError
        The file cannot be written.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SealError(
            f"The passphrase is too short: choose one of {SHORTEST_PASSPHRASE} characters or more."
        )
    if path.exists():
        raise SealError(f"{path} is there already: choose another name for the recovery file.")
    salt, cost = os.urandom(16), (_SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    wrapping = _cipher(_from_passphrase(passphrase, salt, cost))
    recovery = _Recovery(
        format=RECOVERY_FORMAT, title=title, public=key.public, salt=salt, scrypt=cost,
        key=wrapping.encrypt(_NONCE, key.raw, RECOVERY_FORMAT.encode()),
    )  # fmt: skip
    text = msgspec.json.format(msgspec.json.encode(recovery), indent=2)
    atomic_write_bytes(path, text + b"\n", mode=0o600)


def read_recovery_file(path: Path, passphrase: str) -> SealKey:
    """Return the private key of a recovery file.

    Raises
    ------
    SealError
        It cannot be read, is none, or the passphrase is another.
    """
    from cryptography.exceptions import InvalidTag

    recovery: _Recovery | None = None
    try:
        data = read_regular(path, DESCRIPTION_BYTES)
        recovery = msgspec.json.decode(data, type=prepared(_Recovery))
    except OSError as error:
        raise SealError(f"{path} cannot be read ({reason_of(error)}).") from error
    except DECODE_ERRORS:
        pass
    if recovery is None or recovery.format != RECOVERY_FORMAT or not _is_bearable(recovery.scrypt):
        raise SealError(f"{path.name} is no key of a study: choose the recovery file of its owner.")
    try:
        wrapping = _cipher(_from_passphrase(passphrase, recovery.salt, recovery.scrypt))
        raw = wrapping.decrypt(_NONCE, recovery.key, RECOVERY_FORMAT.encode())
        key = SealKey(raw)
    except (InvalidTag, ValueError) as error:
        raise SealError(f"That is not the passphrase of {path.name}: try again.") from error
    return key


def _is_bearable(cost: tuple[int, int, int]) -> bool:
    """A made-up file must not take all memory."""
    n, r, p = cost
    is_power = n > 1 and n & (n - 1) == 0
    return is_power and 0 < r <= 32 and 0 < p <= 16 and n * r <= 1 << 22


def _from_passphrase(passphrase: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    n, r, p = cost
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(passphrase.encode())


def _wrapped(key: bytes, private: X25519PrivateKey, ephemeral: bytes, public: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    try:
        raw = base64.b64decode(public, validate=True)
        shared = private.exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError as error:
        raise SealError("The key of the study's owner is damaged: restore project.json.") from error
    return _cipher(_wrapping_key(shared, ephemeral, public)).encrypt(_NONCE, key, None)


def _wrapping_key(shared: bytes, ephemeral: bytes, public: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    salt = ephemeral + public.encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=_PURPOSE).derive(shared)


def _cipher(key: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)
