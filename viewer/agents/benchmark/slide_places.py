"""Finds the slides of questions in a folder, whatever folders they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.agents.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class SlidePlace(msgspec.Struct, frozen=True):
    """Where a slide lies; `path` is None where it is not there, and `why` says so.

    Attributes
    ----------
    note
        What the user should know of the way it was found; "" where it lies as it is named.
    """

    path: Path | None
    why: str = ""
    note: str = ""


class SlidePlaces:
    """Finds slides by the names that questions give them.

    Parameters
    ----------
    names
        Those of all questions: a file is not taken for a slide of another folder where the
        questions tell folders apart.

    Raises
    ------
    AgentError
        The folder is none.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        if not folder.is_dir():
            raise AgentError(f"{folder} is no folder: give the one that holds the slides.")
        self._folder = folder
        self._by_name: dict[str, list[Path]] | None = None
        self._asked: dict[str, set[str]] = {}
        for name in set(names):
            self._asked.setdefault(_parts(name)[-1], set()).add("/".join(_parts(name)))

    def find(self, name: str) -> SlidePlace:
        """Return where the slide of this name lies."""
        parts = _parts(name)
        direct = self._folder.joinpath(*parts)
        if direct.is_file():
            return SlidePlace(direct)
        files = self._files().get(parts[-1], [])
        if not files:
            return SlidePlace(None, "The slide was not found.")
        for count in range(len(parts), 1, -1):
            found = [path for path in files if list(path.parts[-count:]) == parts[-count:]]
            if found:
                return self._only(found, parts[-1])
        if len(parts) > 1 and len(self._asked.get(parts[-1], ())) > 1:
            return SlidePlace(None, "The slide was not found.")
        place = self._only(files, parts[-1])
        if len(parts) > 1 and place.path is not None:
            shown = place.path.relative_to(self._folder)
            return SlidePlace(place.path, note=f"{name} was found as {shown}.")
        return place

    def _only(self, found: list[Path], name: str) -> SlidePlace:
        if len(found) == 1:
            return SlidePlace(found[0])
        where = ", ".join(str(path.relative_to(self._folder)) for path in found[:3])
        return SlidePlace(
            None, f"{len(found)} files are named {name} ({where}): name the folder in the question."
        )

    def _files(self) -> dict[str, list[Path]]:
        if self._by_name is None:
            self._by_name = {}
            for path in sorted(self._folder.rglob("*")):
                if path.is_file():
                    self._by_name.setdefault(path.name, []).append(path)
        return self._by_name


def _parts(name: str) -> list[str]:
    """Return the folders and the file of a name from any system, without ways out of the folder."""
    parts = [each for each in name.replace("\\", "/").split("/") if each not in ("", ".", "..")]
    return parts or [name]
