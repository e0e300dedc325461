"""A stable identity for slides that bring none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_END_BYTES = 1 << 20


def content_hash(path: Path) -> str:
    """Identity of a file by its size and its first and last MiB, as hexadecimal digits.

    The ends hold what sets scans apart: header, offsets of every tile (they depend on each
    tile's compressed size), metadata, and pixels. Reading all of a slide of many gigabytes would
    make opening wait for the disk.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=32)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(size.to_bytes(8, "little"))
        file.seek(0)
        digest.update(file.read(_END_BYTES))
        if size > _END_BYTES:
            file.seek(max(_END_BYTES, size - _END_BYTES))
            digest.update(file.read(_END_BYTES))
    return digest.hexdigest()
