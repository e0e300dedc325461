"""Whether a file holds what people drew."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from viewer.annotations.formats.sniffing import holds_annotations

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}
DRAWN, FOUND = {"objectType": "annotation"}, {"objectType": "cell"}


def _geojson(*properties: dict[str, str]) -> str:
    features = [{"type": "Feature", "geometry": SQUARE, "properties": p} for p in properties]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_geojson(DRAWN), True),
        (_geojson(FOUND), False),
        (_geojson(FOUND, DRAWN), True),
        (_geojson({"name": "cell"}), False),
        ("", False),
    ],
)
def test_geojson_is_told_by_what_it_says_of_its_objects(
    tmp_path: Path, text: str, expected: bool
) -> None:
    path = tmp_path / "objects.geojson"
    path.write_text(text)
    assert holds_annotations(path) is expected


def test_packed_files_and_older_spellings_are_told_too(tmp_path: Path) -> None:
    old = json.dumps({"type": "Feature", "id": "PathAnnotationObject", "geometry": SQUARE})
    packed = tmp_path / "old.geojson.gz"
    packed.write_bytes(gzip.compress(old.encode()))
    assert holds_annotations(packed)
    archive = tmp_path / "new.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("slide.geojson", _geojson(DRAWN))
    assert holds_annotations(archive)
    archive.write_bytes(b"PK\x03\x04 torn")
    assert not holds_annotations(archive)


def test_xml_holds_annotations_and_tables_of_scores_hold_none(tmp_path: Path) -> None:
    xml, csv = tmp_path / "a.xml", tmp_path / "scores.csv"
    xml.write_text("<ASAP_Annotations><Annotations/></ASAP_Annotations>")
    for header in ("x,y,width,height,label,prob_1", "x,y,level,label,attention", "x,y,score"):
        csv.write_text(f"{header}\n0,0,0.5\n")
        assert not holds_annotations(csv)
    assert holds_annotations(xml)
    assert not holds_annotations(csv)
    for header in ("x,y,width,height,class,name", "Xmin;Ymin;Xmax;Ymax", '"x","y","label"'):
        csv.write_text(f"{header}\n1,2,3,4,A,b\n")
        assert holds_annotations(csv)
    csv.write_text("name,age\na,3\n")
    assert not holds_annotations(csv)
    assert not holds_annotations(tmp_path / "absent.geojson")
