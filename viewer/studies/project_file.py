"""project.json: read with care, written whole, changed by several people at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock, Timeout

from viewer.access import kept_mode, make_folder
from viewer.errors import CoverslipError, reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.studies.project import FORMAT, PROJECT_FILE, VERSION, Project
from viewer.untyped import is_mapping, is_sequence, mapping_of

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.studies.project import Change

_LOCK_FILE = ".project.lock"
_LOCK_WAIT_S = 10.0
_PREVIOUS, _DAMAGED = "project.previous.json", "project.damaged.json"

_Raw = dict[str, object]


class ProjectError(CoverslipError):
    """A project that cannot be used as asked; `str()` is one sentence."""


def project_folder(path: Path) -> Path:
    """Return the folder of a project, which is given by that or by its project.json."""
    return path.parent if path.name == PROJECT_FILE else path


def is_project(path: Path) -> bool:
    """Return whether a path is a project's folder or its file; asks the disk."""
    return (project_folder(path) / PROJECT_FILE).is_file()


def create_project(folder: Path, project: Project) -> Project:
    """Make a project in a folder, which is made where it is missing.

    Raises
    ------
    ProjectError
        There is a project already, or the folder cannot be written.
    """
    try:
        make_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    with _Locked(folder):
        if (folder / PROJECT_FILE).exists():
            raise ProjectError(f"There is a project in {folder} already: open it instead.")
        _write(folder, msgspec.to_builtins(project))
    return project


def read_project(folder: Path) -> Project:
    """Read the project of a folder.

    Raises
    ------
    ProjectError
        There is none, or its file is damaged or foreign; then a copy of it is kept beside it.
    """
    return _taken(folder, _read(folder))


def change_project(folder: Path, change: Change) -> Project:
    """Apply a change to what is in the file now, write it, and return what was written.

    Nobody else writes meanwhile. Members that this version does not know stay as they are, of
    the project and of each slide.

    Raises
    ------
    ProjectError
        As `read_project`; or the file cannot be written, and is then as it was.
    """
    with _Locked(folder):
        raw = _read(folder)
        before = _taken(folder, raw)
        after = change(before)
        if after != before:
            _write(folder, _merged(raw, after))
    return after


def modified_ns(folder: Path) -> int:
    """Return when the file was written last; 0 where it is unknown. Asks the disk."""
    try:
        return (folder / PROJECT_FILE).stat().st_mtime_ns
    except OSError:
        return 0


# ---------------------------------------------------------------------------------------------


class _Locked:
    """Holds a project's lock; waits a while for others to be done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mode = kept_mode(folder)
        self._lock = FileLock(folder / _LOCK_FILE, timeout=_LOCK_WAIT_S, mode=mode)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ProjectError(
                f"Somebody else is writing the project in {self._folder.name}: try again."
            ) from error
        except FileNotFoundError as error:
            raise ProjectError(f"There is no project in {self._folder}.") from error
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        except NotImplementedError as error:
            raise ProjectError(
                f"The drive of {self._folder} cannot lock files: copy the project to another one."
            ) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _read(folder: Path) -> _Raw:
    path = folder / PROJECT_FILE
    try:
        data = read_regular(path, JSON_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ProjectError(f"There is no project in {folder}: make one there first.") from error
    except OSError as error:
        reason = reason_of(error)
        raise ProjectError(f"{path} cannot be read ({reason}): see that you may.") from error
    try:
        return msgspec.json.decode(data, type=prepared(_Raw))
    except DECODE_ERRORS as error:
        raise _damaged(folder, f"is damaged ({_short(error)})") from error


def _taken(folder: Path, raw: _Raw) -> Project:
    if raw.get("format") != FORMAT:
        raise _damaged(folder, "is none of Coverslip's projects")
    version = raw.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ProjectError(f"The project in {folder} is of a newer Coverslip: update yours.")
    try:
        return msgspec.convert(raw, prepared(Project))
    except msgspec.ValidationError as error:
        raise _damaged(folder, f"is damaged ({_short(error)})") from error


def _damaged(folder: Path, what: str) -> ProjectError:
    """Keep a copy, so that nothing that is tried afterwards can cost anything."""
    problem = f"The {PROJECT_FILE} in {folder} {what}"
    try:
        damaged = read_regular(folder / PROJECT_FILE, JSON_BYTES)
        atomic_write_bytes(folder / _DAMAGED, damaged, kept=True)
        problem += f"; a copy is kept as {_DAMAGED}"
    except OSError:
        problem += "; no copy of it can be kept"
    if (folder / _PREVIOUS).exists():
        return ProjectError(f"{problem}: rename {_PREVIOUS} to {PROJECT_FILE} to go on from there.")
    return ProjectError(f"{problem}: bring back the file as it was.")


def _short(error: Exception) -> str:
    return str(error).replace("`", "").removeprefix("JSON is malformed: ")


def _merged(raw: _Raw, project: Project) -> _Raw:
    """Return what this version knows over all that is in the file."""
    fields: _Raw = msgspec.to_builtins(project)
    for name, key in (
        ("slides", "identity"),
        ("palette", "name"),
        ("forms", "id"),
        ("keys", "key"),
        ("stages", "name"),
    ):
        fields[name] = _merged_list(raw.get(name), fields[name], key)
    return raw | fields


def _merged_list(before: object, after: object, key: str) -> list[_Raw]:
    assert is_sequence(after)
    there = before if is_sequence(before) else ()
    held = {each.get(key): each for each in there if is_mapping(each)}
    return [held.get(each[key], {}) | each for each in map(mapping_of, after)]


def _write(folder: Path, fields: _Raw) -> None:
    path = folder / PROJECT_FILE
    try:
        if path.exists():
            atomic_write_bytes(folder / _PREVIOUS, read_regular(path, JSON_BYTES), kept=True)
        text = msgspec.json.format(msgspec.json.encode(fields), indent=2)
        atomic_write_bytes(path, text + b"\n", kept=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> ProjectError:
    reason = reason_of(error)
    return ProjectError(
        f"The project in {folder} cannot be written ({reason}): see that there is room and that "
        "you may write there."
    )
