"""Numbers that no machine holds, wherever a file states one: a sentence, or what can be made of it.

Python makes no whole number of more than 4,300 digits, and none of an infinite one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from measured_runs import REPOSITORY
from test_zarr_bombs import write_image

from viewer.slides.natural_order import natural


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked are processes at work, however they were started: they are forked."""


NUMBERS = {
    "digits": "9" * 5000, "infinite": "1e400", "large": "1e308", "64 bits": str(1 << 63),
    "NaN": "NaN", "negative": "-1e308",
}  # fmt: skip
SLOT = '"@@"'
Make = Callable[[Path, str], list[object]]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def geojson(folder: Path, number: str) -> list[object]:
    shape = f'{{"type": "Polygon", "coordinates": [[[0, 0], [{number}, 0], [9, 9], [0, 0]]]}}'
    color = f'{{"classification": {{"name": "A", "color": [{number}, 1, 1]}}}}'
    feature = f'{{"type": "Feature", "geometry": {shape}, "properties": {color}}}'
    text = f'{{"type": "FeatureCollection", "features": [{feature}]}}'
    return ["annotations", "stats", written(folder, "a.geojson", text)]


def coco(folder: Path, number: str) -> list[object]:
    picture = {"id": 1, "file_name": "a.png", "width": "@@", "height": "@@"}
    mask = {"size": ["@@", "@@"], "counts": ["@@"]}
    drawn = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "segmentation": mask}
    told = {
        "images": [picture], "categories": [{"id": 1, "name": "x"}],
        "annotations": [drawn, drawn | {"bbox": ["@@"] * 4, "segmentation": []}],
    }  # fmt: skip
    return ["annotations", "validate", written(folder, "a.json", filled(told, number))]


def coco_of_texts(folder: Path, number: str) -> list[object]:
    return coco(folder, f'"{number}"')


def asap(folder: Path, number: str) -> list[object]:
    places = "".join(
        f'<Coordinate Order="{n}" X="{x}" Y="1"/>' for n, x in enumerate(("0", number, "9"))
    )
    text = (
        '<ASAP_Annotations><Annotations><Annotation Name="a" Type="Polygon" PartOfGroup="None" '
        f'Color="{number}"><Coordinates>{places}</Coordinates></Annotation></Annotations>'
        "</ASAP_Annotations>"
    )
    return ["annotations", "stats", written(folder, "a.xml", text)]


def imagescope(folder: Path, number: str) -> list[object]:
    text = (
        f'<Annotations MicronsPerPixel="{number}"><Annotation Id="{number}" LineColor="{number}" '
        f'Name="a"><Regions><Region Id="{number}" Type="0" Zoom="{number}"><Vertices>'
        '<Vertex X="0" Y="0"/><Vertex X="9" Y="0"/><Vertex X="9" Y="9"/></Vertices></Region>'
        "</Regions></Annotation></Annotations>"
    )
    return ["annotations", "stats", written(folder, "a.xml", text)]


def log(folder: Path, number: str) -> list[object]:
    rows = f"time,x,y,width,height\n0,0,0,9,9\n{number},{number},1,9,{number}\n5,1,1,9,9\n"
    return ["sessions", "import", written(folder, "log.csv", rows)]


def model(folder: Path, number: str) -> list[object]:
    shutil.copytree(REPOSITORY / "resources" / "models" / "nuclei", folder / "m")
    card = json.loads((folder / "m" / "model.json").read_text())
    written(folder / "m", "model.json", filled(card | {"patch_px": "@@"}, number))
    return ["models", "check", folder / "m"]


def project(folder: Path, number: str) -> list[object]:
    (folder / "p").mkdir()
    told = {"format": "coverslip project", "version": "@@", "title": "p", "slides": []}
    written(folder / "p", "project.json", filled(told, number))
    return ["projects", "list", folder / "p"]


def qupath_project(folder: Path, number: str) -> list[object]:
    builder = {"builderType": "uri", "uri": "file:/a.svs", "args": ["--series", number]}
    images = [{"entryID": 1, "imageName": "a", "serverBuilder": builder}]
    path = written(folder, "project.qpproj", json.dumps({"version": "0.5", "images": images}))
    return ["projects", "create", folder / "p", "--from", path]


def zarr_shape(folder: Path, number: str) -> list[object]:
    write_image(folder / "a.zarr", 2, 64)
    about = json.loads((folder / "a.zarr" / "0" / ".zarray").read_text())
    written(folder / "a.zarr" / "0", ".zarray", filled(about | {"shape": [3, "@@", "@@"]}, number))
    return ["info", folder / "a.zarr"]


def zarr_window(folder: Path, number: str) -> list[object]:
    write_image(folder / "a.zarr", 2, 64)
    about = json.loads((folder / "a.zarr" / ".zattrs").read_text())
    window = dict.fromkeys(("start", "end", "min", "max"), "@@")
    about["omero"] = {"channels": [{"label": "a", "color": "FF0000", "window": window}] * 3}
    written(folder / "a.zarr", ".zattrs", filled(about, number))
    return ["info", folder / "a.zarr"]


