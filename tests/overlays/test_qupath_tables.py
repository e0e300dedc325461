"""Measurements of detections as QuPath exports them, without outlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.geometry import Size
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.object_map import ObjectMap

SLIDE = Size(4000, 3000)
HEAD = (
    "Image\tObject ID\tObject type\tName\tClassification\tParent\tROI\tCentroid X µm\tCentroid Y µm"
    "\tNucleus: Area µm^2\tCell: Area µm^2\tNucleus: Hematoxylin OD mean"
)
ROWS = (
    "s.svs\ta\tAnnotation\t\tTumor\tRoot\tPolygon\t500\t500\t\t\t",
    "s.svs\tb\tCell\t\tTumor: Positive\tTumor\tPolygon\t100\t50\t31.4\t90\t0.5",
    "s.svs\tc\tCell\t\t\tTumor\tPolygon\t200\t75\t\t\t0.25",
    "s.svs\td\tCell\t\tTumor: Positive\tTumor\tPolygon\t99999\t75\t10\t20\t0.25",
)


def write(path: Path, rows: tuple[str, ...] = ROWS, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join([HEAD, *rows, ""]).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_detections_are_discs_of_their_area(tmp_path: Path, encoding: str) -> None:
    file = read_result_file(write(tmp_path / "m.tsv", encoding=encoding), SLIDE, 0.5)
    assert isinstance(file.found, ObjectMap)
    objects = file.found.all_objects()
    assert [name for name, _ in file.colors] == ["Tumor: Positive", "No class"]
    assert objects.classes.tolist() == [0, 1]
    assert objects.centroids.tolist() == [[200, 100], [400, 150]]
    widths = [np.ptp(objects.outline(index)[:, 0]) for index in range(2)]
    assert widths == pytest.approx([4 * np.sqrt(31.4 / np.pi), 16], rel=1e-3)
    measured = objects.measured("Nucleus: Hematoxylin OD mean")
    assert measured.tolist() == [0.5, 0.25]
    assert any("no outlines" in each for each in file.troubles)
    assert any("beside the slide" in each for each in file.troubles)


def test_they_count_from_the_bounds_of_a_slide_and_by_its_pixels(tmp_path: Path) -> None:
    place = SlidePlace(bounds_px=(1000.0, 500.0), mpp_um=(0.5, 0.25))
    path = write(tmp_path / "m.tsv")
    found = read_result_file(path, SLIDE, 0.375, place).found
    assert isinstance(found, ObjectMap)
    assert found.all_objects().centroids.tolist()[0] == [1200, 700]
    found = read_result_file(path, SLIDE, 0.375, place, "slide").found
    assert isinstance(found, ObjectMap)
    assert found.all_objects().centroids.tolist()[0] == [200, 200]


def test_annotations_alone_are_no_detections(tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="no detections on this slide"):
        read_result_file(write(tmp_path / "m.txt", ROWS[:1]), SLIDE, 0.5)
