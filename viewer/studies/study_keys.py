"""Who can open what is sealed in a study: its owner, and each reader until a stage ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.signing.kept_secrets import (
    forget_secret,
    keep_secret,
    kept_secret,
    secrets_folder,
    secrets_lock,
)
from viewer.signing.sealing import SealError, SealKey, read_recovery_file, seal
from viewer.studies.stages import stages_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.studies.project import Project
    from viewer.studies.stages import ReaderView

_forgotten: set[Path] = set()
"""What this process forgot: a keyring takes milliseconds to say that it has no key of a slide."""


class StudySealer:
    """Seals a reader's lines to the owner and to this machine's key of the reader's stage.

    Parameters
    ----------
    project
        With an id and an owner's key.
    keys
        What opens lines here.
    """

    def __init__(self, project: Project, keys: Sequence[SealKey], own: SealKey | None) -> None:
        self._owner_key = project.owner_key
        self.keys = keys
        self._own = own

    def seal(self, body: bytes, about: bytes) -> str:
        """Return a body that the owner can read, and here the reader until the stage ends."""
        to = [self._owner_key]
        if self._own is not None:
            to.append(self._own.public)
        return seal(body, to, about)

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        """Return the body; None without a key for it."""
        opened = (key.unseal(sealed, about) for key in self.keys)
        return next((body for body in opened if body is not None), None)


class OwnerSealer:
    """Opens what is sealed to the owner of a study."""

    def __init__(self, key: SealKey) -> None:
        self._key = key

    def seal(self, body: bytes, about: bytes) -> str:
        """Return a body that the owner alone can read."""
        return seal(body, [self._key.public], about)

    def unseal(self, sealed: str, about: bytes) -> bytes | None:
        """Return the body; None where it was sealed to another key."""
        return self._key.unseal(sealed, about)


def sealer_of(project: Project, view: ReaderView) -> StudySealer | None:
    """Return what seals and opens a reader's lines; None where the project seals nothing.

    Waits for the keyring. Raises OSError, where the reader's key can be neither found nor kept.
    """
    if not project.owner_key or not project.id:
        return None
    owner = owner_key(project, view.reader)
    own = _stage_key(project, view, view.stage, makes=project.is_sealed and not view.is_over)
    earlier = [_stage_key(project, view, stage) for stage in view.earlier if stage != view.stage]
    return StudySealer(project, [key for key in (owner, own, *earlier) if key is not None], own)


def opener_of(project: Project, views: Iterable[ReaderView]) -> StudySealer | None:
    """Return what opens all that a reader may see of several slides; None as `sealer_of`.

    It seals to the owner alone. Raises OSError.
    """
    sealers = [sealer_of(project, view) for view in dict.fromkeys(views)]
    keys = {key.public: key for each in sealers if each is not None for key in each.keys}
    return StudySealer(project, list(keys.values()), None) if any(sealers) else None


def owner_key(project: Project, reader: str) -> SealKey | None:
    """Return the owner's key where this reader has it in this account. Raises OSError."""
    if not project.owner_key:
        return None
    raw = kept_secret(_owner_name(project, reader))
    key = SealKey(raw) if raw is not None else None
    return key if key is not None and key.public == project.owner_key else None


def keep_owner_key(project: Project, reader: str, key: SealKey) -> None:
    """Let this reader open all of the study in this account. Raises OSError."""
    keep_secret(_owner_name(project, reader), key.raw)


def take_owner_key(project: Project, reader: str, path: Path, passphrase: str) -> SealKey:
    """Keep the owner's key of a recovery file for a reader in this account, and return it.

    Raises
    ------
    SealError
        The file or its passphrase is none, or of another study.
    OSError
        The key cannot be kept.
    """
    key = read_recovery_file(path, passphrase)
    if key.public != project.owner_key:
        raise SealError(
            f"{path.name} is the key of another study: choose this study's recovery file."
        )
    keep_owner_key(project, reader, key)
    return key


def forget_stage_keys(project: Project, view: ReaderView) -> None:
    """Forget the keys of stages that the reader ended and will not see again.

    From then on the owner alone can read what was drawn and answered in them. Raises OSError.
    """
    stages = stages_of(project, view.reader)
    names = [each.name for each in stages]
    at = names.index(view.stage) if view.stage in names else len(names)
    is_seen_again = any("earlier" not in each.hides for each in stages[at:]) and not view.is_over
    if is_seen_again:
        return
    for stage in view.earlier if not view.is_over else names:
        name = _stage_name(project, view, stage)
        place = secrets_folder() / name
        if place not in _forgotten:
            forget_secret(name)
            _forgotten.add(place)


def _stage_key(
    project: Project, view: ReaderView, stage: str, *, makes: bool = False
) -> SealKey | None:
    name = _stage_name(project, view, stage)
    with secrets_lock():
        raw = kept_secret(name)
        if raw is not None or not makes:
            return SealKey(raw) if raw is not None else None
        key = SealKey.new()
        keep_secret(name, key.raw)
    return key


def _owner_name(project: Project, reader: str) -> str:
    return " / ".join(("study owner", project.id, reader))


def _stage_name(project: Project, view: ReaderView, stage: str) -> str:
    slide = (view.slide,) if view.slide else ()
    return " / ".join(("study reader", project.id, view.reader, stage, *slide))