def ome_tiff(folder: Path, number: str) -> list[object]:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="I:0"><Pixels ID="P:0" DimensionOrder="XYCZT" Type="uint8" SizeX="64" '
        f'SizeY="64" SizeC="1" SizeZ="{number}" SizeT="{number}" PhysicalSizeX="{number}" '
        f'PhysicalSizeY="{number}"><Channel ID="C:0" SamplesPerPixel="1"/><TiffData/></Pixels>'
        "</Image></OME>"
    )
    return tiff(folder, "a.ome.tif", xml)


def qptiff(folder: Path, number: str) -> list[object]:
    xml = (
        '<?xml version="1.0"?><PerkinElmer-QPI-ImageDescription><ImageType>FullResolution'
        f"</ImageType><Name>DAPI</Name><Color>{number},1,1</Color></PerkinElmer-QPI-Image"
        "Description>"
    )
    return tiff(folder, "a.qptiff", xml)


def svs(folder: Path, number: str) -> list[object]:
    return tiff(folder, "a.svs", f"Aperio Image Library v11\r\n64x64|MPP={number}|AppMag={number}")


def tiff(folder: Path, name: str, description: str) -> list[object]:
    pixels = np.zeros((64, 64), np.uint8)
    options = {"description": description, "metadata": None, "tile": (16, 16)}
    tifffile.imwrite(folder / name, pixels, software="PerkinElmer-QPI", **options)
    return ["info", folder / name]


def filled(told: object, number: str) -> str:
    return json.dumps(told).replace(SLOT, number)


MAKERS: list[Make] = [
    asap, coco, coco_of_texts, geojson, imagescope, log, model, ome_tiff, project, qptiff,
    qupath_project, svs,
]  # fmt: skip


CASES = [(make, name) for make in MAKERS for name in NUMBERS]
CASES += [(make, name) for make in (zarr_shape, zarr_window) for name in ("digits", "64 bits")]
"""Of Zarr, whose reader takes two seconds to start, fewer."""


@pytest.mark.parametrize(("make", "name"), CASES)
def test_a_number_that_no_machine_holds_is_a_sentence_at_most(
    make: Make, name: str, tmp_path: Path
) -> None:
    number = NUMBERS[name]
    done = coverslip(*make(tmp_path, number))
    assert "Traceback" not in done.stderr
    assert "set_int_max_str_digits" not in done.stdout + done.stderr
    assert done.returncode in (0, 1, 2)
    if done.returncode == 2:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert len(done.stderr) < 1000, "the number itself is cut short"


def test_names_of_thousands_of_digits_have_an_order() -> None:
    names = ["a10", "a2", "a" + "9" * 5000, "a" + "8" * 5000]
    assert sorted(names, key=natural) == ["a2", "a10", names[3], names[2]]


TRUE = {
    "ring.geojson": '{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [true, 9], '
    "[0, 0]]]}",
    "places.geojson": '{"type": "MultiPoint", "coordinates": [[3, 4], [true, 0], [5, 6]]}',
    "place.geojson": '{"type": "Point", "coordinates": [true, 4]}',
}


@pytest.mark.parametrize("name", TRUE)
def test_true_is_no_coordinate(name: str, tmp_path: Path) -> None:
    feature = f'{{"type": "Feature", "geometry": {TRUE[name]}, "properties": {{}}}}'
    done = coverslip("annotations", "validate", written(tmp_path, name, feature))
    assert '"true" is no number' in done.stdout + done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("number", ["1e300", "-1e300", "1e-300", "0"])
def test_what_is_imported_of_a_table_can_be_read(number: str, tmp_path: Path) -> None:
    """A log of ours with such a scale or place is damaged."""
    names = "time,x,y,width,height,downsample,magnification,rotation,cursor_x,cursor_y"
    rows = "".join(f"{n},{n},0,9,9" + f",{number}" * 5 + "\n" for n in range(3))
    done = coverslip("sessions", "import", written(tmp_path, "log.csv", f"{names}\n{rows}"))
    assert done.returncode == 0, done.stderr
    shown = coverslip("sessions", "show", done.stdout.split()[0])
    assert shown.returncode == 0, shown.stderr
    assert "Traceback" not in shown.stderr


def test_true_is_no_number_of_a_log(tmp_path: Path) -> None:
    rows = [{"time": n, "x": n, "y": 1, "width": 9, "height": 9} for n in range(5)]
    rows[2] |= {"x": True}
    rows[3] |= {"time": True}
    log = written(tmp_path, "log.jsonl", "\n".join(map(json.dumps, rows)))
    done = coverslip("sessions", "import", log)
    assert done.returncode == 0
    assert '2 rows were left out, the first: row 4: "true" is no number' in done.stderr
