"""Files of other tools with what those tools, and people, make of them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import shapely
from health_checks import ALL_CHECKS
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_steps import point_of

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.boxes_csv import read_csv
from viewer.annotations.formats.coco_pictures import SeveralPicturesError
from viewer.annotations.formats.exchange import FORMATS, read_annotations
from viewer.annotations.formats.problems import (
    AnnotationFileError,
    Problems,
    count_of,
    left_out,
)
from viewer.cell_text import bare_cell, text_cell
from viewer.plain_text import shown_line

if TYPE_CHECKING:
    from viewer.annotations.formats.problems import Problem

BOX = "0,0 100,0 100,100 0,100"


def read(
    path: Path, content: str | bytes = b"", **wanted: Any
) -> tuple[list[Annotation], list[Problem]]:
    if content:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems: list[Problem] = []
    return list(read_annotations(path, problems, **wanted)), problems


def asap(corners: str = BOX, kind: str = "Polygon", group: str = "None", groups: str = "") -> str:
    places = "".join(
        f'<Coordinate Order="{n}" X="{xy.split(",")[0]}" Y="{xy.split(",")[1]}"/>'
        for n, xy in enumerate(corners.split())
    )
    return (
        "<ASAP_Annotations><Annotations>"
        f'<Annotation Name="a" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{places}</Coordinates></Annotation></Annotations>"
        f"<AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    )


def region(corners: str = BOX, kind: str = "0", **attributes: str) -> str:
    places = "".join(
        f'<Vertex X="{xy.split(",")[0]}" Y="{xy.split(",")[1]}"/>' for xy in corners.split()
    )
    told = "".join(f' {name}="{text}"' for name, text in attributes.items())
    return f'<Region Type="{kind}"{told}><Vertices>{places}</Vertices></Region>'


def imagescope(*regions: str, name: str = "", description: str = "") -> str:
    return (
        f'<Annotations><Annotation Name="{name}" LineColor="65280"><Attributes>'
        f'<Attribute Name="Description" Value="{description}"/></Attributes>'
        f"<Regions>{''.join(regions)}</Regions></Annotation></Annotations>"
    )


def coco(*annotations: dict[str, Any], images: object = None) -> str:
    default = [{"id": 1, "file_name": "s.svs"}]
    return json.dumps(
        {
            "images": default if images is None else images,
            "categories": [{"id": 1, "name": "Tumor"}],
            "annotations": [{"image_id": 1, "category_id": 1} | each for each in annotations],
        }
    )


def test_groups_in_groups_become_the_parts_of_a_class(tmp_path: Path) -> None:
    groups = (
        '<Group Name="Tumor" PartOfGroup="None" Color="#ff0000"/>'
        '<Group Name="Invasive" PartOfGroup="Tumor" Color="#00ff00"/>'
        '<Group Name="A" PartOfGroup="B"/><Group Name="B" PartOfGroup="A"/>'
    )
    (found,), _ = read(tmp_path / "a.xml", asap(group="Invasive", groups=groups))
    assert found.class_name == "Tumor: Invasive"
    assert found.shown_as is not None
    assert found.shown_as.color == "#00ff00"
    (found,), _ = read(tmp_path / "a.xml", asap(group="A", groups=groups))
    assert found.class_name == "B: A"


@pytest.mark.parametrize("order", ['"{}.0"', '" {}"', '"{},0"'])
def test_orders_of_corners_are_numbers_however_spelled(tmp_path: Path, order: str) -> None:
    text = asap("0,0 10,0 20,0 30,0 40,0 50,0 60,0 70,0 80,0 90,90 0,90")
    for number in range(11):
        text = text.replace(f'Order="{number}"', f"Order={order.format(number)}")
    (found,), problems = read(tmp_path / "a.xml", text)
    assert isinstance(found.geometry, shapely.Polygon)
    assert problems == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-16"?>'])
def test_encodings_of_xml(tmp_path: Path, encoding: str, declared: str) -> None:
    groups = '<Group Name="Tumör" PartOfGroup="None" Color="#ff0000"/>'
    text = declared + asap(group="Tumör", groups=groups)
    (found,), problems = read(tmp_path / "a.xml", text.encode(encoding))
    assert found.class_name == "Tumör"
    assert problems == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-32", "cp1252"])
def test_encodings_of_tables_and_json(tmp_path: Path, encoding: str) -> None:
    table = "x;y;width;height;class\r10,5;20;100;50;Tumör\r"
    (found,), _ = read(tmp_path / "a.csv", table.encode(encoding))
    assert (found.geometry.area, found.class_name) == (5000, "Tumör")
    if encoding != "cp1252":
        text = coco({"bbox": [0, 0, 100, 50]}).encode(encoding)
        assert len(read(tmp_path / "a.coco.json", text)[0]) == 1
        ring = [[0, 0], [9, 0], [9, 9], [0, 0]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        feature = {"type": "Feature", "geometry": shape, "properties": {"name": "Tumör"}}
        text = json.dumps([feature] * 50, ensure_ascii=False).encode(encoding)
        found_all, _ = read(tmp_path / "a.geojson", text)
        assert [each.name for each in found_all] == ["Tumör"] * 50


@pytest.mark.parametrize("name", ["a.xml", "a.csv", "a.coco.json", "a.geojson"])
def test_every_format_may_be_packed(tmp_path: Path, name: str) -> None:
    content = {
        "a.xml": imagescope(region(), name="Tumor"),
        "a.csv": "x,y,width,height\n0,0,100,100\n",
        "a.coco.json": coco({"bbox": [0, 0, 100, 100]}),
        "a.geojson": json.dumps(shapely.geometry.mapping(shapely.box(0, 0, 100, 100))),
    }[name].encode()
    zipped = tmp_path / f"{name}.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(name, content)
    for end, pack in ((".zip", None), (".gz", gzip), ("", gzip), (".bz2", bz2), (".xz", lzma)):
        packed = b"" if pack is None else pack.compress(content)
        (found,), _ = read(tmp_path / f"{name}{end}", packed)
        assert found.geometry.area == 10_000


def test_a_negative_region_cuts_all_that_it_touches(tmp_path: Path) -> None:
    far = region("200,0 300,0 300,100 200,100")
    hole = region("50,0 250,0 250,50 50,50", NegativeROA="1")
    found, _ = read(tmp_path / "a.xml", imagescope(hole, region(), far))
    assert [each.geometry.area for each in found] == [7500, 7500]
    found, problems = read(
        tmp_path / "a.xml", imagescope(region(), region("900,0 910,0 910,9", NegativeROA="true"))
    )
    assert [each.geometry.area for each in found] == [10_000]
    assert "hole" in problems[0].reason


def test_a_region_that_is_cut_away_is_told(tmp_path: Path) -> None:
    found, problems = read(tmp_path / "a.xml", imagescope(region(), region(NegativeROA="1")))
    assert found == []
    assert [(each.number, each.is_repaired) for each in problems] == [(1, False)]
    assert "negative regions cut all of it away" in problems[0].reason


@pytest.mark.parametrize("spoilt", ["&#7;", "&#x1F;", "\x07", "&", "&nothing;"])
def test_what_xml_cannot_hold_costs_no_region(tmp_path: Path, spoilt: str) -> None:
    text = imagescope(region(), region(Text=f"a{spoilt}b"), region())
    found, problems = read(tmp_path / "a.xml", text)
    assert [each.geometry.area for each in found] == [10_000] * 3
    assert [problem.is_repaired for problem in problems] == [True]


def test_a_negative_region_that_names_its_region_cuts_only_that(tmp_path: Path) -> None:
    same = [region(Id="1"), region(Id="2")]
    hole = region("50,0 250,0 250,50 50,50", NegativeROA="1", ParentRegionId="2")
    found, problems = read(tmp_path / "a.xml", imagescope(*same, hole))
    assert [each.geometry.area for each in found] == [10_000, 7500]
    assert problems == []
    gone = region("50,0 250,0 250,50 50,50", NegativeROA="1", ParentRegionId="9")
    found, problems = read(tmp_path / "a.xml", imagescope(*same, gone))
    assert [each.geometry.area for each in found] == [10_000, 10_000]
    assert "hole" in problems[0].reason


def test_what_regions_of_each_type_are(tmp_path: Path) -> None:
    two = "0,0 100,50"
    told = [
        region(two, "1"), region(two, "2"), region(two, "3"), region(two, "4"),
        region("5,5", "5"), region("5,5 9,9", "5"), region(two, "Rectangle"),
        region(two, "Ellipse"), region(two, "Ruler", Text="a ruler"), region("", "0"),
    ]  # fmt: skip
    found, problems = read(tmp_path / "a.xml", imagescope(*told, description="Tumor"))
    assert [each.geometry.geom_type for each in found] == [
        "Polygon", "Polygon", "LineString", "LineString", "Point", "MultiPoint", "Polygon",
        "Polygon", "LineString",
    ]  # fmt: skip
    assert [found[n].geometry.area for n in (0, 6)] == [5000, 5000]
    assert found[1].geometry.area == pytest.approx(3927, rel=0.01)
    assert {each.class_name for each in found} == {"Tumor"}
    assert found[8].name == "a ruler"
    assert [(each.number, each.is_repaired) for each in problems] == [(10, False)]


def test_xml_fetches_nothing_and_keeps_bare_ampersands(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    head = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    found, _ = read(tmp_path / "a.xml", head + imagescope(region(Text="H&E & more"), name="A&B"))
    assert [(each.name, each.class_name) for each in found] == [("H&E & more", "A&B")]
    text = head + imagescope(region(Text="x&x;"))
    assert "secret" not in [each.name for each in read(tmp_path / "a.xml", text)[0]]


def test_ids_of_coco_are_alike_as_text_and_number(tmp_path: Path) -> None:
    box = {"bbox": [0, 0, 100, 50]}
    told = coco(box, box | {"image_id": "1"}, box | {"image_id": 1.0, "category_id": "1"})
    found, problems = read(tmp_path / "a.coco.json", told)
    assert [each.class_name for each in found] == ["Tumor"] * 3
    assert problems == []


def test_several_pictures_of_one_name(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "s.svs"}, {"id": 2, "file_name": "s.svs"}]
    told = coco({"bbox": [0, 0, 9, 9]}, {"bbox": [0, 0, 5, 5], "image_id": 2}, images=images)
    path = tmp_path / "a.coco.json"
    found, problems = read(path, told, takes_namesakes=True)
    assert len(found) == 2
    assert "2 pictures of the name s.svs" in problems[0].reason
    with pytest.raises(SeveralPicturesError) as caught:
        read(path)
    assert caught.value.pictures == ["s.svs (id 1)", "s.svs (id 2)"]
    assert [each.geometry.area for each in read(path, image="s.svs (id 2)")[0]] == [25]
    with pytest.raises(SeveralPicturesError, match=r"no picture other.*s\.svs"):
        read(path, image="other")


@pytest.mark.parametrize(
    "outline", [[], [[]], None, [[0, 0, 100, 50]], "none", [[0, 0, None, "x", 5, 5]], {"size": [1]}]
)
def test_without_an_outline_the_box_is_taken(tmp_path: Path, outline: Any) -> None:
    told = coco({"bbox": ["0", 0, 100, 50.0], "segmentation": outline})
    (found,), _ = read(tmp_path / "a.coco.json", told)
    assert found.geometry.area == 5000


@pytest.mark.parametrize(
    ("told", "area"),
    [
        ({"bbox": {"x": 0, "y": 0, "w": 5, "h": 6}}, 30),
        ({"bbox": {"xmin": 1, "ymin": 1, "xmax": 6, "ymax": "7"}}, 30),
        ({"segmentation": [{"x": 0, "y": 0}, {"x": 10, "y": 0}, {"x": 10, "y": 10}]}, 50),
        ({"segmentation": {"size": ["10", 10], "counts": "[0, 100]"}}, 100),
        ({"keypoints": [[5, 5, 2], [7, 7, 1]]}, 0), ({"keypoints": [5, 5, 7, 7]}, 0),
    ],
)  # fmt: skip
def test_shapes_of_coco_however_they_are_told(tmp_path: Path, told: Any, area: float) -> None:
    (found,), problems = read(tmp_path / "a.coco.json", coco(told))
    assert found.geometry.area == area
    assert problems == []


def test_digits_of_a_text_are_no_numbers_of_a_shape_of_coco(tmp_path: Path) -> None:
    told = coco({"bbox": "1234"}, {"segmentation": [[0, 0, 10, 0, 10, 10], "102030"]})
    (found,), problems = read(tmp_path / "a.coco.json", told)
    assert found.geometry.area == 50
    assert [each.reason for each in problems] == [
        'its box "1234" has not four numbers',
        "part 2 of 2 was left out: its outline is torn",
    ]


@pytest.mark.parametrize("size", [[1], 1, "12", [1, 2, 3], None])
def test_a_mask_of_coco_without_its_size_is_named(tmp_path: Path, size: object) -> None:
    told = coco({"segmentation": {"size": size, "counts": [0, 1]}})
    found, problems = read(tmp_path / "a.coco.json", told)
    assert found == []
    assert [each.reason for each in problems] == ["its mask does not tell its height and width"]


def test_bare_nan_and_named_categories_of_coco(tmp_path: Path) -> None:
    told = json.loads(coco({"bbox": [0, 0, 9, 9], "area": float("nan")}, {"bbox": [0, 0, 5, 5]}))
    told["categories"] = {"1": "Tumor"}
    del told["annotations"][1]["category_id"]
    told["annotations"][1]["category_name"] = "Stroma"
    found, problems = read(tmp_path / "a.coco.json", json.dumps(told))
    assert [each.class_name for each in found] == ["Tumor", "Stroma"]
    assert problems == []


def test_results_lists_have_scores(tmp_path: Path) -> None:
    told = [
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "score": "0,9"},
        {"image_id": 8, "category_id": 3, "bbox": [0, 0, 5, 5], "score": 0.4},
    ]
    path = tmp_path / "a.json"
    with pytest.raises(SeveralPicturesError, match="picture 7, picture 8"):
        read(path, json.dumps(told))
    (found,), _ = read(path, image="7")
    assert found.measurements == {"Score": 0.9}


_TEXTS = st.one_of(st.text(max_size=6), st.sampled_from(["", "-1", "1,5", "NaN", "0x1", "true"]))


@settings(max_examples=120, deadline=None, suppress_health_check=ALL_CHECKS)
@given(
    name=st.sampled_from(["Name", "PartOfGroup", "Color", "Order", "NegativeROA", "Text"]),
    text=_TEXTS,
)
def test_no_attribute_of_xml_costs_a_region(tmp_path: Path, name: str, text: str) -> None:
    from xml.sax.saxutils import quoteattr

    text = "".join(c for c in text if c.isprintable())
    for whole in (asap(), imagescope(region(NegativeROA="0", Text="a"), name="b")):
        for old in ("a", "b", "None", "#F4FA58", "2", "0"):
            changed = whole.replace(f'{name}="{old}"', f"{name}={quoteattr(text)}")
            found, problems = read(tmp_path / "a.xml", changed)
            is_hole = "hole" in " ".join(problem.reason for problem in problems)
            assert len(found) == 1 or is_hole
            assert is_hole or found[0].geometry.area > 0


@pytest.mark.parametrize(
    "table",
    [
        "sep=;\nx;y;class\n1,5;2;Tumor\n", "# made by a tool\nx,y,class\n1.5,2,Tumor\n",
        "Image,Name,Class,Centroid X px,Centroid Y px\na.svs,,Tumor,1.5,2\n",
        f"x,y,class,note\n1.5,2,Tumor,{'long ' * 40_000}\n",
    ],
)  # fmt: skip
def test_tables_of_other_tools(tmp_path: Path, table: str) -> None:
    (found,), problems = read(tmp_path / "a.csv", table)
    assert (*point_of(found.geometry).coords[0], found.class_name) == (1.5, 2, "Tumor")
    assert problems == []


def test_geojson_in_the_code_of_windows(tmp_path: Path) -> None:
    feature = {"type": "Feature", "properties": {"name": "Tumör"}}
    feature["geometry"] = shapely.geometry.mapping(shapely.box(0, 0, 9, 9))
    text = json.dumps([feature, feature], ensure_ascii=False).encode("cp1252")
    found, problems = read(tmp_path / "a.geojson", text)
    assert [each.name for each in found] == ["Tumör", "Tumör"]
    assert problems == []


@given(text=st.text(max_size=8))
def test_cells_come_back_and_are_no_formulas(text: str) -> None:
    assert bare_cell(text_cell(text)) == text
    assert not text_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_formulas_are_disarmed_in_a_table_and_numbers_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    drawn = [
        Annotation(shapely.Point(-5, 1), name="=1+1", shown_as=AnnotationClass("@SUM")),
        Annotation(shapely.Point(5, 1), name="'=quoted", shown_as=AnnotationClass("-")),
    ]
    FORMATS["csv"].write(path, drawn)
    lines = path.read_text().splitlines()
    assert lines[1:] == ["-5,1,,,'@SUM,'=1+1", "5,1,,,'-,''=quoted"]
    found, _ = read(path)
    assert [each.name for each in found] == ["=1+1", "'=quoted"]
    assert [each.class_name for each in found] == ["@SUM", "-"]


def test_what_steers_a_terminal_is_shown_as_nothing(tmp_path: Path) -> None:
    assert shown_line("a\x1b[31mb\x07\n\u202ec") == "a [31mb c"
    assert shown_line("a\u061cb") == "a b", "a mark of Arabic turns what follows"
    text = coco({"bbox": [0, 0, 9, 9], "attributes": {"name": "a\x1b]0;b\x07"}})
    (found,), _ = read(tmp_path / "a.coco.json", text)
    assert "\x1b" not in found.name


def test_two_objects_of_one_id_are_both_kept(tmp_path: Path) -> None:
    feature = {
        "type": "Feature", "id": "3f5a1c66-0000-4000-8000-000000000001",
        "geometry": shapely.geometry.mapping(shapely.box(0, 0, 9, 9)), "properties": {},
    }  # fmt: skip
    found, problems = read(tmp_path / "a.geojson", json.dumps([feature, feature]))
    assert len({each.id for each in found}) == 2
    assert "the id of another" in problems[0].reason


@pytest.mark.parametrize("text", ["plain text", "<html><body/></html>", "x\x00y", "PK\x03\x04torn"])
@pytest.mark.parametrize("end", ["geojson", "xml", "csv", "json.gz", "zip", "txt"])
def test_what_is_no_file_of_annotations_gives_one_sentence(
    tmp_path: Path, text: str, end: str
) -> None:
    said = "."
    try:
        assert read(tmp_path / f"a.{end}", text)[0] == []
    except AnnotationFileError as error:
        said = str(error)
    assert said.endswith(".")


def test_a_table_that_goes_on_in_vain_is_read_no_further_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    path.write_text('x,y,class\n1,2,"a\n' + "1\n" * 600_000 + "3,4,b\n")
    problems = Problems()
    assert len(list(read_csv(path, problems))) == 1
    said = "reading stopped at row 500,001, and what comes behind it is left out"
    assert str(problems[0]).startswith(said)
    assert problems[-1].reason == "and 490,000 more, which are counted only"
    assert said in left_out(problems)


def test_rows_in_vain_among_others_end_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("x,y,class\n1,2,a\n" + ("1\n" * 300_000 + "3,4,b\n") * 2)
    problems = Problems()
    assert len(list(read_csv(path, problems))) == 3
    assert not any(each.stops_reading for each in problems)
    assert count_of(problems) == 600_000
