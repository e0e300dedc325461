"""Valid files of each format with attributes of other types, without attributes, and cut short.

What an independent reader finds of geometry in them must be found here too.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as Xml

from health_checks import ALL_CHECKS
from hypothesis import given, settings
from hypothesis import strategies as some

from viewer.annotations.formats.exchange import read_annotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.annotations.formats.problems import Problem

few = settings(max_examples=40, deadline=None, suppress_health_check=ALL_CHECKS)
BOXES = [(10 * n, 5, 10 * n + 8, 25 + n) for n in range(4)]
JUNK = some.one_of(
    some.none(), some.booleans(), some.integers(), some.floats(), some.text(max_size=6),
    some.lists(some.integers(-5, 400), max_size=4), some.just({}),
    some.dictionaries(some.text(max_size=3), some.none(), max_size=2),
    some.sampled_from(["NaN", "-1", "1,5", '{"name": "a"}', "[1, 2", "None", "=1+1", [[]], [None]]),
)  # fmt: skip
_PYTHONS_WORDS = re.compile(r"object has no attribute|object is not|NoneType|unhashable|Traceback")


def found(path: Path, content: str | bytes, **wanted: Any) -> tuple[list[Any], list[Problem]]:
    """The boxes of what is read, in order."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems: list[Problem] = []
    read = [each.geometry for each in read_annotations(path, problems, **wanted)]
    for problem in problems:
        assert not _PYTHONS_WORDS.search(str(problem)), problem
    return [each.bounds for each in read], problems


