"""`coverslip annotations` as an annotator's script runs it."""

from __future__ import annotations

import json
from pathlib import Path

from cli_steps import coverslip

_SQUARE = [[[0, 0], [20, 0], [20, 20], [0, 20], [0, 0]]]


def _write(path: Path, *geometries: object) -> None:
    told = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    features = [{"type": "Feature", "geometry": g, "properties": told} for g in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def test_a_file_goes_to_asap_and_back(tmp_path: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE})
    there = coverslip(
        "annotations", "convert", "a.geojson", "a.xml", "--to", "asap", folder=tmp_path
    )
    assert there.returncode == 0
    back = coverslip("annotations", "convert", "a.xml", "b.geojson", "--json", folder=tmp_path)
    assert json.loads(back.stdout)["annotations"] == 1
    feature = json.loads((tmp_path / "b.geojson").read_text())["features"][0]
    assert feature["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 0]}


def test_what_is_wrong_is_told_by_number(tmp_path: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE}, None)
    done = coverslip("annotations", "validate", "a.geojson", folder=tmp_path)
    assert done.returncode == 1
    assert "left out number 2: it has no geometry" in done.stdout
    told = coverslip("annotations", "stats", "a.geojson", "--mpp", "0.5", "--json", folder=tmp_path)
    assert json.loads(told.stdout) == [
        {"class": "Tumor", "count": 1, "area um2": 100.0, "perimeter um": 40.0, "length um": 0.0}
    ]
    oblong = ("annotations", "stats", "a.geojson", "--json", "--mpp")
    told = coverslip(*oblong, "0.25,0.5", folder=tmp_path)
    assert json.loads(told.stdout) == [
        {"class": "Tumor", "count": 1, "area um2": 50.0, "perimeter um": 30.0, "length um": 0.0}
    ]
    for wrong in ("0", "a", "0.25,0.5,1", "nan"):
        done = coverslip(*oblong, wrong, folder=tmp_path)
        assert (done.returncode, "0.25,0.5 where pixels are not square" in done.stderr) == (2, True)


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{")
    for arguments in (
        ("validate", "a.geojson"),
        ("stats", "missing.geojson"),
        ("convert", "a.geojson", "b.geojson"),
        ("convert", "a.geojson", "b.doc"),
    ):
        done = coverslip("annotations", *arguments, folder=tmp_path)
        assert done.returncode == 2, arguments
        assert done.stderr.strip().endswith(".")
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "b.geojson").exists()


def test_a_mask_and_its_way_back(tmp_path: Path, sample_slide: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE})
    done = coverslip(
        "annotations", "mask", "a.geojson", sample_slide, "-o", "m.ome.tif", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == "2220 x 2967"
    back = coverslip("annotations", "stats", "m.ome.tif", "--json", folder=tmp_path)
    assert json.loads(back.stdout)[0] == {
        "class": "Tumor", "count": 1, "area px2": 400.0, "perimeter px": 80.0, "length px": 0.0,
    }  # fmt: skip


def test_tiles_for_training(tmp_path: Path, sample_slide: Path) -> None:
    ring = [[[0, 0], [900, 0], [900, 900], [0, 900], [0, 0]]]
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": ring})
    arguments = ("annotations", "tiles", "a.geojson", sample_slide, "-o", "t", "--json")
    first, again = (coverslip(*arguments, folder=tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["tiles"] == 16
    assert json.loads(again.stdout)["of them there already"] == 16
    assert len(list((tmp_path / "t" / "images").iterdir())) == 16


def test_very_many_classes_are_a_table_of_the_largest(tmp_path: Path) -> None:
    rows = [f"{number},1,class {number}" for number in range(20_000)]
    (tmp_path / "many.csv").write_text("\n".join(["x,y,class", *rows, "5,5,class 19999"]))
    done = coverslip("annotations", "stats", "many.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (len(lines), lines[1].split()[:3]) == (1_001, ["class", "19999", "2"])
    assert "19,000 more, of 19,000 annotations, are not: use --json for all." in done.stderr
    told = coverslip("annotations", "stats", "many.csv", "--json", folder=tmp_path)
    assert len(json.loads(told.stdout)) == 20_000


def test_formats_are_told_by_names(tmp_path: Path) -> None:
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE})
    for name in ("a.csv", "a.coco.json", "b.geojson.gz"):
        done = coverslip("annotations", "convert", "a.geojson", name, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        told = coverslip("annotations", "stats", name, "--json", folder=tmp_path)
        assert json.loads(told.stdout)[0]["area px2"] == 400.0
    for out, words in (("a.xml", "--to"), ("a.png", "annotations mask")):
        done = coverslip("annotations", "convert", "a.geojson", out, folder=tmp_path)
        assert (done.returncode, words in done.stderr) == (2, True)
    done = coverslip("annotations", "mask", "a.geojson", "-o", "a.png", folder=tmp_path)
    assert "--size" in done.stderr


def test_nothing_for_dicom_is_exit_code_1_and_no_file(tmp_path: Path) -> None:
    import numpy as np
    import tifffile

    tifffile.imwrite(tmp_path / "s.tif", np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    _write(tmp_path / "none.geojson", None)
    arguments = ("none.geojson", "o.dcm", "--to", "dicom-ann", "--slide", "s.tif")
    done = coverslip("annotations", "convert", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert "none.geojson holds no annotations that can be used." in done.stderr
    assert not (tmp_path / "o.dcm").exists()
    _write(tmp_path / "a.geojson", {"type": "Polygon", "coordinates": _SQUARE})
    done = coverslip(
        "annotations", "convert", "a.geojson", "o.dcm", *arguments[2:], folder=tmp_path
    )
    assert done.returncode == 0
    assert "s.tif is no DICOM slide" in done.stderr
    done = coverslip("annotations", "convert", "o.dcm", "b.geojson", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["annotations"] == 1
    done = coverslip("annotations", "convert", "a.geojson", "o.dcm", "--to", "dicom-seg",
                     folder=tmp_path)  # fmt: skip
    assert (done.returncode, "--slide" in done.stderr) == (2, True)
