"""Fetches the public files that tests read: `python -m scripts.public_files FOLDER`.

The tests find them where COVERSLIP_TEST_DATA says, and are skipped where a file is not there. Files
that are there already are checked; one that is not what it should be is left alone and named.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_LIST = Path(__file__).with_name("public_files.txt")
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file, its checksum, and where it is published."""

    name: str
    sha256: str
    address: str


def public_files() -> list[PublicFile]:
    """Return the list that lies beside this script."""
    lines = _LIST.read_text().splitlines()
    return [PublicFile(*line.split()) for line in lines if line and not line.startswith("#")]


def main(folder: Path) -> int:
    """Fetch what is missing; return the exit code, 1 where a file is not as it should be."""
    problems = 0
    for file in public_files():
        path = folder / file.name
        try:
            data = path.read_bytes() if path.exists() else _fetched(file)
        except (OSError, URLError) as error:
            print(f"{file.name} cannot be fetched from {file.address} ({error}).")
            problems += 1
            continue
        if hashlib.sha256(data).hexdigest() != file.sha256:
            where = path if path.exists() else file.address
            print(f"{file.name} is another file than the list names: see {where}.")
            problems += 1
        elif not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(data)
            part.replace(path)
            print(f"{file.name} was fetched.")
    return 1 if problems else 0


def _fetched(file: PublicFile) -> bytes:
    with urlopen(file.address, timeout=_WAIT_S) as answer:  # noqa: S310 - addresses of our list
        return answer.read()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
