"""Where regions lie that were kept by click to segment before they became annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.folders import data_folder, name_of_slide

if TYPE_CHECKING:
    from pathlib import Path


def regions_path(identity: str) -> Path:
    """The GeoJSON file of a slide; it need not exist, and nothing is added to it any more."""
    name = name_of_slide(identity)
    return data_folder() / "regions" / name / "Pointed out.geojson"
