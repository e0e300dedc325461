"""Whether a file holds what people drew, what a model found, or both."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from viewer.annotations.formats.sniffing import Contents, contents

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}
DRAWN, FOUND = {"objectType": "annotation"}, {"objectType": "cell"}


def _geojson(*properties: dict[str, str]) -> str:
    features = [{"type": "Feature", "geometry": SQUARE, "properties": p} for p in properties]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_geojson(DRAWN), Contents(has_annotations=True, has_detections=False)),
        (_geojson(FOUND), Contents(has_annotations=False, has_detections=True)),
        (_geojson(FOUND, DRAWN), Contents(has_annotations=True, has_detections=True)),
        (_geojson({"name": "cell"}), Contents(has_annotations=False, has_detections=False)),
        ("", Contents(has_annotations=False, has_detections=False)),
    ],
)
def test_geojson_is_told_by_what_it_says_of_its_objects(
    tmp_path: Path, text: str, expected: Contents
) -> None:
    path = tmp_path / "objects.geojson"
    path.write_text(text)
    assert contents(path) == expected


def test_packed_files_and_older_spellings_are_told_too(tmp_path: Path) -> None:
    old = json.dumps({"type": "Feature", "id": "PathAnnotationObject", "geometry": SQUARE})
    packed = tmp_path / "old.geojson.gz"
    packed.write_bytes(gzip.compress(old.encode()))
    assert contents(packed).has_annotations
    archive = tmp_path / "new.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("slide.geojson", _geojson(DRAWN))
    assert contents(archive).has_annotations
    archive.write_bytes(b"PK\x03\x04 torn")
    assert contents(archive) == Contents(has_annotations=False, has_detections=False)


def test_xml_holds_annotations_and_tables_of_scores_hold_none(tmp_path: Path) -> None:
    xml, csv = tmp_path / "a.xml", tmp_path / "scores.csv"
    xml.write_text("<ASAP_Annotations><Annotations/></ASAP_Annotations>")
    for header in ("x,y,width,height,label,prob_1", "x,y,level,label,attention", "x,y,score"):
        csv.write_text(f"{header}\n0,0,0.5\n")
        assert contents(csv) == Contents(has_annotations=False, has_detections=False)
    assert contents(xml).has_annotations
    assert not contents(csv).has_annotations
    for header in ("x,y,width,height,class,name", "Xmin;Ymin;Xmax;Ymax", '"x","y","label"'):
        csv.write_text(f"{header}\n1,2,3,4,A,b\n")
        assert contents(csv).has_annotations
    csv.write_text("name,age\na,3\n")
    assert not contents(csv).has_annotations
    assert not contents(tmp_path / "absent.geojson").has_annotations
