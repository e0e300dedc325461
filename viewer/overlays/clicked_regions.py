"""Where regions lie that were kept by click to segment before they became annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.folders import data_folder
from viewer.slides.slide_key import file_name_of

if TYPE_CHECKING:
    from pathlib import Path


def regions_path(identity: str) -> Path:
    """Return the GeoJSON file of a slide.

    It need not exist, and nothing is added to it any more.
    """
    name = file_name_of(identity)
    return data_folder() / "regions" / name / "Pointed out.geojson"
