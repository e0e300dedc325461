"""Where changes go that a full disk refuses to the end: a file in the temporary folder."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.annotations.document import Change, Edit
from viewer.annotations.storage.store import AnnotationStore, Stamped

if TYPE_CHECKING:
    from collections.abc import Sequence


def spill_path(path: Path) -> Path:
    """Where the refused changes of a file of annotations go."""
    name = hashlib.blake2b(str(path.absolute()).encode(), digest_size=12).hexdigest()
    return Path(tempfile.gettempdir()) / "coverslip-annotations" / f"{name}.sqlite"


def spill(path: Path, steps: Sequence[Stamped]) -> None:
    """Keeps steps that could not be written to `path`. Raises OSError, sqlite3.Error."""
    store = AnnotationStore(spill_path(path))
    store.write(steps)
    store.close()


def take_spilled(store: AnnotationStore) -> int:
    """Brings refused changes home; how many. Raises sqlite3.Error where they are refused again."""
    place = spill_path(store.path)
    if not place.exists():
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
