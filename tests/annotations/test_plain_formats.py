"""CSV, COCO and XML: what they hold comes back, the rest is told, damage costs little."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import shapely
from exchange_steps import (
    annotations,
    boxes,
    class_names,
    colors,
    is_same_place,
    lines,
    points,
    read,
    texts,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from shape_steps import polygon_of

from viewer.annotations.annotation import AUTHOR, CREATED, MODIFIED, Annotation, AnnotationClass
from viewer.annotations.formats.boxes_csv import read_csv
from viewer.annotations.formats.coco import CocoImage, read_coco, without_holes, write_coco
from viewer.annotations.formats.coco_runs import region_of_runs
from viewer.annotations.formats.exchange import FORMATS, format_for, format_of
from viewer.annotations.formats.problems import (
    AnnotationFileError,
    Problem,
    Problems,
    count_of,
    left_out,
)
from viewer.plain_text import shown_line

_quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_names = texts.map(str.strip).map(shown_line)
_shown_classes = class_names.filter(lambda name: name == shown_line(name))
_sound_names = class_names.filter(lambda name: name != "None")


def _alike(
    drawn: list[Annotation], found: list[Annotation], traits: tuple[str, ...], tolerance: float
) -> None:
    assert len(found) == len(drawn)
    for one, other in zip(drawn, found, strict=True):
        assert is_same_place(one.geometry, other.geometry, tolerance)
        for trait in traits:
            assert getattr(one, trait) == getattr(other, trait), trait


_flat_boxes = some.builds(
    lambda at, width, height: shapely.box(at[0], at[1], at[0] + width, at[1] + height),
    points, some.integers(1, 5000), some.integers(1, 5000),
)  # fmt: skip


@_quick
@given(
    drawn=some.lists(
        some.builds(
            Annotation,
            _flat_boxes | points.map(shapely.Point),
            shown_as=some.none() | class_names.map(AnnotationClass),
            name=_names,
        ),
        max_size=5,
    ),
    suffix=some.sampled_from([".csv", ".csv.gz"]),
)
def test_boxes_and_points_come_back_from_csv(
    drawn: list[Annotation], suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / f"a{suffix}"
    assert FORMATS["csv"].write(path, drawn) == []
    found, problems = read(path)
    assert problems == []
    _alike(drawn, found, ("class_name", "name"), 0.011)


@_quick
@given(
    drawn=some.lists(
        some.builds(
            Annotation,
            some.one_of(
                boxes(),
                points.map(shapely.Point),
                some.lists(points, min_size=2, max_size=4, unique=True).map(shapely.MultiPoint),
                boxes().map(lambda box: shapely.MultiPolygon([box, shapely.box(2e5, 0, 3e5, 1)])),
            ),
            some.builds(uuid4),
            shown_as=some.none() | some.builds(AnnotationClass, class_names, colors),
            name=texts,
            color=some.none() | colors,
        ),
        max_size=5,
    )
)
def test_regions_and_points_come_back_from_coco(
    drawn: list[Annotation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("coco") / "a.coco.json"
    assert write_coco(path, drawn, CocoImage("a.svs", 100, 100)) == []
    found, problems = read(path)
    assert problems == []
    for one, other in zip(drawn, found, strict=True):
        difference = shapely.symmetric_difference(one.geometry, other.geometry)
        assert difference.area < 1e-6
        assert one.geometry.geom_type == other.geometry.geom_type
        for trait in ("id", "shown_as", "name", "color"):
            assert getattr(one, trait) == getattr(other, trait), trait


@_quick
@given(
    drawn=some.lists(
        some.builds(
            Annotation,
            some.one_of(
                _flat_boxes,
                points.map(shapely.Point),
                lines,
                some.lists(points, min_size=2, max_size=4, unique=True).map(shapely.MultiPoint),
            ),
            shown_as=some.none() | _sound_names.map(AnnotationClass),
            name=texts.filter(bool),
            color=some.none() | colors.filter(lambda color: color != "#f4fa58"),
        ),
        max_size=5,
    )
)
def test_asap_gives_back_what_it_can_hold(
    drawn: list[Annotation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("asap") / "a.xml"
    assert FORMATS["asap"].write(path, drawn) == []
    found, problems = read(path)
    assert problems == []
    _alike(drawn, found, ("shown_as", "name", "shown_color"), 0.011)


@_quick
@given(
    drawn=some.lists(
        some.builds(
            Annotation,
            boxes() | lines,
            shown_as=some.none() | some.builds(AnnotationClass, _shown_classes, colors),
            name=_names,
        ),
        max_size=5,
    )
)
def test_imagescope_gives_back_what_it_can_hold(
    drawn: list[Annotation], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("imagescope") / "a.xml"
    assert FORMATS["imagescope"].write(path, drawn) == []
    found, problems = read(path)
    assert problems == []
    layers = list(dict.fromkeys(each.shown_as for each in drawn))
    in_layers = sorted(drawn, key=lambda each: layers.index(each.shown_as))
    _alike(in_layers, found, ("shown_as", "name", "color"), 0.011)


@pytest.mark.parametrize("name", ["asap", "imagescope", "csv", "coco"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=annotations)
def test_what_a_format_cannot_hold_is_told(
    name: str, drawn: Annotation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    child = Annotation(shapely.box(0, 0, 9, 9), name="child")
    whole = Annotation(
        drawn.geometry, kind=drawn.kind, is_locked=True, measurements=drawn.measurements,
        metadata=drawn.metadata, children=(child,), shown_as=drawn.shown_as,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("lost") / ("a.csv" if name == "csv" else "a.json")
    lost = FORMATS[name].write(path, [whole])
    said = " ".join(problem.reason for problem in lost)
    assert "that it is locked" in said
    assert "its place around others" in said
    assert ("its measurements" in said) == bool(drawn.measurements)
    assert ("its notes" in said) == bool(drawn.metadata.keys() - {AUTHOR, CREATED, MODIFIED})
    path = path.rename(path.with_name("a.xml")) if name in ("asap", "imagescope") else path
    assert any(each.geometry.equals(child.geometry) for each in read(path)[0])


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("x0,y0,x1,y1,class,name\n1,2,11,22,Tumor,a\n", [(1, 2, 11, 22)]),
        ("X1;Y1;X2;Y2;Label\n1;2;11;22;Tumor\n", [(1, 2, 11, 22)]),
        ("xmin\tymin\txmax\tymax\tclass\n1\t2\t11\t22\tTumor\n", [(1, 2, 11, 22)]),
        ("\ufeffx,y,width,height,class\r\n1,2,10,20,Tumor\r\n\r\n", [(1, 2, 11, 22)]),
        ("x,y,class\n1,2,Tumor\n", [(1, 2, 1, 2)]),
        ("1,2,Tumor\n3,4,Tumor", [(1, 2, 1, 2), (3, 4, 3, 4)]),
        ("1,2,11,22,Tumor\n", [(1, 2, 11, 22)]),
        ('class,"x","y","w","h"\nTumor,1,2,10,20\n', [(1, 2, 11, 22)]),
    ],
)
def test_columns_are_known_by_their_header(
    tmp_path: Path, text: str, places: list[tuple[float, ...]]
) -> None:
    (tmp_path / "a.csv").write_text(text, newline="")
    found, problems = read(tmp_path / "a.csv")
    assert problems == []
    assert [each.geometry.bounds for each in found] == places
    assert {each.class_name for each in found} == {"Tumor"}


def test_bad_rows_cost_only_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b"x0,y0,x1,y1,class,score,note\n1,2,3,4,A,0.5,hm\nx,2,3,4,A\n9,9,3,4,A\n1,1,1,5,A\n"
        b"nan,1,2,3,A\n\xff\xfe,1,2\n1,2,3"
    )
    found, problems = read(tmp_path / "a.csv")
    assert [each.geometry.bounds for each in found] == [(1, 2, 3, 4), (3, 4, 9, 9)]
    assert found[0].measurements == {"score": 0.5}
    assert found[0].metadata == {"note": "hm"}
    assert [p.number for p in problems if not p.is_repaired] == [2, 4, 5, 6, 7]
    assert [p.number for p in problems if p.is_repaired] == [3]
    (tmp_path / "b.csv").write_text("name,weight\na,3\n")
    with pytest.raises(AnnotationFileError, match="no columns of places"):
        read(tmp_path / "b.csv")


def _packed(counts: list[int]) -> str:
    """COCO's packed text, as its C code makes it."""
    text = ""
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != -1 if group & 0x10 else value != 0
            text += chr((group | 0x20 if more else group) + 48)
    return text


