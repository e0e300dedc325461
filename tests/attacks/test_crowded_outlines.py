"""Corrected outlines without number, by the command line: one sentence, exit code 2, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import shapely
from measured_runs import coverslip


def write(path: Path, **shapes: list[shapely.Polygon]) -> Path:
    """Write GeoJSON of annotations of classes."""
    features = [
        f'{{"type": "Feature", "geometry": {geometry}, "properties": {about}}}'
        for name, of_class in shapes.items()
        for about in [json.dumps({"objectType": "annotation", "classification": {"name": name}})]
        for geometry in shapely.to_geojson(of_class)
    ]
    path.write_text(f'{{"type": "FeatureCollection", "features": [{", ".join(features)}]}}')
    return path


def stacked() -> list[shapely.Polygon]:
    """Return as many outlines of one nucleus."""
    return [shapely.Point(100, 100).buffer(20, 2)] * 4000


def nuclei() -> list[shapely.Polygon]:
    """Return outlines that lie apart."""
    return [shapely.Point(20 + 40 * i, 20 + 40 * j).buffer(8) for i in range(8) for j in range(8)]


def grating(count: int, side: float = 500) -> list[shapely.Polygon]:
    """Return strips, half of them upright, that cross one another as often as can be."""
    step = side / count
    flat = [shapely.box(0, i * step, side, (i + 0.4) * step) for i in range(count)]
    return [*flat, *(shapely.box(i * step, 0, (i + 0.4) * step, side) for i in range(count))]


def test_corrections_that_lie_on_one_another_too_often_are_one_sentence(
    sample_slide: Path, tmp_path: Path
) -> None:
    marks = write(tmp_path / "marks.geojson", Nucleus=stacked())
    outcome = coverslip(
        "train", "nuclei", sample_slide, "--marks", marks, "-o", tmp_path / "model", timeout_s=60
    )
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "The outlines lie on one another about" in outcome.err
    assert not (tmp_path / "model").exists()


def test_corrected_areas_that_cross_without_number_are_learned_from(
    sample_slide: Path, tmp_path: Path
) -> None:
    marks = write(tmp_path / "marks.geojson", Nucleus=nuclei(), Region=grating(1500))
    outcome = coverslip(
        "train", "nuclei", sample_slide, "--marks", marks, "-o", tmp_path / "model",
        "--steps", 1, timeout_s=60,
    )  # fmt: skip
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "got no better" in outcome.err
    assert outcome.peak_mb < 2000, outcome


def test_corrected_areas_without_number_on_one_another_are_one_sentence(
    sample_slide: Path, tmp_path: Path
) -> None:
    whole = [shapely.box(0, 0, 500, 500)] * 200_000
    marks = write(tmp_path / "marks.geojson", Nucleus=nuclei(), Region=whole)
    outcome = coverslip(
        "train", "nuclei", sample_slide, "--marks", marks, "-o", tmp_path / "model", timeout_s=60
    )
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "The corrected areas lie on one another about" in outcome.err
