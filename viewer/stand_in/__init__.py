"""A home for one run where the program's own folders cannot be written: read-only, full, no quota.

The stand-in lies in memory or in the temporary folder, belongs to this account alone, and goes
with the program, unless the user chose a folder to keep it in. What can be read of the real home is
there too: settings and annotations as copies, sessions and models as links. What a killed run
leaves is taken up by the next one, or brought back once the home can be written.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.access import close_tree
from viewer.errors import reason_of
from viewer.folders import own_folders
from viewer.stand_in.left_behind import (
    PREFIX,
    bring_back,
    held,
    left_behind,
    parents,
    say_origin,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from filelock import FileLock

_HOME = "COVERSLIP_HOME"
_PROBE_BYTES = 1 << 16
"""A full disk takes small files for a while yet."""
_MOST_COPIED_BYTES = 256 << 20
_LINKED = ("models", "sessions")
_OF_WORK = (
    "alignments", "annotations", "answers", "batches", "cells", "exchanges", "marks", "models",
    "pixel-sizes", "projects", "sessions",
)  # fmt: skip
"""Folders of data for what somebody made; others are written as slides are opened."""
_log = logging.getLogger(__name__)


class StandIn:
    """The stand-in of this run, where there is one."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.reason = ""
        """One sentence: which folder cannot be written, and why; "" while all is well."""
        self.brought_back = ""
        """One sentence: what a killed run had left and where it is; "" where it left nothing."""
        self._lock: FileLock | None = None
        self._checked: str | None = None
        self._copied: frozenset[tuple[str, int, int]] = frozenset()
        """What of work was in it from the beginning: place, time and size of each file."""

    @property
    def holds_work(self) -> bool:
        """Return whether it keeps something that was done since, and goes with the program."""
        if self.folder is None:
            return False
        changed = _work_files(self.folder) - self._copied
        return any(_is_work(Path(place)) for place, _, _ in changed)

    def ensure(self) -> str:
        """See that the program's folders can be written, or put others in their place.

        Where no other can be written either the folders stay, and each write says why it failed.

        Returns
        -------
        `reason`
        """
        home = os.environ.get(_HOME, "")
        if home == self._checked:
            return self.reason
        trouble = _trouble_with(own_folders())
        originals: dict[str, Path] = dict(zip(("config", "data"), own_folders(), strict=False))
        if trouble is None:
            self._checked, self.reason, self.folder = home, "", None
            self.brought_back = _brought_back(originals)
            return ""
        folder, error = trouble
        self.reason = f"{folder} cannot be written ({reason_of(error)})."
        if (left := next(left_behind(originals), None)) is not None:
            self.folder, self._lock = left.folder, left.lock
        else:
            self.folder = _made()
            if self.folder is None:
                self._checked = home
                return self.reason
            self._lock = _filled(self.folder, originals)
            self._copied = _work_files(self.folder)
        self._use(self.folder)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        return self.reason

    def move_to(self, folder: Path) -> Path:
        """Keep what was done in a folder that the user chose, and work there from now on.

        Returns
        -------
        The home, for COVERSLIP_HOME at the next start.

        Raises
        ------
        OSError
            The folder cannot be written; the stand-in stays in use.
        """
        home = folder / "coverslip"
        probe(home)
        former = self.folder
        if former is not None:
            for kind in ("config", "data"):
                if (former / kind).is_dir():
                    # Sessions and models that are links stay where they are.
                    shutil.copytree(
                        former / kind, home / kind, dirs_exist_ok=True, ignore=_links_of
                    )
                    close_tree(home / kind)
                    for path in (home / kind, *(home / kind).rglob("*")):
                        sync(path)  # it is about to be the only one
        self.folder, self.reason = None, ""
        self._use(home)
        if former is not None:
            shutil.rmtree(former, ignore_errors=True)
        return home

    def _use(self, home: Path) -> None:
        os.environ[_HOME] = self._checked = str(home)


stand_in = StandIn()