@_quick
@given(rows=some.lists(some.lists(some.booleans(), min_size=7, max_size=7), min_size=1, max_size=9))
def test_run_length_masks_are_the_pixels_they_tell(rows: list[list[bool]]) -> None:
    mask = np.array(rows)
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.array([0, *changes, len(flat)])).tolist()
    counts = [0, *counts] if flat[0] else counts
    for told in (counts, _packed(counts)):
        if not mask.any():
            with pytest.raises(ValueError, match="empty"):
                region_of_runs({"size": list(mask.shape), "counts": told})
            continue
        region = region_of_runs({"size": list(mask.shape), "counts": told})
        middles = [[shapely.Point(x + 0.5, y + 0.5) for x in range(7)] for y in range(len(rows))]
        assert (shapely.contains(region, np.array(middles)) == mask).all()
        assert region.area == mask.sum()


def _coco(**more: object) -> dict[str, object]:
    return {
        "images": [{"id": 4, "file_name": "a/one.svs"}, {"id": 5, "file_name": "two.svs"}],
        "categories": [{"id": 7, "name": "Tumor"}],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 7, "segmentation": [[0, 0, 9, 0, 9, 9]]},
            {"id": 2, "image_id": 5, "category_id": 8, "bbox": [1, 2, 3, 4], "score": 0.5},
            {"id": 3, "image_id": 5, "category_id": 7, "segmentation": [[0, 0]]},
            {"id": 4, "image_id": 5, "segmentation": {"size": [2, 2], "counts": [9]}},
            7,
        ],
    } | more


