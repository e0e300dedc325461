"""`coverslip models` and `coverslip run` as a researcher runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import shapely
import tifffile
from cli_steps import coverslip

from viewer.inference.models.model_library import BUNDLED

REGION = "1100,1100,300,200"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def test_models_are_listed_checked_and_added(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(BUNDLED / "nuclei", own)
    text = (own / "model.json").read_text().replace('"name": "Nuclei"', '"name": "Ours"')
    (own / "model.json").write_text(text)
    checked = coverslip("models", "check", "own", "--json", folder=tmp_path)
    assert json.loads(checked.stdout)["name"] == "Ours"
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", own)
    checked = coverslip("models", "check", packed, "--json", folder=tmp_path)
    assert json.loads(checked.stdout)["name"] == "Ours"
    assert coverslip("models", "add", "own", folder=tmp_path).returncode == 0
    listed = json.loads(coverslip("models", "list", "--json", folder=tmp_path).stdout)
    assert [model["name"] for model in listed] == [
        "Nuclei",
        "Cells",
        "Colorectal tissue",
        "Osteosarcoma",
        "Tissue likeness",
        "Tissue quality",
        "Where to look",
        "Ours",
    ]
    assert "Ours" in coverslip("models", "list", folder=tmp_path).stdout


@pytest.mark.usefixtures("quick_nuclei")
def test_a_run_writes_what_it_counts_and_keeps_it(sample_slide: Path, tmp_path: Path) -> None:
    arguments = ("run", "nuclei", str(sample_slide), "--region", REGION, "--json")
    first = coverslip(*arguments, "-o", "o.geojson", folder=tmp_path)
    told = json.loads(first.stdout)
    assert told["objects"] > 10
    features = json.loads((tmp_path / "o.geojson").read_text())["features"]
    assert len(features) == told["objects"] == told["classes"]["Nucleus"]
    again = json.loads(coverslip(*arguments, "-o", "o.tif", folder=tmp_path).stdout)
    assert (again["objects"], again["device"]) == (told["objects"], "kept results")
    mask = tifffile.imread(tmp_path / "o.tif")
    assert mask.shape == (200, 300)
    assert mask.max() <= told["objects"]


@pytest.mark.usefixtures("quick_nuclei")
def test_what_was_drawn_is_worked_through_and_no_more(sample_slide: Path, tmp_path: Path) -> None:
    corners = [[1100, 1100], [1400, 1100], [1100, 1400], [1100, 1100]]
    shape = {"type": "Polygon", "coordinates": [corners]}
    drawn = [{"type": "Feature", "geometry": shape, "properties": {}}]
    (tmp_path / "drawn.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": drawn})
    )
    arguments = ("run", "nuclei", str(sample_slide), "--json")
    told = coverslip(*arguments, "--within", "drawn.geojson", "-o", "o.geojson", folder=tmp_path)
    inside = json.loads(told.stdout)
    whole = json.loads(
        coverslip(*arguments, "--region", "1100,1100,300,300", folder=tmp_path).stdout
    )
    assert inside["region"] == whole["region"] == [1100, 1100, 300, 300]
    assert 0.2 * whole["objects"] < inside["objects"] < whole["objects"]
    features = json.loads((tmp_path / "o.geojson").read_text())["features"]
    polygon = shapely.Polygon(corners)
    middles = [shapely.geometry.shape(each["geometry"]).centroid for each in features]
    assert all(polygon.distance(middle) < 1.0 for middle in middles)


def test_cells_are_counted_and_written(sample_slide: Path, tmp_path: Path) -> None:
    arguments = ("run", "colorectal tissue", str(sample_slide), "--region", REGION, "--json")
    told = json.loads(coverslip(*arguments, "-o", "c.csv", folder=tmp_path).stdout)
    assert told["cells"] == sum(told["classes"].values()) > 0
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 1 + told["cells"]


@pytest.mark.usefixtures("quick_nuclei")
def test_a_shot_shows_the_overlay(sample_slide: Path, tmp_path: Path) -> None:
    field = ("shot", str(sample_slide), "--center", "1250,1200", "--mag", "40", "--size", "300x200")
    assert coverslip(*field, "-o", "without.png", folder=tmp_path).returncode == 0
    told = coverslip(*field, "--overlay", "nuclei", "-o", "with.png", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "unheard-of", "SLIDE"), 'There is no model "unheard-of"'),
        (("run", "nuclei", "absent.svs"), "absent.svs"),
        (("run", "nuclei", "SLIDE", "--region", "1,2"), "--region takes"),
        (("run", "nuclei", "SLIDE", "--region", "9999,0,10,10"), "outside the slide"),
        (("run", "nuclei", "SLIDE", "--within", "absent.geojson"), "absent.geojson"),
        (("run", "nuclei", "SLIDE", "--within", "SLIDE"), "is of no known format"),
        (("run", "nuclei", "SLIDE", "--within", "a", "--region", REGION), "give one of them"),
        (("run", "nuclei", "SLIDE", "-o", "o.doc"), "does not tell its format"),
        (("run", "tissue likeness", "SLIDE", "-o", "o.geojson"), "does not tell its format"),
        (("run", "nuclei", "SLIDE", "--device", "abacus", "--region", REGION), "abacus"),
        (("models", "check", "."), "holds no model.json"),
        (("models", "check", "absent"), "absent; check its name, and that its drive"),
        (("models", "add", "absent"), "absent; check its name, and that its drive"),
        (("models", "add", "."), "holds no model.json"),
        (("shot", "SLIDE", "--overlay", "unheard-of", "-o", "o.png"), "There is no model"),
    ],
)
def test_bad_input_is_one_sentence(
    sample_slide: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    given = [str(sample_slide) if each == "SLIDE" else each for each in arguments]
    told = coverslip(*given, folder=tmp_path)
    assert told.returncode == 2
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr


def test_cells_are_run_by_settings_and_scored(sample_slide: Path, tmp_path: Path) -> None:
    arguments = ("run", "cells", str(sample_slide), "--region", REGION, "--json")
    told = json.loads(
        coverslip(
            *arguments, "--stains", "macenko-h-dab", "--set", "threshold=0.08",
            "--set", "sigma_um=1", "-o", "c.csv", folder=tmp_path,
        ).stdout
    )  # fmt: skip
    assert told["objects"] > 10
    assert "Macenko" in told["stains"]
    assert "threshold=0.08, max_background=2.0" in told["settings"]
    scores = told["scores"]
    assert (
        scores["negative"] + scores["weak"] + scores["moderate"] + scores["strong"]
        == (told["objects"])
    )
    assert 0 <= scores["h_score"] <= 300
    header = (tmp_path / "c.csv").read_text().splitlines()[0]
    assert "Nucleus: Area µm^2" in header
    assert "Nucleus: DAB OD mean" in header


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "treshold=1"), 'no setting "treshold"'),
        (("--set", "threshold"), "NAME=VALUE"),
        (
            ("--set", "sigma_um=wide"),
            "sigma_um cannot be wide: give a number above 0 and at most 10",
        ),
        (("--stains", "masson"), "--stains takes"),
    ],
)
def test_wrong_settings_are_told_in_one_sentence(
    sample_slide: Path, tmp_path: Path, options: tuple[str, str], words: str
) -> None:
    ended = coverslip("run", "cells", str(sample_slide), *options, folder=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
