"""Results of more classes than objects can have: refused as soon as that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bombs import many_classes

from viewer.annotations.annotation import Annotation
from viewer.geometry import Size
from viewer.limits import CLASSES
from viewer.overlays.files import outline_files
from viewer.overlays.files.outline_files import MOST_CLASSES, read_qupath
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file

SLIDE = Size(100_000, 1000)


@pytest.mark.parametrize(("kind", "most"), [("detection", MOST_CLASSES), ("", CLASSES.most)])
def test_results_of_too_many_classes_are_not_read_to_their_end(
    kind: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many_classes(tmp_path / "classes.geojson", 2 * CLASSES.most)
    if kind:
        content = json.loads(path.read_bytes())
        for feature in content["features"]:
            feature["properties"]["objectType"] = kind
        path.write_text(json.dumps(content))
    read = 0

    def counted(*arguments: Any) -> Iterator[Annotation]:
        nonlocal read
        for annotation in read_qupath(*arguments):
            read += 1
            yield annotation

    monkeypatch.setattr(outline_files, "read_qupath", counted)
    with pytest.raises(ResultFileError, match="holds more than 255 classes"):
        read_result_file(path, SLIDE, 0.5)
    assert read == most + 1


def test_drawn_classes_beside_detections_do_not_count(tmp_path: Path) -> None:
    path = many_classes(tmp_path / "classes.geojson", MOST_CLASSES + 10)
    content = json.loads(path.read_bytes())
    for feature in content["features"][:3]:
        feature["properties"]["objectType"] = "detection"
    path.write_text(json.dumps(content))
    assert len(read_result_file(path, SLIDE, 0.5).colors) == 3
