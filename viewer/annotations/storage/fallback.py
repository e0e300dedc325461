"""Where changes go that a full disk refuses to the end."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from viewer.annotations.document import Change, Edit
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.files.fallback import fallback_path, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.annotations.storage.slide_file import KeptAnnotations

_FORMER_FOLDER = "coverslip-annotations"


def spill(path: Path, steps: Sequence[Stamped]) -> Path:
    """Keep steps that could not be written to `path`, and return the file where they wait.

    Raises
    ------
    OSError, sqlite3.Error, AnnotationStoreError
        They cannot be written elsewhere either.
    """
    store = AnnotationStore(fallback_path(_name(path)))
    store.write(steps)
    store.close()
    return store.path


def take_spilled(store: KeptAnnotations, path: Path) -> int:
    """Bring refused changes home and return how many; what another account left is not touched.

    Raises
    ------
    sqlite3.Error, OSError
        They are refused again.
    """
    name = _name(path)
    place = waiting(name, _FORMER_FOLDER, name.removeprefix("annotations-"))
    if place is None:
        return 0
    spilled = AnnotationStore(place)
    found = spilled.changed()
    spilled.close()
    held = {annotation.id: annotation for annotation in store.annotations()[0]}
    changes = [
        Change(held.get(id_), after) for id_, after in found if after is not None or id_ in held
    ]
    store.write([Stamped.now(Edit("Recover", tuple(changes)))])
    for end in ("", "-wal", "-shm"):
        place.with_name(place.name + end).unlink(missing_ok=True)
    return len(changes)


def _name(path: Path) -> str:
    digest = hashlib.blake2b(str(path.absolute()).encode(), digest_size=12).hexdigest()
    return f"annotations-{digest}.sqlite"