def _trouble_with(folders: tuple[Path, ...]) -> tuple[Path, OSError] | None:
    for folder in folders:
        try:
            probe(folder)
        except OSError as error:
            return folder, error
    return None


def probe(folder: Path) -> None:
    """See that a folder can be written and has some room. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f".probe-{os.urandom(6).hex()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if os.write(descriptor, bytes(_PROBE_BYTES)) < _PROBE_BYTES:
            raise OSError(28, os.strerror(28))
    finally:
        os.close(descriptor)
        path.unlink()


def _made() -> Path | None:
    """Make the stand-in's folder, which is its owner's alone; None where there is no room."""
    for parent in parents():
        try:
            if parent.is_dir():
                folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
                try:
                    probe(folder)
                except OSError:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
                return folder
        except OSError as error:
            _log.info("No stand-in can be made in %s (%s)", parent, reason_of(error))
    return None


def _filled(folder: Path, originals: Mapping[str, Path]) -> FileLock | None:
    """Copy the home into a new stand-in, and hold it for this run."""
    lock = None
    try:
        lock = held(folder)
        _copy(originals, folder)
        say_origin(folder, originals)
    except OSError as error:
        _log.warning("A killed run would lose %s (%s)", folder, reason_of(error))
    close_tree(folder)
    return lock


def _brought_back(originals: Mapping[str, Path]) -> str:
    """Bring back what killed runs left, and say so."""
    sentences: list[str] = []
    for left in left_behind(originals):
        try:
            sentences.append(bring_back(left))
        except OSError as error:
            sentences.append(
                f"What was done while the home could not be written stays in {left.folder}: it "
                f"cannot be brought back ({reason_of(error)})."
            )
        finally:
            left.lock.release()
    return " ".join(filter(None, sentences))


def _copy(originals: Mapping[str, Path], folder: Path) -> None:
    """Copy what can be read, as far as there is room; what is large is linked."""
    left_bytes = _MOST_COPIED_BYTES
    for kind, original in originals.items():
        for entry in _entries(original):
            target = folder / kind / entry.name
            target.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                if entry.name in _LINKED and entry.is_dir():
                    target.mkdir(mode=0o700)
                    for each in _entries(entry):
                        (target / each.name).symlink_to(each.absolute())
                    continue
                size = sum(f.stat().st_size for f in (entry, *entry.rglob("*")) if f.is_file())
                if size > left_bytes:
                    target.symlink_to(entry.absolute())
                    continue
                left_bytes -= size
                if entry.is_dir():
                    shutil.copytree(entry, target)
                else:
                    shutil.copy2(entry, target)
            except OSError as error:
                _log.warning("%s cannot be read or copied (%s)", entry, reason_of(error))


def _work_files(home: Path) -> frozenset[tuple[str, int, int]]:
    """Return place, time and size of each file that can hold work; links are left out."""
    found: set[tuple[str, int, int]] = set()
    walks = (os.walk(home / "data" / name) for name in _OF_WORK)
    for folder, _, names in itertools.chain(*walks):
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(OSError):
                about = path.lstat()
                if stat.S_ISREG(about.st_mode):
                    found.add((str(path), about.st_mtime_ns, about.st_size))
    return frozenset(found)


def _is_work(path: Path) -> bool:
    """Return whether a file that is new or has changed says more than that a slide was opened."""
    if path.name.startswith(".") or path.suffix == ".lock":
        return False
    place, is_journal, _ = str(path).partition(".sqlite-")
    base = Path(f"{place}.sqlite") if is_journal else path
    if base.suffix != ".sqlite" or base.parent.name != "annotations":
        return True
    import sqlite3

    try:  # it is made as a slide opens, and has a step for each change
        with contextlib.closing(sqlite3.connect(f"{base.as_uri()}?mode=ro", uri=True)) as opened:
            steps = "SELECT 1 FROM sqlite_master WHERE name = 'step'"
            if opened.execute(steps).fetchone() is None:
                return False
            return opened.execute("SELECT 1 FROM step LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return True


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _links_of(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if os.path.islink(os.path.join(folder, name))]
