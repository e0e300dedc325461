"""Puts what can be read of a damaged file of annotations into a new one."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from viewer.annotations.document import adding
from viewer.annotations.storage.packing import unpacked
from viewer.annotations.storage.store import AnnotationStore, Stamped, connect
from viewer.annotations.storage.whole_database import take_place, unfinished_database

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.annotations.annotation import Annotation

_FORWARD = (
    "SELECT id, place, body FROM annotation WHERE body IS NOT NULL AND id >= ? AND id < ? "
    "ORDER BY id"
)
_BACKWARD = f"{_FORWARD} DESC"


def mend(path: Path) -> tuple[int, Path | None]:
    """Put what can still be read of a damaged file into a new one in its place.

    Returns
    -------
    tuple[int, Path | None]
        How many annotations could be read, and where the damaged file is kept.

    Raises
    ------
    OSError, sqlite3.Error
        It cannot be written: the damaged file is where it was.
    """
    found = _salvaged(path)
    with unfinished_database(path) as place:
        with contextlib.closing(AnnotationStore(place)) as store:
            store.write([Stamped.now(adding("Recover", found))])
        return len(found), take_place(place, path, "damaged")


def _salvaged(path: Path) -> list[Annotation]:
    """Return what can still be read of a damaged file, in the order of drawing.

    A page that is damaged ends what reads on from it, so each part of the table is read from both
    of its ends.
    """
    found: dict[bytes, tuple[int, bytes]] = {}
    for first in range(256):
        ends = bytes([first]), bytes([first + 1]) if first < 255 else bytes([255] * 17)
        for query in (_FORWARD, _BACKWARD):
            try:
                with contextlib.closing(connect(path)) as database:
                    for id_, place, body in database.execute(query, ends):
                        if isinstance(place, int) and isinstance(body, bytes):
                            found[id_] = (place, body)
                break  # all of this part was read
            except sqlite3.Error:
                continue
    annotations: list[Annotation] = []
    for _, body in sorted(found.values()):
        with contextlib.suppress(ValueError):
            annotations.append(unpacked(body))
    return annotations