def test_of_several_pictures_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(_coco()))
    with pytest.raises(AnnotationFileError, match=r"several pictures.*one\.svs, two\.svs"):
        read(path)
    for wanted, count in (("a/one.svs", 1), ("one.svs", 1), ("two.tiff", 1)):
        assert len(list(read_coco(path, [], wanted))) == count
    with pytest.raises(AnnotationFileError, match="no picture three"):
        list(read_coco(path, [], "three"))
    problems: list[Problem] = []
    (box,) = read_coco(path, problems, "two")
    assert (box.class_name, box.measurements) == ("Category 8", {"Score": 0.5})
    assert box.geometry.bounds == (1, 2, 4, 6)
    assert [problem.number for problem in problems] == [3, 4, 5]


def test_a_torn_coco_file_gives_what_is_whole(tmp_path: Path) -> None:
    told = _coco(images=[{"id": 1, "file_name": "a"}])
    told["annotations"] = [
        {"id": n, "image_id": 1, "category_id": 7, "bbox": [n, 0, 3, 4]} for n in range(100)
    ]
    text = json.dumps(told)
    (tmp_path / "a.json").write_text(text[:-800])
    found, problems = read(tmp_path / "a.json")
    assert 80 < len(found) < 95
    assert {each.class_name for each in found} == {"Tumor"}
    assert problems


def test_holes_are_cut_open_without_loss() -> None:
    region = shapely.Point(0, 0).buffer(100)
    for x in range(-60, 61, 20):
        region = region.difference(shapely.Point(x, x / 2).buffer(4))
    parts = without_holes(polygon_of(region))
    assert not any(part.interiors for part in parts)
    assert shapely.union_all(parts).symmetric_difference(region).area < 1e-9


_ASAP = """<ASAP_Annotations><Annotations>{}</Annotations><AnnotationGroups>
<Group Name="Tumor" PartOfGroup="None" Color="#FF0000"/></AnnotationGroups></ASAP_Annotations>"""
_IMAGESCOPE = """<Annotations><Annotation Id="1" Name="Tumor" LineColor="255"><Regions>{}
</Regions></Annotation></Annotations>"""


