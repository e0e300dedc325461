"""Counts name what they were made of, and are outdated once their region has another shape."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import shapely
from shapely import affinity

from viewer.annotations.annotation import Annotation
from viewer.annotations.counted import (
    COUNTED,
    current,
    former_mpp_um,
    is_outdated,
    with_count,
    without_count,
)
from viewer.annotations.formats.exchange import FORMATS
from viewer.annotations.formats.qupath import read_qupath

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {"Objects": 12, "Objects per mm2": 3174.5, "Objects: Tumor": 7, "Positive objects": 3}


@pytest.fixture
def region() -> Annotation:
    drawn = Annotation(shapely.Point(500.3, 700.7).buffer(80), measurements={"Stain": 0.25})
    return with_count(drawn, COUNTS, "Nuclei 2 at 0.5 µm/px", 0.2)


def test_a_count_says_what_it_was_made_of(region: Annotation) -> None:
    assert region.measurements == {"Stain": 0.25, **COUNTS, "Analyzed %": 20.0}
    assert region.metadata[COUNTED].startswith("Nuclei 2 at 0.5 µm/px, 20 % analyzed, on 2")
    assert not is_outdated(region)
    again = with_count(region, {"Objects": 60}, "Nuclei 2 at 0.5 µm/px", 1.0)
    assert again.measurements == {"Stain": 0.25, "Objects": 60}


def test_a_region_that_is_reshaped_or_moved_has_no_current_count(region: Annotation) -> None:
    geometry = region.geometry
    for changed in (
        affinity.scale(geometry, 1.1, 1.1),
        affinity.translate(geometry, 40, 0),
        geometry.union(shapely.box(500, 700, 650, 720)),
    ):
        reshaped = replace(region, geometry=changed)
        assert is_outdated(reshaped)
        assert current(reshaped).measurements == {"Stain": 0.25}
        assert COUNTED not in current(reshaped).metadata
    assert current(region) == region
    assert without_count(region).measurements == {"Stain": 0.25}


def test_a_count_is_still_current_after_a_file(region: Annotation, tmp_path: Path) -> None:
    path = tmp_path / "counted.geojson"
    FORMATS["qupath"].write(path, [region])
    (read,) = read_qupath(path, [])
    assert read.measurements["Objects"] == 12
    assert not is_outdated(read)


def test_a_count_made_by_another_pixel_size_is_not_current(region: Annotation) -> None:
    counted = with_count(region, COUNTS, "Nuclei 2 at 0.5 µm/px", 1.0, 0.25)
    assert former_mpp_um(counted, 0.25) is None
    assert former_mpp_um(counted, 0.5) == 0.25
    assert current(counted, 0.25) == counted
    assert current(counted, 0.5).measurements == {"Stain": 0.25}
    assert former_mpp_um(region, 0.5) is None
