"""The cell settings and stains of each slide, as the user left them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.access import make_folder
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.set_aside import kept_json, set_aside
from viewer.folders import data_folder
from viewer.inference.cells.settings import CellSettings, CellSettingsError, checked
from viewer.inference.cells.stain_vectors import StainError, StainVectors
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from pathlib import Path


def kept_settings(identity: str) -> CellSettings | None:
    """Return the settings that were kept for a slide; None where there are none.

    A file that cannot be understood is set aside.
    """
    path, what = _path(identity), "The cell settings of a slide"
    try:
        kept = kept_json(path, CellSettings, what)
        return None if kept is None else checked(kept)
    except (CellSettingsError, StainError) as error:
        set_aside(path, error, what)
        return None


def all_kept_stains() -> dict[str, StainVectors]:
    """Return the stains that were kept for any slide, by the name of its file here."""
    found: dict[str, StainVectors] = {}
    for path in sorted((data_folder() / "cells").glob("*.json")):
        try:
            found[path.stem] = msgspec.json.decode(
                read_kept(path), type=prepared(CellSettings)
            ).stains
        except (OSError, StainError, *DECODE_ERRORS):
            continue  # said when that slide is opened
    return found


def keep_settings(identity: str, settings: CellSettings) -> None:
    """Keep the settings of a slide. Raises OSError."""
    path = _path(identity)
    make_folder(path.parent)
    atomic_write_bytes(path, msgspec.json.format(msgspec.json.encode(settings), indent=2))


def _path(identity: str) -> Path:
    from viewer.slides.slide_key import file_name_of

    return data_folder() / "cells" / f"{file_name_of(identity)}.json"
