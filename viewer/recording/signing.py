"""Signatures of a session's log: at each sync and at the close, each over all that was written.

The last one holds for the whole log. It names how many lines and bytes it is of, so that a log that
was cut no longer fits; one that was ended by nobody lacks the signature of its close.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.errors import reason_of
from viewer.files.appending import append_whole
from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import JSON_BYTES, open_regular, read_regular
from viewer.plurals import plural
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.session import EVENTS_FILE, SessionHeader, read_header
from viewer.signing.keys import KeyRing, fingerprint, is_signed
from viewer.untyped import is_mapping, is_sequence
from viewer.unwaited_thread import UnwaitedThread
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from viewer.signing.keys import Signer

SIGNATURES_FILE = "signatures.jsonl"
_CONTEXT = b"coverslip session 1\n"
_MOST_BYTES = 32 << 10
"""Of the file while a session is recorded: only the last signature is of use."""
_MOST_TAIL_NS = 3_000_000_000
"""Of what a crash may leave behind the last signature: signatures come each second."""
_BLOCK_BYTES = 1 << 20
_CLOSE_WAIT_S = 2.0
_log = logging.getLogger(__name__)

Moment = Literal["sync", "close", "mended"]


class LogSignature(msgspec.Struct, frozen=True, array_like=True):
    """One line of signatures.jsonl.

    Attributes
    ----------
    moment
        "mended" is a close that the program signed at its next start, after a crash.
    lines, bytes
        How much of the log it is of, from the beginning.
    key
        The fingerprint of the public key.
    """

    moment: Moment
    lines: int
    bytes: int
    at_utc: str
    key: str
    signature: str


class SignatureVerdict(msgspec.Struct, frozen=True):
    """What signatures say of a session.

    Attributes
    ----------
    state
        "unsigned" says that anybody could have written it: older, imported, simulated.
    reason
        One sentence; why it is broken, or what it is signed for.
    """

    state: Literal["signed", "unsigned", "broken"]
    reason: str


class LogSigner:
    """Signs a log that is being written; used by the writing thread alone.

    The key may take its time, as a keyring may ask for a password: what was written before it comes
    is signed with the first signature after.
    """

    def __init__(
        self, folder: Path, header: SessionHeader, on_key: Callable[[str], object]
    ) -> None:
        self._folder = folder
        # As it will be read: a whole number may have been put where the file has a decimal.
        self._header = msgspec.json.decode(
            msgspec.json.encode(header), type=prepared(SessionHeader)
        )
        self._on_key = on_key
        self._digest = hashlib.blake2b(digest_size=32)
        self._lines = 0
        self._bytes = 0
        self._signed_lines = 0
        self._signer: Signer | None = None
        self._has_reported = False
        self._loading: UnwaitedThread | None = None
        if header.study and header.origin == "recorded":
            self._loading = UnwaitedThread(self._load, "signing key")
            self._loading.start()

    def take(self, data: bytes, lines: int) -> None:
        """Take whole lines that were appended to the log."""
        self._digest.update(data)
        self._lines += lines
        self._bytes += len(data)

    def sign(self, moment: Moment) -> SessionHeader | None:
        """Sign what was taken, once it is on the disk; return the header where it changed."""
        if moment == "close" and self._loading is not None:
            self._loading.join(_CLOSE_WAIT_S)
        signer = self._signer
        if signer is None or (self._lines == self._signed_lines and moment == "sync"):
            return None
        made = _signature(
            signer, self._header, moment, self._lines, self._bytes, self._digest.hexdigest()
        )
        try:
            _append(self._folder / SIGNATURES_FILE, made, is_synced=moment != "sync")
        except OSError as error:
            _log.warning("a session cannot be signed (%s)", reason_of(error))
            return None
        self._signed_lines = self._lines
        if self._has_reported:
            return None
        self._has_reported = True
        self._on_key(signer.public)
        return msgspec.structs.replace(self._header, key=signer.key)

    def _load(self) -> None:
        try:
            self._signer = KeyRing().signer(self._header.study)
        except Exception as error:  # whatever a keyring raises costs the signature alone
            _log.warning("a session is not signed: there is no key (%s)", error)


def sign_mended(folder: Path, *, came_home: bool) -> bool:
    """Sign the end of a session that a crash cut off, where this account signed its beginning.

    Only what a crash can leave is signed: a few seconds, or what waited in the data folder.

    Parameters
    ----------
    came_home
        Whether events that waited were brought home now.

    Returns
    -------
    Whether it was signed.
    """
    header = read_header(folder)
    last = _last(folder)
    if not header.key or last is None or last.moment != "sync":
        return False
    ring = KeyRing()
    own = {fingerprint(public) for public in ring.listed(header.study)}
    if last.key not in own or last.key != header.key:
        return False
    prefix = _Prefix.of(folder, last.bytes)
    if not _fits(last, header, prefix, ring.listed(header.study)):
        return False
    if not came_home and _tail_ns(folder, last.bytes) > _MOST_TAIL_NS:
        return False
    whole = _Prefix.of(folder, None)
    signer = ring.signer(header.study)
    made = _signature(signer, header, "mended", whole.lines, whole.bytes, whole.digest)
    _append(folder / SIGNATURES_FILE, made, is_synced=True)
    return True


def check_signatures(
    folder: Path, listed: Iterable[str], *, is_recording: bool = False
) -> SignatureVerdict:
    """Hold a session against the public keys (base64) that its study lists.

    Raises
    ------
    SessionError
        The session cannot be read.
    """
    header, last = read_header(folder), _last(folder)
    if last is None:
        if header.key:
            return SignatureVerdict("broken", "its signatures are missing")
        what = {"imported": "imported", "simulated": "simulated", "agent": "an agent's"}
        return SignatureVerdict(
            "unsigned", f"{what.get(header.origin, 'without a key')}: it proves nothing"
        )
    keys = list(listed)
    if last.key not in {fingerprint(public) for public in keys}:
        return SignatureVerdict("broken", "it is signed by a key that the study does not list")
    prefix = _Prefix.of(folder, last.bytes)
    if prefix.bytes < last.bytes:
        return SignatureVerdict(
            "broken", f"{last.lines:,} lines were signed, and only {prefix.lines:,} are there"
        )
    if not _fits(last, header, prefix, keys):
        return SignatureVerdict("broken", "its signature is not of this log: it was changed")
    whole = _Prefix.of(folder, None)
    if is_recording:
        return SignatureVerdict("signed", f"signed up to line {last.lines:,}, still recorded")
    if whole.bytes > last.bytes:
        return SignatureVerdict(
            "broken",
            plural(
                whole.lines - last.lines,
                "line at its end is not signed",
                "lines at its end are not signed",
            ),
        )
    if last.moment == "sync":
        return SignatureVerdict(
            "broken",
            "its close is not signed: it was cut, or a crash ended it, which the next start of the "
            "window mends",
        )
    how = f"; a crash ended it, mended {last.at_utc[:16]}" if last.moment == "mended" else ""
    return SignatureVerdict("signed", f"signed by {header.reader or 'nobody'}{how}")


# ---------------------------------------------------------------------------------------------


class _Prefix(msgspec.Struct, frozen=True):
    """The beginning of a log: whole lines, bytes, and the digest of them."""

    lines: int
    bytes: int
    digest: str

    @classmethod
    def of(cls, folder: Path, most_bytes: int | None) -> _Prefix:
        """Return the prefix that is all of a log, or of so many bytes. Raises SessionError."""
        from viewer.recording.session import SessionError

        digest, lines, count = hashlib.blake2b(digest_size=32), 0, 0
        try:
            with open_regular(folder / EVENTS_FILE) as file:
                while True:
                    wanted = _BLOCK_BYTES
                    if most_bytes is not None:
                        wanted = min(wanted, most_bytes - count)
                    data = file.read(wanted) if wanted > 0 else b""
                    if not data:
                        break
                    digest.update(data)
                    lines += data.count(b"\n")
                    count += len(data)
        except OSError as error:
            reason = error.strerror or "unreadable"
            raise SessionError(f"The log of {folder.name} cannot be read: {reason}.") from error
        return cls(lines, count, digest.hexdigest())


def _signature(
    signer: Signer, header: SessionHeader, moment: Moment, lines: int, count: int, digest: str
) -> LogSignature:
    at_utc = utc_stamp()
    made = LogSignature(moment, lines, count, at_utc, signer.key, "")
    return msgspec.structs.replace(made, signature=signer.sign(_message(made, header, digest)))


def _fits(
    signature: LogSignature, header: SessionHeader, prefix: _Prefix, listed: Iterable[str]
) -> bool:
    if (prefix.lines, prefix.bytes) != (signature.lines, signature.bytes):
        return False
    message = _message(signature, header, prefix.digest)
    return any(
        is_signed(message, signature.signature, public)
        for public in listed
        if fingerprint(public) == signature.key
    )


def _message(signature: LogSignature, header: SessionHeader, digest: str) -> bytes:
    """What is signed: the log, how much of it, and all of the header that nobody may change."""
    fixed = msgspec.structs.replace(header, title="", repairs=(), key="")
    about = hashlib.blake2b(
        msgspec.json.encode(_plain(msgspec.to_builtins(fixed)), order="sorted"), digest_size=32
    ).hexdigest()
    parts = (
        header.id, about, signature.moment, signature.lines, signature.bytes, signature.at_utc,
        signature.key, digest,
    )  # fmt: skip
    return _CONTEXT + msgspec.json.encode(parts)


def _plain(value: object) -> object:
    """Without what is empty, so that a member that a later version adds changes no old message."""
    if is_mapping(value):
        members = {name: _plain(each) for name, each in value.items()}
        return {name: each for name, each in members.items() if each or each is True}
    if is_sequence(value):
        return [_plain(each) for each in value]
    return value


def _last(folder: Path) -> LogSignature | None:
    """Return the last whole signature of a session; a crash may have torn the line behind it."""
    try:
        data = read_regular(folder / SIGNATURES_FILE, JSON_BYTES)
    except OSError:
        return None
    for line in reversed(data.split(b"\n")):
        with contextlib.suppress(*DECODE_ERRORS):
            return msgspec.json.decode(line, type=prepared(LogSignature))
    return None


def _append(path: Path, signature: LogSignature, *, is_synced: bool) -> None:
    line = msgspec.json.encode(signature) + b"\n"
    if path.exists() and path.stat().st_size > _MOST_BYTES:
        atomic_write_bytes(path, line, mode=0o600, synced=is_synced)
    else:
        append_whole(path, [line], synced=is_synced)


def _tail_ns(folder: Path, begin_bytes: int) -> int:
    """Return how long what stands behind a place of a log took, in its own time."""
    from viewer.recording.log_line import decode_line

    with open_regular(folder / EVENTS_FILE) as file:
        file.seek(begin_bytes)
        lines = file.read().splitlines()
    if not lines:
        return 0
    try:
        return decode_line(lines[-1]).elapsed_ns - decode_line(lines[0]).elapsed_ns
    except DECODE_ERRORS:
        return _MOST_TAIL_NS + 1
