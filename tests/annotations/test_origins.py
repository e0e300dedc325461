"""QuPath counts from the bounds of a slide that tells them, OpenSlide from its corner."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from scn_slide import BOUNDS, write_scn
from test_cli import coverslip

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.geometry import Size
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.object_map import ObjectMap
from viewer.slides import open_slide

SQUARE = [(100, 200), (400, 200), (400, 450), (100, 450)]
"""As QuPath counts."""


@pytest.fixture(scope="module")
def scn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scn(tmp_path_factory.mktemp("scn") / "s.scn")


def write_geojson(path: Path, places: list[tuple[float, float]], kind: str = "annotation") -> Path:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*places, places[0]]]},
        "properties": {"objectType": kind},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def asap_places(path: Path) -> set[tuple[float, float]]:
    return {(float(e.get("X")), float(e.get("Y"))) for e in ET.parse(path).iter("Coordinate")}  # noqa: S314


def shifted(dx: float, dy: float) -> set[tuple[float, float]]:
    return {(x + dx, y + dy) for x, y in SQUARE}


@pytest.mark.parametrize(
    ("origin", "shift"), [(None, BOUNDS), ("bounds", BOUNDS), ("slide", (0, 0))]
)
def test_a_file_of_qupath_counts_from_the_bounds(
    tmp_path: Path, scn: Path, origin: str | None, shift: tuple[int, int]
) -> None:
    write_geojson(tmp_path / "q.geojson", SQUARE)
    choice = () if origin is None else ("--origin", origin)
    told = coverslip(
        "annotations", "convert", "q.geojson", "a.xml", "--to", "asap", "--slide", scn, *choice,
        folder=tmp_path,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "3,000, 2,000 px" in told.stderr
    assert ("does not say" in told.stderr) == (origin is None)
    assert asap_places(tmp_path / "a.xml") == shifted(*shift)


def test_what_is_written_for_qupath_counts_from_the_bounds_and_comes_back(
    tmp_path: Path, scn: Path
) -> None:
    write_geojson(tmp_path / "q.geojson", SQUARE)
    convert = ("annotations", "convert")
    slide = ("--slide", scn)
    for command in (
        (*convert, "q.geojson", "a.xml", "--to", "asap", *slide),
        (*convert, "a.xml", "b.geojson", *slide),
        (*convert, "b.geojson", "d.geojson", *slide),
        (*convert, "b.geojson", "c.xml", "--to", "asap", *slide),
    ):
        told = coverslip(*command, folder=tmp_path)
        assert told.returncode == 0, told.stderr
    assert "does not say" not in told.stderr
    for name in ("b.geojson", "d.geojson"):
        written = json.loads((tmp_path / name).read_text())
        assert written["coverslip"] == {"origin": "bounds", "origin_px": [3000.0, 2000.0]}
        ring = written["features"][0]["geometry"]["coordinates"][0]
        assert {tuple(place) for place in ring} == {(float(x), float(y)) for x, y in SQUARE}
    assert asap_places(tmp_path / "c.xml") == shifted(*BOUNDS)


def test_results_lie_where_qupath_had_them(tmp_path: Path, scn: Path) -> None:
    path = write_geojson(tmp_path / "q.geojson", SQUARE, "detection")
    source = open_slide(scn)
    place = SlidePlace.of(source)
    source.close()
    assert place.bounds_px == BOUNDS
    for origin, shift in ((None, BOUNDS), ("slide", (0, 0))):
        file = read_result_file(path, Size(8000, 6000), 0.5, place, origin)
        assert isinstance(file.found, ObjectMap)
        outline = file.found.all_objects().outline(0)
        assert {tuple(each) for each in outline.tolist()} == shifted(*shift)
        assert any("3,000, 2,000 px" in sentence for sentence in file.troubles)
    (tmp_path / "t.csv").write_text("x,y,width,score\n3100,2200,300,1\n")
    shot = ("shot", scn, "--center", "3250,2325", "--downsample", "4", "--size", "400x300", "-o")
    pictures = []
    for name, results in (("p", ()), ("q", ("--results", path)), ("t", ("--results", "t.csv"))):
        told = coverslip(*shot, f"{name}.png", *results, folder=tmp_path)
        assert told.returncode == 0, told.stderr
        pictures.append(np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")))
    rows, columns = np.nonzero((pictures[1] != pictures[0]).any(2))
    assert (np.median(columns), np.median(rows)) == pytest.approx((200, 150), abs=16)
    rows, columns = np.nonzero((pictures[2] != pictures[0]).any(2))
    ends = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
    assert ends == pytest.approx((162.5, 237.5, 118.75, 193.75), abs=1)


@pytest.mark.slow
def test_models_work_within_what_qupath_drew_and_write_as_it_counts(
    tmp_path: Path, scn: Path
) -> None:
    write_geojson(tmp_path / "q.geojson", SQUARE)
    run = ("run", "nuclei", scn, "--mpp", "0.5", "--within", "q.geojson", "-o")
    for name in ("n.csv", "n.geojson"):
        told = coverslip(*run, name, folder=tmp_path)
        assert told.returncode == 0, told.stderr
    rows = np.genfromtxt(tmp_path / "n.csv", delimiter=",", names=True, dtype=None, encoding=None)
    places = np.stack([np.atleast_1d(rows["X_px"]), np.atleast_1d(rows["Y_px"])], 1)
    assert len(places) == 2  # the third disc lies beside what was drawn
    np.testing.assert_allclose(np.sort(places, 0), [[3150, 2260], [3300, 2400]], atol=4)
    written = json.loads((tmp_path / "n.geojson").read_text())
    assert written["coverslip"]["origin"] == "bounds"
    middles = [np.mean(f["geometry"]["coordinates"][0][:-1], 0) for f in written["features"]]
    np.testing.assert_allclose(np.sort(middles, 0), [[150, 260], [300, 400]], atol=4)
