"""Leave names of slides, folders and readers out of logs and reports: some are patients' names."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from pathlib import Path

from viewer.suffixes import SUFFIXES

NAME_MARK = "<name>"
_MOST_NAMES = 500
_LEAST_LETTERS = 2
_WORDS = frozenset(
    {
        "coverslip", "data", "default", "desktop", "documents", "downloads", "home", "images",
        "media", "mnt", "root", "slides", "srv", "tmp", "user", "users", "viewer", "work",
    }
)  # fmt: skip
"""Names of folders that tell of nobody, and that logs are full of."""
_SUFFIX = re.compile(
    "(?<!<slide>)(" + "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES)) + r")\b",
    re.IGNORECASE,
)
_SAID_BY = re.compile(r"^(\d\S+ \S+ [A-Z]+ [\w.]+: |[\w.]+: |\s*)")
"""Before what is said: time, level and logger of a log line, or the kind of an error."""
_CODE_FILE = re.compile(r'File "([^"]*)"')
_PATH = re.compile(r"""(?<![^\s"'(=\[])(?:~[/\\]|/(?=\S)|[A-Za-z]:[/\\]|\\\\)[^"'\n]*""")
"""To the closing quote or the end of the line: folders may have spaces in their names."""
_ADDRESS_REST = re.compile(r"""(\b[a-z][a-z0-9+.-]*://[^\s?#"']*)[?#][^\s"']*""", re.IGNORECASE)
"""What follows the path of an address may be a signature or a token."""
_ERRNO = re.compile(r"""(\[Errno -?\d+\][^:'"]*: )(['"]).*""")
"""What the system says of a path, whatever its form."""


class KnownNames:
    """Names that were met in this run; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *names: str) -> None:
        """Leave these out from now on, wherever they stand."""
        with self._lock:
            for name in names:
                text = name.strip()
                if len(text) >= _LEAST_LETTERS and text.casefold() not in _WORDS:
                    self._names[text] = None
                    self._names.move_to_end(text)
            while len(self._names) > _MOST_NAMES:
                self._names.popitem(last=False)
            self._pattern = None

    def left_out_of(self, text: str) -> str:
        """Return the text with a mark in place of each name."""
        with self._lock:
            if self._pattern is None and self._names:
                longest_first = sorted(self._names, key=len, reverse=True)
                either = "|".join(map(re.escape, longest_first))
                self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)
            pattern = self._pattern
        return pattern.sub(NAME_MARK, text) if pattern is not None else text


_known = KnownNames()


def leave_out_path(path: Path | str) -> None:
    """Leave out the name of a slide or file, and that of the folder that it lies in."""
    named, path = str(path), Path(path)
    _known.add(named, str(path), path.name, path.stem, path.parent.name)


def leave_out_names(*names: str) -> None:
    """Leave out names of people, such as a reader's pseudonym."""
    _known.add(*names)


def without_names(line: str) -> str:
    """Return a line without names of slides, folders and readers.

    A name may hold spaces, so nobody can tell where it begins: what is before it goes, too, back to
    where its path begins if it has one.
    """
    if _CODE_FILE.search(line):
        return _CODE_FILE.sub(lambda match: f'File "{_code_place(match[1])}"', line)
    line = _ADDRESS_REST.sub(r"\1", line)
    said_by = _SAID_BY.match(line)
    begin = said_by.end() if said_by else 0
    rest = line[begin:]
    suffixes = list(_SUFFIX.finditer(rest))
    if suffixes:
        path = _PATH.search(rest)
        cut = path.start() if path and path.start() < suffixes[0].start() else 0
        rest = f"{rest[:cut]}<slide>{suffixes[-1][1]}{rest[suffixes[-1].end() :]}"
    rest = _ERRNO.sub(r"\1<path>", rest)
    return line[:begin] + _known.left_out_of(_PATH.sub("<path>", rest))


def _code_place(path: str) -> str:
    """Where code lies, from the package on: what is before it tells of the user's folders."""
    parts = Path(path).parts
    for root in ("site-packages", "viewer"):
        if root in parts:
            return "/".join(parts[parts.index(root) :])
    return Path(path).name
