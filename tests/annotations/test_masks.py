"""Label masks: pixels by their middles, back again as regions, in strips of bounded memory."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from exchange_steps import read
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from shapely.geometry.base import BaseGeometry

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.problems import AnnotationFileError, Problem, left_out
from viewer.annotations.masks.label_masks import MaskError, MaskPlace, write_mask
from viewer.annotations.masks.label_strips import LabelPainter, covered, region_edges
from viewer.annotations.masks.outlines import outlines_of
from viewer.annotations.masks.training_tiles import (
    AnnotationsOrigin,
    TileOptions,
    TilesError,
    cut_tiles,
    origin_of_drawn,
)
from viewer.slides import open_slide

REPOSITORY = Path(__file__).resolve().parents[2]
TUMOR, STROMA = AnnotationClass("Tumor", "#c80000"), AnnotationClass("Stroma", "#00c800")
RING = shapely.Point(60, 50).buffer(40).difference(shapely.Point(60, 50).buffer(15))


def _labels(path: Path) -> np.ndarray:
    return tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))


@pytest.mark.parametrize("by_instance", [False, True])
def test_a_mask_tells_which_regions_it_does_not_hold(tmp_path: Path, by_instance: bool) -> None:
    """Also where other regions of the class are on the slide."""
    held = [
        Annotation(shapely.box(10, 10, 30, 30), shown_as=TUMOR),
        Annotation(shapely.box(200, 10, 230, 30), shown_as=TUMOR),
        Annotation(shapely.box(90, 50, 130, 70), shown_as=TUMOR),
        Annotation(shapely.box(60.6, 60.6, 60.9, 60.9), shown_as=TUMOR),
        Annotation(shapely.box(0, 0, 100, 100), shown_as=STROMA),
    ]
    place = MaskPlace((100, 100))
    _, problems = write_mask(tmp_path / "mask.png", held, place, by_instance=by_instance)
    assert [(each.number, each.is_repaired) for each in problems] == [
        (2, False), (3, True), (4, False),
    ]  # fmt: skip
    assert "outside the slide" in problems[0].reason
    assert "edge of the slide" in problems[1].reason
    assert "smaller than a pixel" in problems[2].reason


_corners = some.tuples(some.floats(-5, 45), some.floats(-5, 45))


@pytest.mark.filterwarnings("ignore:divide by zero")
@settings(max_examples=100, deadline=None)
@given(
    corners=some.lists(_corners, min_size=3, max_size=8),
    scale=some.sampled_from([1.0, 0.5, 3.3]),
)
def test_a_pixel_is_in_when_its_middle_is(corners: list[tuple[float, float]], scale: float) -> None:
    shape = shapely.make_valid(shapely.Polygon(corners))
    if not isinstance(shape, shapely.Polygon | shapely.MultiPolygon) or shape.area < 1:
        return
    painter = LabelPainter([shape], [7])
    labels = painter.painted(0, 0, (40, 30), (scale, scale), np.uint8)
    x, y = np.meshgrid((np.arange(40) + 0.5) * scale, (np.arange(30) + 0.5) * scale)
    middles = shapely.points(x, y)
    sure = shapely.distance(shape.boundary, middles) > 1e-9
    assert ((labels == 7) == shapely.contains(shape, middles))[sure].all()
    parts = [painter.painted(left, 10, (20, 5), (scale, scale), np.uint8) for left in (0, 20)]
    assert (np.hstack(parts) == labels[10:15]).all()


@settings(max_examples=60, deadline=None)
@given(rows=some.lists(some.lists(some.integers(0, 3), min_size=8, max_size=8), min_size=1))
def test_outlines_hold_exactly_their_pixels(rows: list[list[int]]) -> None:
    labels = np.array(rows, np.uint8)
    shapes, values = outlines_of(labels)
    assert all(shape.is_valid for shape in shapes)
    back = LabelPainter(list(shapes), values.tolist()).painted(
        0, 0, labels.shape[::-1], (1.0, 1.0), np.uint8
    )
    assert (back == labels).all()


@pytest.mark.parametrize("name", ["m.png", "m.ome.tif"])
@settings(max_examples=15, deadline=None)
@given(data=some.data())
def test_a_mask_comes_back_as_the_same_pixels(
    name: str, data: some.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mask") / name
    by_instance = data.draw(some.booleans())
    sides = some.integers(3, 900)
    drawn = [
        Annotation(
            shapely.box(x, y, x + data.draw(sides), y + data.draw(sides)),
            shown_as=data.draw(some.sampled_from([TUMOR, STROMA, None])),
        )
        for x, y in data.draw(some.lists(some.tuples(sides, sides), min_size=1, max_size=6))
    ]
    place = MaskPlace((1300, 1100), (0.5, 0.5), data.draw(some.sampled_from([None, 0.5, 1.3])))
    write_mask(path, drawn, place, by_instance=by_instance)
    found, problems = read(path)
    assert problems == []
    if by_instance:
        assert {each.id for each in found} <= {each.id for each in drawn}
        drawn = [each for each in drawn if each.id in {other.id for other in found}]
        found = [next(each for each in found if each.id == one.id) for one in drawn]
    assert {each.shown_as for each in found} <= {each.shown_as for each in drawn}
    again = path.with_name(f"again-{name}")
    write_mask(again, found, place, by_instance=by_instance)
    one, other = _labels(path), _labels(again)
    assert ((one == 0) == (other == 0)).all()
    if not by_instance:
        for shown_as in {each.shown_as for each in found}:
            values = [_value_of(each, shown_as) for each in (path, again)]
            assert ((one == values[0]) == (other == values[1])).all()


def _value_of(path: Path, shown_as: AnnotationClass | None) -> int:
    legend = json.loads(path.with_name(path.name + ".legend.json").read_text())
    name = shown_as.name if shown_as else ""
    return next(each["value"] for each in legend["labels"] if each.get("class", "") == name)


def test_an_ome_tiff_has_scale_levels_and_legend(tmp_path: Path) -> None:
    path = tmp_path / "m.ome.tif"
    drawn = [
        Annotation(shapely.box(0, 0, 4000, 4000), shown_as=STROMA),
        Annotation(shapely.box(1000, 1000, 3000, 3000), shown_as=TUMOR),
        Annotation(shapely.Point(5, 5)),
    ]
    legend, lost = write_mask(path, drawn, MaskPlace((9000, 6000), (0.25, 0.25), 0.5))
    assert [(p.number, p.reason) for p in lost] == [(3, "a Point has no area")]
    assert left_out(lost) == "1 left out (1: a point has no area)"
    assert legend.size_px == (4500, 3000)
    with tifffile.TiffFile(path) as file:
        levels = file.series[0].levels
        assert [level.shape for level in levels] == [
            (3000, 4500), (1500, 2250), (750, 1125), (375, 562),
        ]  # fmt: skip
        assert file.ome_metadata is not None
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        # The smaller lies over the larger.
        assert [int(level.asarray()[-1, -1]) for level in levels] == [0, 0, 0, 0]
        assert levels[0].asarray()[1000, 1000] == 2
        assert levels[3].asarray()[125, 125] == 2
        assert levels[0].asarray()[100, 100] == 1
    (tmp_path / "m.ome.tif.legend.json").unlink()
    found, problems = read(path)
    assert problems == []
    assert {each.class_name for each in found} == {"Tumor", "Stroma"}
    areas = {each.class_name: each.geometry.area for each in found}
    assert areas == {"Tumor": 4_000_000, "Stroma": 12_000_000}
    source = open_slide(path)
    assert source.levels[0].width_px == 4500
    source.close()


def test_foreign_masks_are_read_and_their_scale_is_told(tmp_path: Path) -> None:
    labels = np.zeros((600, 500), np.uint16)
    labels[10:590, 20:30], labels[5:9, 100:200] = 300, 2
    for compression, rows in (("zlib", 7), (None, 600)):
        tifffile.imwrite(tmp_path / "m.tif", labels, compression=compression, rowsperstrip=rows)
        found, problems = read(tmp_path / "m.tif")
        assert {each.name: each.geometry.bounds for each in found} == {
            "2": (100, 5, 200, 9), "300": (20, 10, 30, 590),
        }  # fmt: skip
        assert "scale" in problems[0].reason
    Image.fromarray((labels > 0).astype(np.uint8)).save(tmp_path / "m.png")
    assert [each.class_name for each in read(tmp_path / "m.png")[0]] == ["Label 1", "Label 1"]


def test_what_is_no_mask_is_told_in_a_sentence(tmp_path: Path) -> None:
    color = np.zeros((20, 20, 3), np.uint8)
    Image.fromarray(color).save(tmp_path / "color.png")
    tifffile.imwrite(tmp_path / "color.tif", color, photometric="rgb")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((20, 20), np.float32))
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "text.tif").write_text("text")
    names = ("color.png", "color.tif", "float.tif", "text.png", "text.tif", "missing.png")
    for name in names:
        with pytest.raises(AnnotationFileError, match=rf"^{name}.*\.$"):
            read(tmp_path / name)


def test_a_bad_tile_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.ome.tif"
    drawn = [Annotation(shapely.box(x, 10, x + 20, 30)) for x in range(10, 1500, 100)]
    write_mask(path, drawn, MaskPlace((1500, 100)))
    with tifffile.TiffFile(path) as file:
        offset, size = (
            values[1] for values in (file.pages[0].dataoffsets, file.pages[0].databytecounts)
        )
    spoilt = bytearray(path.read_bytes())
    spoilt[offset : offset + size] = bytes(size)
    path.write_bytes(bytes(spoilt))
    found, problems = read(path)
    assert 5 < len(found) < len(drawn)
    assert [problem.number for problem in problems] == [2]


@pytest.mark.parametrize("name", ["m.png", "m.ome.tif"])
@settings(max_examples=60, deadline=None)
@given(data=some.data())
def test_spoilt_masks_raise_nothing_else(
    name: str, data: some.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    write_mask(path, [Annotation(RING, shown_as=TUMOR)], MaskPlace((120, 100)))
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(some.integers(1, 4))):
        at = data.draw(some.integers(0, len(whole) - 1))
        if data.draw(some.booleans()):
            whole[at] = data.draw(some.integers(0, 255))
        else:
            del whole[at : at + data.draw(some.integers(1, 40))]
        whole = whole or bytearray(b" ")
    path.write_bytes(bytes(whole))
    try:
        read(path)
    except AnnotationFileError as error:
        told = str(error)
        assert told.startswith(name)


def test_what_does_not_fit_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    drawn = [Annotation(RING)]
    for name, place, words in (
        ("m.jpg", MaskPlace((9, 9)), "does not tell"),
        ("m.png", MaskPlace((100_000, 100_000)), "too large"),
        ("m.png", MaskPlace((9, 9), None, 0.5), "not known"),
    ):
        with pytest.raises(MaskError, match=words):
            write_mask(tmp_path / name, drawn, place)
    assert list(tmp_path.iterdir()) == []


_LARGE = """
import sys
from pathlib import Path
import shapely
from viewer.annotations.annotation import Annotation
from viewer.annotations.masks.label_masks import MaskPlace, write_mask
from viewer.annotations.masks.mask_reading import read_mask
path = Path(sys.argv[1])
drawn = [Annotation(shapely.Point(x, 3000).buffer(900)) for x in range(1000, 20_000, 2000)]
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
before = status("VmRSS")
write_mask(path, drawn, MaskPlace((20_000, 20_000)), by_instance=True)
print(len(list(read_mask(path, []))), status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_a_large_mask_is_never_held_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LARGE, str(tmp_path / "m.ome.tif")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    count, grown_kib = (int(value) for value in done.stdout.split())
    assert count == 10
    assert grown_kib < 20_000 * 20_000 / 1024 / 2


@pytest.mark.parametrize("name", ["m.png", "m.ome.tif"])
def test_a_mask_tells_how_far_it_is_and_can_be_stopped(tmp_path: Path, name: str) -> None:
    drawn = [Annotation(shapely.box(0, 0, 2000, 2000), shown_as=TUMOR)]
    place, told = MaskPlace((4000, 3000)), list[float]()
    write_mask(tmp_path / name, drawn, place, tell=told.append)
    assert told == sorted(told)
    assert 0.5 < told[-1] < 1
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    class StoppedError(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        write_mask(tmp_path / name, [], place, tell=stop)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_drawn_has_a_checksum_of_what_counts_for_tiles() -> None:
    square = Annotation(shapely.box(0, 0, 9, 9), shown_as=TUMOR)
    first = origin_of_drawn([square], "a").sha256
    assert origin_of_drawn([replace(square, name="n")], "a").sha256 == first
    assert origin_of_drawn([replace(square, shown_as=STROMA)], "a").sha256 != first
    assert origin_of_drawn([replace(square, geometry=RING)], "a").sha256 != first


def _origin() -> AnnotationsOrigin:
    return AnnotationsOrigin("a.geojson", "0" * 64)


def test_tiles_are_cut_with_masks_and_provenance(tmp_path: Path, sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    drawn = [
        Annotation(shapely.box(300, 300, 1300, 1300), shown_as=TUMOR),
        Annotation(shapely.box(300, 300, 700, 1300), shown_as=STROMA),
    ]
    options = TileOptions(mpp_um=1.0, tile_px=128, stride_px=64, least_share=0.5)
    done: list[float] = []
    report = cut_tiles(source, drawn, tmp_path / "t", options, _origin(), done.append)
    assert report.tiles > 20
    assert done == sorted(done)
    assert 0 < done[-1] < 1
    assert report.kept == 0
    with (tmp_path / "t" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == report.tiles
    for row in rows:
        image, mask = (np.asarray(Image.open(tmp_path / "t" / row[k])) for k in ("image", "mask"))
        assert image.shape == (128, 128, 3)
        assert mask.shape == (128, 128)
        assert np.count_nonzero(mask) / mask.size == pytest.approx(
            float(row["annotated_share"]), abs=1e-4
        )
        assert float(row["annotated_share"]) >= 0.5
        assert row["slide_identity"] == source.info.identity
        assert float(row["x1_px"]) - float(row["x0_px"]) == pytest.approx(128 / 0.499, abs=0.02)
    legend = json.loads((tmp_path / "t" / "legend.json").read_text())
    assert [each["class"] for each in legend["labels"]] == ["Tumor", "Stroma"]
    both = next(row for row in rows if ";" in row["classes"])
    assert both["classes"].startswith("Stroma=")
    # The picture is the slide there.
    from viewer.geometry import Box
    from viewer.slides.region import read_region

    x0, y0 = float(both["x0_px"]), float(both["y0_px"])
    there = read_region(source, Box(x0, y0, x0 + 128 / 0.499, y0 + 128 / 0.499), 128, 128)
    image = np.asarray(Image.open(tmp_path / "t" / both["image"]))
    assert np.abs(there.astype(int) - image).mean() < 1
    source.close()


def test_tiles_go_on_where_they_were_stopped(tmp_path: Path, sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    drawn = [Annotation(shapely.box(0, 0, 2000, 2000), shown_as=TUMOR)]
    options = TileOptions(tile_px=256)
    folder = tmp_path / "t"

    class StoppedError(Exception):
        pass

    told: list[float] = []

    def stop(share: float) -> None:
        told.append(share)
        if len(told) == 10:
            raise StoppedError

    with pytest.raises(StoppedError):
        cut_tiles(source, drawn, folder, options, _origin(), stop)
    assert not (folder / "manifest.csv").exists()
    report = cut_tiles(source, drawn, folder, options, _origin())
    assert report.kept >= 10
    names = {path.name for path in (folder / "images").iterdir()}
    assert names == {path.name for path in (folder / "masks").iterdir()}
    assert len(names) == report.tiles
    again = cut_tiles(source, drawn, folder, options, _origin())
    assert (again.tiles, again.kept) == (report.tiles, report.tiles)
    with pytest.raises(TilesError, match="other settings"):
        cut_tiles(source, drawn, folder, TileOptions(tile_px=128), _origin())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    with pytest.raises(TilesError, match="not empty"):
        cut_tiles(source, drawn, tmp_path / "other", options, _origin())
    source.close()


def test_all_of_a_slide_can_be_cut(tmp_path: Path, sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    options = TileOptions(mpp_um=4.0, tile_px=100, least_share=0, by_instance=True)
    drawn = [Annotation(RING), Annotation(shapely.LineString([(0, 0), (1, 1)]))]
    report = cut_tiles(source, drawn, tmp_path / "t", options, _origin())
    # 277 x 371 pixels of 4 um: the last column and row end at the edge.
    assert report.tiles == 3 * 4
    assert [type(problem) for problem in report.problems] == [Problem]
    source.close()


def test_the_ground_of_regions_is_that_of_their_union() -> None:
    rng = np.random.default_rng(0)
    frame = shapely.box(5, 5, 90, 90) - shapely.box(20, 20, 60, 60)
    regions: list[BaseGeometry] = [
        frame | shapely.box(95, 5, 98, 90), shapely.box(10, 10, 40, 40).reverse(),
        shapely.box(300, 0, 400, 10),
    ]  # fmt: skip
    for x, y in rng.uniform(0, 200, (60, 2)):
        hole = shapely.Point(x, y).buffer(rng.uniform(1, 9))
        regions.append(shapely.Point(x, y).buffer(rng.uniform(10, 30)) - hole)
    shapes = np.array(regions, dtype=object)
    found = covered(region_edges(shapes), -3, 2, (70, 65), (3.1, 2.9))
    x, y = np.meshgrid((np.arange(70) - 3 + 0.5) * 3.1, (np.arange(65) + 2 + 0.5) * 2.9)
    assert np.array_equal(found, shapely.contains_xy(shapely.union_all(shapes), x, y))
    assert 0 < found.mean() < 1
    assert not covered(region_edges(shapes[:0]), 0, 0, (7, 6), (1, 1)).any()


@pytest.mark.parametrize("name", ["mask.png", "mask.ome.tif"])
def test_the_legend_of_another_mask_is_not_taken_for_that_of_a_mask(
    tmp_path: Path, name: str
) -> None:
    """As a program leaves them that is killed once the mask has its place, and the legend not."""
    path, place = tmp_path / name, MaskPlace((100, 100), (2.0, 2.0))
    legend_file = path.with_name(f"{name}.legend.json")
    region = Annotation(shapely.box(20, 20, 60, 60), shown_as=TUMOR)
    write_mask(path, [region], place)
    former = legend_file.read_bytes()
    write_mask(path, [replace(region, shown_as=STROMA)], place)
    is_whole = name == "mask.ome.tif"
    for left, why in ((former, "is of another mask"), (None, "is missing")):
        if left is None:
            legend_file.unlink()
        else:
            legend_file.write_bytes(left)
        (found,), problems = read(path)
        assert found.geometry.equals(region.geometry), "at its place, whose scale the mask knows"
        assert found.class_name == ("Stroma" if is_whole else "Label 1")
        told = "its classes and names: mask.png.legend.json {}, export it again"
        assert [each.reason for each in problems] == ([] if is_whole else [told.format(why)])