def places(told: Any, geometry: frozenset[str], path: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The paths to all that is no geometry, nor holds any."""
    members = told.items() if isinstance(told, dict) else enumerate(told)
    for key, value in members:
        if key in geometry:
            continue
        holds = isinstance(value, dict | list) and any(
            f'"{g}"' in json.dumps(value) for g in geometry
        )
        if not holds:
            yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, geometry, (*path, key))


def mutated(told: Any, at: tuple[Any, ...], junk: Any, *, is_gone: bool) -> Any:
    told = copy.deepcopy(told)
    holder = told
    for key in at[:-1]:
        holder = holder[key]
    if is_gone:
        del holder[at[-1]]
    else:
        holder[at[-1]] = junk
    return told


# GeoJSON -------------------------------------------------------------------------------------


def _ring(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature", "id": f"3f5a1c66-0000-4000-8000-00000000000{n}",
            "geometry": {
                "type": "Polygon", "coordinates": [_ring(*box)], "plane": {"z": 1, "c": 0},
            },
            "nucleusGeometry": {"type": "Polygon", "coordinates": [_ring(*box)]},
            "properties": {
                "objectType": "annotation", "name": "a", "color": [1, 2, 3], "isLocked": True,
                "classification": {"name": "T", "color": [1, 2, 3]},
                "measurements": [{"name": "A", "value": 1}, {"name": "B", "value": "NaN"}],
                "metadata": {"k": "v"},
            },
        }
        for n, box in enumerate(BOXES)
    ],
}  # fmt: skip
IN_GEOJSON = [
    at for at in places(GEOJSON, frozenset({"coordinates", "features"}))
    if at[-2:] != ("geometry", "type")
] + [
    ("features", n, *at) for n, feature in enumerate(GEOJSON["features"])
    for at in places(feature, frozenset({"coordinates"}))
    if at != ("geometry", "type")
]  # fmt: skip


@few
@given(at=some.sampled_from(IN_GEOJSON), junk=JUNK, is_gone=some.booleans())
def test_geojson(tmp_path: Path, at: tuple[Any, ...], junk: Any, is_gone: bool) -> None:
    told = json.dumps(mutated(GEOJSON, at, junk, is_gone=is_gone))
    assert found(tmp_path / "a.geojson", told)[0] == BOXES


def whole_objects(text: str, beginning: str) -> int:
    """How many objects of a list are whole, as Python's own parser finds them."""
    decode, position, count = json.JSONDecoder().raw_decode, text.find(beginning), 0
    if position < 0:
        return 0
    position += len(beginning)
    while True:
        position = len(text) - len(text[position:].lstrip(" ,\n"))
        try:
            _, position = decode(text, position)
        except ValueError:
            return count
        count += 1


@few
@given(length=some.integers(60, len(json.dumps(GEOJSON)) - 1))
def test_geojson_cut_short(tmp_path: Path, length: int) -> None:
    text = json.dumps(GEOJSON)[:length]
    whole = whole_objects(text, '"features": [')
    if whole:
        boxes, problems = found(tmp_path / "a.geojson", text)
        assert boxes[:whole] == BOXES[:whole]
        assert problems or text.endswith("]")


# COCO ----------------------------------------------------------------------------------------


def _flat(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


COCO = {
    "info": {"year": 2026, "description": "d"}, "licenses": [{"id": 1, "name": "CC0"}],
    "images": [{"id": 1, "file_name": "s.svs", "width": 100, "height": 50}],
    "categories": [{"id": 1, "name": "Tumor", "supercategory": "", "color": [1, 2, 3]}],
    "annotations": [
        {
            "id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 5.0, "score": 0.5,
            "segmentation": [_flat(x0, y0, x1, y1)], "bbox": [x0, y0, x1 - x0, y1 - y0],
            "attributes": {"uuid": "x", "name": "n", "color": [1, 2, 3]},
        }
        for n, (x0, y0, x1, y1) in enumerate(BOXES)
    ],
}  # fmt: skip
IN_COCO = [
    *(at for at in places(COCO, frozenset({"segmentation", "bbox"})) if at[0] != "annotations"),
    *(
        ("annotations", n, *at) for n, each in enumerate(COCO["annotations"])
        for at in (*places(each, frozenset({"bbox", "segmentation"})), ("segmentation",), ("bbox",))
    ),
]  # fmt: skip


@few
@given(at=some.sampled_from(IN_COCO), junk=JUNK, is_gone=some.booleans())
def test_coco(tmp_path: Path, at: tuple[Any, ...], junk: Any, is_gone: bool) -> None:
    told = json.dumps(mutated(COCO, at, junk, is_gone=is_gone))
    assert found(tmp_path / "a.coco.json", told)[0] == BOXES


@few
@given(length=some.integers(300, len(json.dumps(COCO)) - 1))
def test_coco_cut_short(tmp_path: Path, length: int) -> None:
    text = json.dumps(COCO)[:length]
    whole = whole_objects(text, '"annotations": [')
    if whole:
        boxes, problems = found(tmp_path / "a.coco.json", text)
        assert boxes[:whole] == BOXES[:whole]
        assert problems


# XML -----------------------------------------------------------------------------------------


def _corners(box: tuple[float, ...], tag: str, *, ordered: bool = False) -> str:
    return "".join(
        f'<{tag} {f"""Order="{n}" """ if ordered else ""}X="{x}" Y="{y}"/>'
        for n, (x, y) in enumerate(_ring(*box)[:-1])  # pyright: ignore[reportArgumentType]
    )


ASAP = (
    "<ASAP_Annotations><Annotations>"
    + "".join(
        '<Annotation Name="a" Type="Polygon" PartOfGroup="T" Color="#F4FA58"><Coordinates>'
        f"{_corners(box, 'Coordinate', ordered=True)}</Coordinates></Annotation>"
        for box in BOXES
    )
    + '</Annotations><AnnotationGroups><Group Name="T" PartOfGroup="None" Color="#ff0000">'
    "<Attributes/></Group></AnnotationGroups></ASAP_Annotations>"
)
IMAGESCOPE = (
    '<Annotations MicronsPerPixel="0.25"><Annotation Id="1" Name="T" Type="4" Visible="1" '
    'LineColor="65280"><Attributes><Attribute Name="Description" Id="0" Value="d"/></Attributes>'
    "<Regions><RegionAttributeHeaders/>"
    + "".join(
        f'<Region Id="{n}" Type="0" Zoom="1" Text="t" NegativeROA="0" Length="1" Area="1" '
        f'DisplayId="{n}"><Attributes/><Vertices>{_corners(box, "Vertex")}</Vertices></Region>'
        for n, box in enumerate(BOXES)
    )
    + "</Regions></Annotation></Annotations>"
)
HALO = (
    '<Annotations><Annotation LineColor="65280" Name="T" Visible="True"><Regions>'
    + "".join(
        f'<Region Type="Polygon" HasEndcaps="0" NegativeROA="0"><Vertices>{_corners(box, "V")}'
        "</Vertices><Comments/></Region>"
        for box in BOXES
    )
    + "</Regions></Annotation></Annotations>"
)
PLACES = {"Vertex", "V", "Coordinate"}


@few
@given(
    text=some.sampled_from([ASAP, IMAGESCOPE, HALO]),
    draw=some.data(),
    junk=some.one_of(
        some.none(),
        some.text(some.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6),
        some.sampled_from(["-1", "NaN", "1,5", "2.0", "True", "none", "999999999999"]),
    ),
)
def test_xml(tmp_path: Path, text: str, draw: Any, junk: str | None) -> None:
    root = Xml.fromstring(text)  # noqa: S314 - our own
    choices = [
        (element, name) for element in root.iter() for name in element.attrib
        if not (element.tag in PLACES and name in ("X", "Y", "Order"))
        and name not in ("Type", "NegativeROA")
    ]  # fmt: skip
    element, name = draw.draw(some.sampled_from(choices))
    if junk is None:
        del element.attrib[name]
    else:
        element.set(name, "".join(c for c in junk if c.isprintable()))
    changed = Xml.tostring(root, encoding="unicode")
    assert found(tmp_path / "a.xml", changed)[0] == BOXES


@few
@given(text=some.sampled_from([ASAP, IMAGESCOPE, HALO]), share=some.floats(0.1, 0.99))
def test_xml_cut_short(tmp_path: Path, text: str, share: float) -> None:
    cut = text[: int(len(text) * share)]
    whole = cut.count("</Coordinates>") + cut.count("</Vertices>")
    if whole:
        boxes, problems = found(tmp_path / "a.xml", cut)
        assert boxes[:whole] == BOXES[:whole]
        assert problems


# Tables --------------------------------------------------------------------------------------


@few
@given(
    mark=some.sampled_from([",", ";", "\t"]),
    row=some.integers(0, 3),
    cell=some.sampled_from(["class", "name", "score", "note"]),
    junk=some.text(max_size=8),
    drops=some.integers(0, 4),
)
def test_tables(tmp_path: Path, mark: str, row: int, cell: str, junk: str, drops: int) -> None:
    header = ["x", "y", "width", "height", "class", "name", "score", "note"]
    rows = [[x0, y0, x1 - x0, y1 - y0, "T", "n", 0.5, "more"] for x0, y0, x1, y1 in BOXES]
    rows[row][header.index(cell)] = junk.replace("\0", "")
    rows[(row + 1) % 4] = rows[(row + 1) % 4][: 8 - drops]
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows([header, *rows])
    assert found(tmp_path / "a.csv", text.getvalue().encode(errors="replace"))[0] == BOXES


@few
@given(length=some.integers(20, 110))
def test_tables_cut_short(tmp_path: Path, length: int) -> None:
    lines = ["x,y,width,height,class"]
    lines += [f"{x0},{y0},{x1 - x0},{y1 - y0},Tumor" for x0, y0, x1, y1 in BOXES]
    cut = "\n".join(lines)[:length]
    whole = max(cut.count("\n") - 1, 0)
    if whole:
        assert found(tmp_path / "a.csv", cut)[0][:whole] == BOXES[:whole]


@few
@given(row=some.integers(0, 3), spoilt=some.sampled_from(['"T', 'T"', '5" wide', '"', '"a"b"']))
def test_a_quote_that_is_left_open_costs_no_row(tmp_path: Path, row: int, spoilt: str) -> None:
    lines = [f"{x0},{y0},{x1 - x0},{y1 - y0},Tumor,n" for x0, y0, x1, y1 in BOXES]
    lines[row] = lines[row].replace("Tumor", spoilt)
    text = "\n".join(["x,y,width,height,class,name", *lines])
    assert found(tmp_path / "a.csv", text)[0] == BOXES
