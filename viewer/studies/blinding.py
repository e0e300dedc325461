"""A project made blind by its owner, and stages that its readers end."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError, reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.signing.sealing import SealKey, write_recovery_file
from viewer.studies.project import blinding, naming
from viewer.studies.project_file import change_project
from viewer.studies.stages import HIDDEN, Stage, write_stage_end
from viewer.studies.study_keys import keep_owner_key, owner_key
from viewer.studies.study_reader import study_reader
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.studies.project import Project
    from viewer.studies.study_reader import StudyReader


class BlindingError(CoverslipError):
    """Stages that cannot be used; `str()` is one sentence."""


def read_stages(path: Path) -> tuple[Stage, ...]:
    """Return the stages of a JSON file, a list or `{"stages": [...]}`.

    Raises
    ------
    BlindingError
        It cannot be read, or something in it is wrong.
    """
    try:
        document = msgspec.json.decode(read_regular(path, JSON_BYTES))
        given = document["stages"] if is_mapping(document) else document
        stages = msgspec.convert(given, prepared(tuple[Stage, ...]))
    except OSError as error:
        raise BlindingError(f"{path} cannot be read ({reason_of(error)}).") from error
    except (KeyError, *DECODE_ERRORS) as error:
        what = str(error).replace("`", "")
        raise BlindingError(
            f'{path.name} lists no stages ({what}): give [{{"name": "Blind", "hides": ["others"]}}]'
            f", with any of {', '.join(HIDDEN)}."
        ) from error
    check_stages(stages)
    return stages


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise BlindingError where stages have no names of their own."""
    names = [each.name for each in stages]
    if not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise BlindingError("Each stage needs a name of its own.")
    if not stages:
        raise BlindingError("There is no stage: give at least one.")


def blind_project(
    folder: Path,
    stages: Sequence[Stage],
    owner: str,
    recovery: tuple[Path, str] | None,
    *,
    is_by_slide: bool = False,
) -> Project:
    """Give a project stages, and seal to its owner all that is added from now on.

    Parameters
    ----------
    recovery
        Where the owner's new key is saved, and its passphrase; None where the project has an
        owner's key already, which stays. The file is written before anything is sealed to it.

    Raises
    ------
    BlindingError, SealError
        The stages or the passphrase cannot be used, or `owner` does not own the study.
    OSError, ProjectError
        The recovery file or the project cannot be written.
    """
    check_stages(stages)
    project = change_project(folder, naming(token_hex(8)))
    if project.owner_key and owner_key(project, owner) is None:
        whose = f' ("{project.owner}")' if project.owner else ""
        raise BlindingError(f"Only the owner of this study{whose} can change its stages.")
    key: SealKey | None = None
    if recovery is not None:
        key = SealKey.new()
        write_recovery_file(recovery[0], key, recovery[1], project.title)
    name = owner if key is not None else project.owner
    public = key.public if key is not None else project.owner_key
    change = blinding(stages, name, public, is_by_slide=is_by_slide)
    project = change_project(folder, change)
    if key is not None:
        keep_owner_key(project, owner, key)
    return project


def end_stage(reader: StudyReader, identity: str) -> StudyReader:
    """End the stage in which a reader is, on one slide or with "" on all.

    What was sealed to the reader's key in it stays open to the owner alone, unless a later stage
    shows it. Raises OSError.
    """
    view = reader.view(identity)
    write_stage_end(reader.folder, reader.reader, view.stage, identity)
    after = study_reader(reader.folder, reader.project, reader.reader)
    after.forget_ended_keys()
    return after