@pytest.mark.parametrize(("name", "shell"), [("asap", _ASAP), ("imagescope", _IMAGESCOPE)])
def test_damaged_xml_gives_what_is_sound(tmp_path: Path, name: str, shell: str) -> None:
    drawn = [
        Annotation(shapely.box(n, 0, n + 5, 5), name=f"<{n}>", shown_as=AnnotationClass("Tumor"))
        for n in range(20)
    ]
    path = tmp_path / "a.xml"
    FORMATS[name].write(path, drawn)
    whole = path.read_bytes()
    middle = whole.index(b"&lt;10&gt;")
    spoilt = {
        "torn": (whole[:middle], 10),
        "zeros": (whole[:middle] + b"\0\0" + whole[middle:], 19),
        "a mark less": (whole[:middle] + whole[middle:].replace(b">", b"", 1), 19),
        "head": (b"\0" + whole, 20),
    }
    for what, (text, count) in spoilt.items():
        path.write_bytes(text)
        found, problems = read(path)
        assert len(found) == count, what
        assert {each.class_name for each in found} == {"Tumor"}, what
        assert "damaged" in problems[0].reason
    path.write_text(shell.format(""))
    assert read(path) == ([], [])


def test_control_characters_do_not_spoil_xml(tmp_path: Path) -> None:
    drawn = [Annotation(shapely.box(0, 0, 5, 5), name="a\x01b")]
    for name in ("asap", "imagescope"):
        FORMATS[name].write(tmp_path / "a.xml", drawn)
        assert [each.name for each in read(tmp_path / "a.xml")[0]] == ["a\ufffdb"]


@pytest.mark.parametrize("name", ["asap", "imagescope", "csv", "coco"])
@settings(max_examples=60, deadline=None)
@given(data=some.data())
def test_spoilt_files_raise_nothing_else(
    name: str, data: some.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    suffix = {"csv": ".csv", "coco": ".json"}.get(name, ".xml")
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    drawn = [
        Annotation(shapely.box(n, 0, n + 5, 5.5), name="é", shown_as=AnnotationClass("Tumor"))
        for n in range(4)
    ]
    FORMATS[name].write(path, drawn)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(some.integers(1, 3))):
        at = data.draw(some.integers(0, len(whole) - 1))
        if data.draw(some.booleans()):
            whole[at] = data.draw(some.integers(0, 255))
        else:
            whole[at : at + data.draw(some.integers(1, 20))] = data.draw(some.binary(max_size=4))
        whole = whole or bytearray(b" ")
    path.write_bytes(bytes(whole))
    with contextlib.suppress(AnnotationFileError):
        found, _ = read(path)
        assert all(each.geometry.is_valid for each in found)


def test_names_and_content_tell_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"info": {}} | _coco()))
    (tmp_path / "b.json").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "c.json").write_text("[]")
    assert [format_of(tmp_path / f"{name}.json").name for name in "abc"] == [
        "COCO JSON", "QuPath GeoJSON", "QuPath GeoJSON",
    ]  # fmt: skip
    told = {name: format_for(Path(name)) for name in ("a.geojson.gz", "a.coco.json", "a.xml")}
    assert [each and each.name for each in told.values()] == ["QuPath GeoJSON", "COCO JSON", None]


def test_a_table_of_bad_rows_alone_is_not_read_to_its_end(tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("x,y,width,height\n" + "a,b,c,d\n" * 120_000)
    with pytest.raises(AnnotationFileError, match="none of its first 100,000 rows can be used"):
        list(read_csv(table, Problems()))


def test_problems_without_number_are_counted_and_the_first_are_held(tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("x,y,width,height\n1,2,3,4\n" + "1,2,0,0\n" * 12_000)
    problems = Problems()
    assert len(list(read_csv(table, problems))) == 1
    assert len(problems) == 10_001
    assert count_of(problems) == 12_000
    assert str(problems[0]) == "left out number 2: it has no area"
    assert str(problems[-1]) == "and 2,000 more, which are counted only"
    assert left_out(problems).startswith("12,000 left out (")
