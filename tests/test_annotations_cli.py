"""`coverslip annotations` as an annotator's script runs it."""

from __future__ import annotations

import json
from pathlib import Path

from test_cli import coverslip

_SQUARE = [[[0, 0], [20, 0], [20, 20], [0, 20], [0, 0]]]


def _write(path: Path, *geometries: object) -> None:
    told = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    features = [{"type": "Feature", "geometry": g, "properties": told} for g in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def test_a_file_goes_to_asap_and_back(tmp_path: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE})
    there = coverslip(
        "annotations", "convert", "a.geojson", "a.xml", "--to", "asap", folder=tmp_path
    )
    assert there.returncode == 0
    back = coverslip("annotations", "convert", "a.xml", "b.geojson", "--json", folder=tmp_path)
    assert json.loads(back.stdout)["annotations"] == 1
    feature = json.loads((tmp_path / "b.geojson").read_text())["features"][0]
    assert feature["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 0]}


def test_what_is_wrong_is_told_by_number(tmp_path: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE}, None)
    done = coverslip("annotations", "validate", "a.geojson", folder=tmp_path)
    assert done.returncode == 1
    assert "left out number 2: it has no geometry" in done.stdout
    told = coverslip("annotations", "stats", "a.geojson", "--mpp", "0.5", "--json", folder=tmp_path)
    assert json.loads(told.stdout) == [
        {"class": "Tumor", "count": 1, "area um2": 100.0, "length um": 40.0}
    ]


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{")
    for arguments in (
        ("validate", "a.geojson"),
        ("stats", "missing.geojson"),
        ("convert", "a.geojson", "b.geojson"),
        ("convert", "a.geojson", "b.doc"),
    ):
        done = coverslip("annotations", *arguments, folder=tmp_path)
        assert done.returncode == 2, arguments
        assert done.stderr.strip().endswith(".")
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "b.geojson").exists()
