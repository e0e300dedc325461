"""Corrected outlines without number, by the command line: one sentence, exit code 2, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import shapely
from measured_runs import coverslip


def write(path: Path, name: str, shapes: list[shapely.Polygon]) -> Path:
    """Write GeoJSON of annotations of a class."""
    features = [
        {
            "type": "Feature",
            "geometry": json.loads(shapely.to_geojson(each)),
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for each in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def stacked() -> list[shapely.Polygon]:
    """Return as many outlines of one nucleus."""
    return [shapely.Point(100, 100).buffer(20, 2)] * 4000


def test_corrections_that_lie_on_one_another_too_often_are_one_sentence(
    sample_slide: Path, tmp_path: Path
) -> None:
    marks = write(tmp_path / "marks.geojson", "Nucleus", stacked())
    outcome = coverslip(
        "train", "nuclei", sample_slide, "--marks", marks, "-o", tmp_path / "model", timeout_s=60
    )
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "The outlines lie on one another about" in outcome.err
    assert not (tmp_path / "model").exists()
