"""`coverslip annotations compare` as a study's script runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_steps import coverslip


def _write(path: Path, **boxes: tuple[int, int, int, int]) -> None:
    features = []
    for name, (x0, y0, x1, y1) in boxes.items():
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        told = {"classification": {"name": name.rstrip("_"), "color": [200, 0, 0]}}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "geometry": geometry, "properties": told})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(tmp_path / "a.geojson", Tumor=(0, 0, 100, 100), Region=(0, 0, 200, 100))
    _write(tmp_path / "b.geojson", Tumor=(0, 0, 100, 50), Stroma=(0, 50, 100, 100))
    return tmp_path


def test_figures_and_disagreements(folder: Path, sample_slide: Path) -> None:
    done = coverslip(
        "annotations", "compare", "a.geojson", "b.geojson", "--slide", sample_slide,
        "--out", "differ.geojson", "--json", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    tumor = next(each for each in told["classes"] if each["class"] == "Tumor")
    assert tumor["dice"] == pytest.approx(2 / 3)
    assert told["mean_dice"] == pytest.approx(2 / 9)  # of Region, Stroma and Tumor
    assert tumor["area_b"] == pytest.approx(5000 * 0.499**2)
    assert (told["reference"], told["unit"]) == ("slide", "um2")
    pairs = [(each["a"], each["b"]) for each in told["disagreements"]]
    assert pairs[0] == ("Region", "")
    assert set(pairs[1:]) == {("Tumor", "Stroma"), ("Region", "Stroma")}
    written = json.loads((folder / "differ.geojson").read_text())
    assert len(written["features"]) == 3


def test_the_reference_may_be_a_region(folder: Path) -> None:
    done = coverslip(
        "annotations", "compare", "a.geojson", "b.geojson", "--within", "Region", "--mpp", "0.5",
        folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Reference of kappa: regions of Region, 5,000 um2." in done.stdout
    # Half of Tumor is agreed on: p_o 0.75, p_e 0.5 * 0.25 + 0.5 * 0.75 = 0.5.
    assert "0.500" in done.stdout
    assert "A Tumor, B Stroma: 1,250 um2" in done.stdout
    assert "Mean Dice of the classes: " in done.stdout


def test_bad_input_is_one_sentence(folder: Path) -> None:
    (folder / "bad.geojson").write_text("{")
    for arguments in (
        ("a.geojson", "bad.geojson"),
        ("a.geojson", "missing.geojson"),
        ("a.geojson", "b.geojson", "--within", "Nothing"),
        ("a.geojson", "b.geojson", "--slide", "missing.svs"),
        ("a.geojson", "b.geojson", "--out", "nowhere/x.geojson"),
    ):
        done = coverslip("annotations", "compare", *arguments, folder=folder)
        assert done.returncode == 2, arguments
        assert done.stderr.strip().endswith("."), done.stderr
        assert "\n" not in done.stderr.strip()


def test_regions_that_cross_without_end_are_one_sentence(tmp_path: Path) -> None:
    bars = 700
    ends = [(2 * at, 2 * at + 1) for at in range(bars)]
    boxes = [(0, a, 2 * bars, b) for a, b in ends] + [(a, 0, b, 2 * bars) for a, b in ends]
    rows = [f"{x},{y},{x1 - x},{y1 - y}" for x, y, x1, y1 in boxes]
    (tmp_path / "a.csv").write_text("\n".join(["x,y,width,height", *rows]))
    done = coverslip("annotations", "compare", "a.csv", "a.csv", folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "lie on one another" in done.stderr
