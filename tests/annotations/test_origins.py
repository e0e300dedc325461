"""QuPath counts from the bounds of a slide that tells them, OpenSlide from its corner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import shapely
from cli_steps import coverslip, invoke
from PIL import Image
from scn_slide import BOUNDS, write_scn
from session_lines import read_lines
from shape_steps import polygon_of
from typer.testing import Result

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.formats.origins import Origin
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.storage.annotation_paths import annotations_path
from viewer.annotations.storage.store import AnnotationStore, Stamped
from viewer.cli.agents.options import reading_options
from viewer.geometry import Size
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.object_map import ObjectMap
from viewer.recording.events import Pointer
from viewer.recording.importers import ImportOptions, import_log
from viewer.recording.library import sessions_folder
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.slides import open_slide

SQUARE = [(100, 200), (400, 200), (400, 450), (100, 450)]
"""As QuPath counts."""


@pytest.fixture(scope="module")
def scn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scn(tmp_path_factory.mktemp("scn") / "s.scn")


def in_process(*arguments: object) -> Result:
    return invoke([str(each) for each in arguments])


def write_geojson(
    path: Path, places: Sequence[tuple[float, float]], kind: str = "annotation"
) -> Path:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*places, places[0]]]},
        "properties": {"objectType": kind},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def asap_places(path: Path) -> set[tuple[float, float]]:
    found = ET.parse(path).iter("Coordinate")  # noqa: S314
    return {(float(each.attrib["X"]), float(each.attrib["Y"])) for each in found}


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
    cases: list[tuple[Origin | None, tuple[int, int]]] = [(None, BOUNDS), ("slide", (0, 0))]
    for origin, shift in cases:
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
    write_geojson(tmp_path / "q.geojson", [(x + 3000, y + 2000) for x, y in SQUARE])
    told = coverslip(*run, "s.csv", "--origin", "slide", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "n.csv").read_bytes()
    rows = np.genfromtxt(tmp_path / "n.csv", delimiter=",", names=True, dtype=None, encoding=None)
    places = np.stack([np.atleast_1d(rows["X_px"]), np.atleast_1d(rows["Y_px"])], 1)
    assert len(places) == 2  # the third disc lies beside what was drawn
    np.testing.assert_allclose(np.sort(places, 0), [[3150, 2260], [3300, 2400]], atol=4)
    written = json.loads((tmp_path / "n.geojson").read_text())
    assert written["coverslip"]["origin"] == "bounds"
    middles = [np.mean(f["geometry"]["coordinates"][0][:-1], 0) for f in written["features"]]
    np.testing.assert_allclose(np.sort(middles, 0), [[150, 260], [300, 400]], atol=4)


@pytest.mark.parametrize(("origin", "dice"), [(None, 1.0), ("bounds", 1.0), ("slide", 0.0)])
def test_files_that_count_from_elsewhere_are_compared_where_they_lie(
    tmp_path: Path, scn: Path, origin: str | None, dice: float
) -> None:
    q, a = write_geojson(tmp_path / "q.geojson", SQUARE), tmp_path / "a.xml"
    convert = ("annotations", "convert", q, a, "--to", "asap", "--slide", scn)
    assert in_process(*convert).exit_code == 0
    read = read_annotations(a, [])
    assert {tuple(place) for place in polygon_of(next(read).geometry).exterior.coords} == shifted(
        *BOUNDS
    )
    second = q if origin == "bounds" else a  # --origin is said of both
    choice = () if origin is None else ("--origin", origin)
    told = in_process(
        "annotations", "compare", q, second, "--slide", scn, *choice, "--json",
        "--out", tmp_path / "d.geojson",
    )  # fmt: skip
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["mean_dice"] == dice
    written = json.loads((tmp_path / "d.geojson").read_text())
    assert written["coverslip"]["origin"] == "bounds"
    corners = {
        tuple(place)
        for feature in written["features"]
        for place in feature["geometry"]["coordinates"][0]
    }
    apart = {(x - 3000, y - 2000) for x, y in SQUARE} | set(SQUARE)
    assert corners == (apart if origin == "slide" else set())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("run", "nuclei", "s.scn", "--origin", "slide"), "give that file, too"),
        (("annotations", "compare", "a", "b", "--origin", "slide"), "--slide"),
        (("sessions", "import", "log.txt", "--origin", "slide"), "--slide"),
        (("run", "nuclei", "s.scn", "--origin", "corner"), "takes bounds or slide"),
    ],
)
def test_an_origin_of_nothing_is_refused(command: tuple[str, ...], sentence: str) -> None:
    told = in_process(*command)
    assert told.exit_code == 2
    assert sentence in told.stderr


LOG = (
    "Timestamp\tX\tY\tWidth\tHeight\tCanvas width\tCanvas height\tDownsample factor\tRotation\t"
    "Cursor X\tCursor Y\n"
    "0\t100\t200\t400\t300\t1000\t750\t0.4\t0.0\t250\t310\n"
)


@pytest.mark.parametrize(
    ("origin", "shift"), [(None, BOUNDS), ("bounds", BOUNDS), ("slide", (0, 0))]
)
def test_view_tracking_of_qupath_counts_from_the_bounds(
    tmp_path: Path, scn: Path, origin: str | None, shift: tuple[int, int]
) -> None:
    (tmp_path / "log.txt").write_text(LOG)
    choice = () if origin is None else ("--origin", origin)
    told = in_process("sessions", "import", tmp_path / "log.txt", "--slide", scn, "--json", *choice)
    assert told.exit_code == 0, told.stderr
    (note,) = json.loads(told.stdout)["notes"]
    assert "3,000, 2,000 px" in note
    assert ("--origin tells otherwise" in note) == (origin is None)
    folder = sessions_folder() / json.loads(told.stdout)["id"]
    x, y = shift
    assert load_trace(folder).boxes.tolist() == [[100 + x, 200 + y, 500 + x, 500 + y]]
    (pointer,) = (each.event for each in read_lines(folder) if isinstance(each.event, Pointer))
    assert pointer == Pointer(250 + x, 310 + y)
    assert read_header(folder).repairs[0].note == note


def test_a_table_counts_from_the_corner_unless_told(tmp_path: Path) -> None:
    log = tmp_path / "t.csv"
    log.write_text("time,x,y,width,height\n0,100,200,400,300\n1,100,200,400,300\n")
    cases: list[tuple[Origin | None, int]] = [(None, 100), ("slide", 100), ("bounds", 3100)]
    for origin, x in cases:
        options = ImportOptions(bounds_px=BOUNDS, origin=origin)
        (session,) = import_log(log, tmp_path / f"sessions-{origin}", options)
        trace = load_trace(tmp_path / f"sessions-{origin}" / session)
        assert trace.boxes[0, 0] == x


def test_rulers_are_measured_anew_in_what_is_exported(tmp_path: Path, scn: Path) -> None:
    source = open_slide(scn)
    place = SlidePlace.of(source)
    source.close()
    line = shapely.LineString([(3000, 2000), (3030, 2040)])
    ruler = Annotation(line, measurements={"Length um": 99.0})
    other = Annotation(line, measurements={"Score": 9.0})
    with closing(AnnotationStore(annotations_path(place.identity))) as store:
        store.write([Stamped.now(adding("Draw", [ruler, other]))])
    out = tmp_path / "out.geojson"
    arguments = ("annotations", "export", scn, "-o", out, "--slide-mpp")
    for mpp, length in (("0.5", 25.0), ("0.5,0.25", np.hypot(15, 10))):
        told = in_process(*arguments, mpp)
        assert told.exit_code == 0, told.stderr
        features = json.loads(out.read_text())["features"]
        measured = [feature["properties"]["measurements"] for feature in features]
        values = {name: value for each in measured for name, value in each.items()}
        assert values == {"Length um": pytest.approx(length), "Score": 9.0}


def test_an_agent_reads_annotations_where_they_lie(
    tmp_path: Path, scn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = write_geojson(tmp_path / "q.geojson", SQUARE)
    options = reading_options("local", 5, 0.5, "cpu", None, drawn, scn)
    (annotation,) = options.annotations("any slide")
    assert set(polygon_of(annotation.geometry).exterior.coords) == shifted(*BOUNDS)
    assert "3,000, 2,000 px" in capsys.readouterr().err
