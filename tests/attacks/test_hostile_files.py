"""Small hostile files of many kinds: none reads, writes or runs anything, none costs the others.

The torn files are made with a fixed seed.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_steps import coverslip
from measured_runs import REPOSITORY
from private_text import PRIVATE, secret

from viewer.annotations.formats.asap import read_asap
from viewer.annotations.formats.lxml_elements import XmlElement, element_in, element_left_in
from viewer.annotations.formats.problems import Problem
from viewer.geometry import Size
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_archive import unpack
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file

__all__ = ["secret"]

SQUARE = '{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}'
SLIDE = Size(1000, 1000)
NUCLEI = REPOSITORY / "resources" / "models" / "nuclei"
STEERING = ("\x1b", "\x07", "\u202e")


def geojson(path: Path, properties: str, geometry: str = SQUARE) -> Path:
    feature = f'{{"type": "Feature", "geometry": {geometry}, "properties": {properties}}}'
    path.write_text(f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    return path


@pytest.mark.parametrize(
    "properties",
    [
        f'{{"measurements": {{"a": {"9" * 5000}}}}}',
        '{"classification": {"name": "\\ud800Tumor"}}',
        f'{{"a": {"[" * 500}{"]" * 500}}}',
        '{"measurements": {"a": 1e999, "b": NaN}}',
        '{"classification": {"name": "T", "colorRGB": 1000000000000000000000000000000}}',
    ],
    ids=["digits", "half a pair", "deep", "infinite", "color"],
)
def test_one_bad_attribute_of_geojson_never_costs_the_object(
    properties: str, tmp_path: Path
) -> None:
    done = coverslip("annotations", "stats", geojson(tmp_path / "a.geojson", properties), "--json")
    assert done.returncode == 0, done.stderr
    assert "81" in done.stdout
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"type": "FeatureCollection", "features": [' + '{"a":' * 200_000,
        '{"type": "GeometryCollection", "geometries": [' * 5_000,
    ],
    ids=["lists", "objects", "geometries"],
)
def test_depth_without_end_is_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.geojson"
    path.write_text(text)
    done = coverslip("annotations", "stats", path)
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def asap(head: str, name: str, before: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{head}<ASAP_Annotations><Annotations>{before}'
        f'<Annotation Name="{name}" Type="Polygon" PartOfGroup="T" Color="#F4FA58"><Coordinates>'
        '<Coordinate Order="0" X="1" Y="1"/><Coordinate Order="1" X="9" Y="1"/>'
        '<Coordinate Order="2" X="9" Y="9"/></Coordinates></Annotation></Annotations>'
        "</ASAP_Annotations>"
    )


def test_groups_in_one_another_without_end_name_a_class_by_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "chain.xml"
    groups = "".join(
        f'<Group Name="{number}" PartOfGroup="{number + 1}"/>' for number in range(100_000)
    )
    text = asap("", "x").replace('PartOfGroup="T"', 'PartOfGroup="0"')
    end = "</ASAP_Annotations>"
    path.write_text(text.replace(end, f"<AnnotationGroups>{groups}</AnnotationGroups>{end}"))
    problems: list[Problem] = []
    (read,) = read_asap(path, problems)
    assert [str(each) for each in problems] == [
        "repaired number 1: its class is named by the nearest 50 of its groups in one another"
    ]
    assert read.class_name.split(": ") == [str(number) for number in reversed(range(50))]


LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{inner};" * 10}">'
    for inner, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("head", "name", "before"),
    [
        (f'<!DOCTYPE l [<!ENTITY a "{"ha" * 100}">{LAUGHS}]>', "&j;", ""),
        ('<!DOCTYPE l [<!ENTITY e SYSTEM "file://{secret}">]>', "x", "<Extra>&e;</Extra>"),
        ('<!DOCTYPE l [<!ENTITY % p SYSTEM "file://{secret}"> %p;]>', "x", ""),
        ("", "x", '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret}"/>'),
    ],
    ids=["laughs", "external", "parameter", "include"],
)
def test_entities_of_xml_are_neither_multiplied_nor_fetched(
    head: str, name: str, before: str, secret: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "a.xml", tmp_path / "out.geojson"
    path.write_text(asap(head, name, before).replace("{secret}", str(secret)))
    done = coverslip("annotations", "convert", path, out)
    assert "Traceback" not in done.stderr
    written = out.read_text() if out.exists() else ""
    assert PRIVATE not in written + done.stdout + done.stderr
    assert len(written) < 20_000


@pytest.mark.parametrize("parse", [element_in, element_left_in])
def test_a_parsed_xml_holds_nothing_that_an_entity_names(
    parse: Callable[[bytes, str | None], XmlElement | None], secret: Path, tmp_path: Path
) -> None:
    """What no format of annotations would tell, either."""
    definitions = tmp_path / "definitions.dtd"
    definitions.write_text(f'<!ENTITY e "{PRIVATE}">')
    for declared in (
        f'<!ENTITY e SYSTEM "file://{secret}">',
        f'<!ENTITY % p SYSTEM "file://{definitions}"> %p;',
        f'<!ENTITY e "{PRIVATE}">',
    ):
        root = parse(f"<!DOCTYPE a [{declared}]><a>x<b>&e;</b></a>".encode(), None)
        assert root is not None
        texts = [str(each.text) for each in root.iter()]
        assert "x" in texts[0]
        assert PRIVATE not in "".join(texts)


def zip_of(path: Path, members: list[tuple[str, bytes, int]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode in members:
            about = zipfile.ZipInfo(name)
            about.external_attr = mode << 16
            archive.writestr(about, data)
    return path


LINK, FILE = 0o120777, 0o100644
CARD = (NUCLEI / "model.json").read_bytes()


@pytest.mark.parametrize(
    "evil",
    [
        ("../evil", b"x", FILE),
        ("{away}/evil", b"x", FILE),
        ("..\\evil", b"x", FILE),
        ("inner/../../evil", b"x", FILE),
        ("link", b"{away}", LINK),
    ],
    ids=["above", "absolute", "backslash", "within", "link"],
)
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_zip_writes_nothing_outside_of_its_folder(
    evil: tuple[str, bytes, int], is_ours: bool, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    name, data, mode = evil
    odd = (name.replace("{away}", str(away)), data.replace(b"{away}", bytes(away)), mode)
    ours = [("model.json", CARD, FILE), ("weights.safetensors", b"w", FILE)]
    packed = zip_of(tmp_path / "m.zip", [*(ours if is_ours else [("a.txt", b"a", FILE)]), odd])
    inside = tmp_path / "unpacked"
    inside.mkdir()
    if is_ours:
        folder = unpack(packed, inside)
        assert {each.name for each in folder.iterdir()} == {"model.json", "weights.safetensors"}
    else:
        with pytest.raises(BundleError, match="lies outside of it"):
            unpack(packed, inside)
    assert list(away.iterdir()) == []
    assert {each.name for each in tmp_path.iterdir()} == {"away", "m.zip", "unpacked"}
    assert not any(each.is_symlink() for each in inside.rglob("*"))


def test_a_zip_unpacks_no_programs_and_no_files_without_number(tmp_path: Path) -> None:
    files = [(f"m/{name}", b"x", FILE) for name in ("a.pt", "a.py", "A.PYC", "b/c.ipynb")]
    folder = unpack(zip_of(tmp_path / "programs.zip", files), tmp_path)
    assert [each.name for each in folder.rglob("*") if each.is_file()] == ["a.pt"]
    many = zip_of(tmp_path / "many.zip", [(f"{n}.txt", b"", FILE) for n in range(2001)])
    with pytest.raises(BundleError, match="holds 2,001 files"):
        unpack(many, tmp_path)
    assert list((tmp_path / "many").iterdir()) == []


def test_weights_that_are_a_link_are_not_followed(secret: Path, tmp_path: Path) -> None:
    """The text of the link is what the zip holds, not what lies at its end."""
    members = [("model.json", CARD, FILE), ("weights.safetensors", bytes(secret), LINK)]
    (tmp_path / "unpacked").mkdir()
    folder = unpack(zip_of(tmp_path / "m.zip", members), tmp_path / "unpacked")
    weights = folder / "weights.safetensors"
    assert not weights.is_symlink()
    assert PRIVATE.encode() not in weights.read_bytes()


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def tensors(shape: list[int], end: int) -> bytes:
    about = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}
    return header(json.dumps(about).encode())


@pytest.mark.parametrize(
    "weights",
    [
        struct.pack("<Q", 1 << 63) + b"{}",
        struct.pack("<Q", 10**8) + b"{}",
        tensors([1 << 31, 1 << 31], 1 << 62),
        tensors([0, 1 << 60], 0),
        tensors([1], 400),
        header(b'{"a":' * 50_000),
        pickle.dumps([1, 2, 3]),
    ],
    ids=["long", "short", "overflow", "empty", "beyond", "deep", "pickle"],
)
def test_headers_of_safetensors_that_lie_are_refused(weights: bytes, tmp_path: Path) -> None:
    import torch

    from viewer.inference.process.loading import load_module

    card = json.loads(CARD) | {"sha256": hashlib.sha256(weights).hexdigest()}
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "weights.safetensors").write_bytes(weights)
    with pytest.raises(BundleError, match="do not fit nuclei-unet"):
        load_module(load_bundle(tmp_path), torch.device("cpu"))


def external_links(file: h5py.File, other: Path) -> None:
    for name in ("coords", "attention_scores"):
        file[name] = h5py.ExternalLink(str(other), name)


def virtual_sets(file: h5py.File, other: Path) -> None:
    for name, columns, kind in (("coords", 2, "i8"), ("attention_scores", 1, "f8")):
        layout = h5py.VirtualLayout((3, columns), kind)
        layout[:] = h5py.VirtualSource(str(other), name, (3, columns))
        file.create_virtual_dataset(name, layout)


def external_bytes(file: h5py.File, other: Path) -> None:
    file.create_dataset("coords", (3, 2), "i8", external=[(str(other), 0, 48)])
    file["attention_scores"] = np.zeros((3, 1))


def ring_of_links(file: h5py.File, other: Path) -> None:
    file["coords"] = h5py.SoftLink("/attention_scores")
    file["attention_scores"] = h5py.SoftLink("/coords")


@pytest.mark.parametrize("make", [external_links, virtual_sets, external_bytes, ring_of_links])
def test_hdf5_reads_no_other_file(make: Callable[[h5py.File, Path], None], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["coords"], other["attention_scores"] = np.zeros((3, 2), int), np.ones((3, 1))
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        make(file, tmp_path / "other.h5")
    with pytest.raises(ResultFileError):
        read_result_file(tmp_path / "scores.h5", SLIDE, 0.5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["parquet", "h5"])
def test_a_torn_table_is_refused_or_read(kind: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"x": [1.0, 2.0], "y": [1.0, 2.0], "score": [0.1, 0.2]}), path)
    else:
        with h5py.File(path, "w") as file:
            file["coords"], file["attention_scores"] = np.zeros((3, 2), int), np.ones((3, 1))
    data, numbers = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in numbers.integers(4, len(data) - 4, 12):
        data[place] = numbers.integers(256)
    path.write_bytes(data)
    try:
        read_result_file(path, SLIDE, 0.5)
    except ResultFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is good, nothing else


def zarr_image(folder: Path, change: dict[str, object], data: bytes = bytes(3 * 64 * 64)) -> Path:
    inner = folder / "0"
    inner.mkdir(parents=True)
    axes = [{"name": "c", "type": "channel"}, {"name": "y"}, {"name": "x"}]
    scale = {"type": "scale", "scale": [1, 1, 1]}
    levels = [{"path": change.pop("path", "0"), "coordinateTransformations": [scale]}]
    shown = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}]}
    about = {
        "zarr_format": 2, "shape": [3, 64, 64], "chunks": [3, 64, 64], "dtype": "|u1",
        "compressor": None, "fill_value": 0, "order": "C", "filters": None,
    }  # fmt: skip
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(shown))
    (inner / ".zarray").write_text(json.dumps(about | change))
    (inner / "0.0.0").write_bytes(data)
    return folder


class Runs:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._path,)


def test_a_zarr_unpickles_nothing_and_names_nothing_elsewhere(tmp_path: Path) -> None:
    trace = tmp_path / "was-run"
    pickled = {"dtype": "|O", "filters": [{"id": "pickle"}]}
    for name, change in {
        "pickle": pickled,
        "above": {"path": "../../etc"},
        "huge": {"shape": [3, 1 << 62, 1 << 62]},
        "chunk": {"chunks": [3, 1 << 40, 1 << 40]},
        "negative": {"shape": [3, -5, 64]},
    }.items():
        slide = zarr_image(tmp_path / f"{name}.zarr", dict(change), pickle.dumps(Runs(trace)))
        done = coverslip("shot", slide, "-o", tmp_path / "out.png")
        assert done.returncode == 2, name
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not trace.exists()
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("name", ["a\x1b[31mred\x07\u202egnp.svs", "a\nerror: all is well.svs"])
def test_names_of_files_steer_no_terminal(name: str, sample_slide: Path, tmp_path: Path) -> None:
    missing = coverslip("info", tmp_path / name)
    assert missing.returncode == 2
    assert len(missing.stderr.strip().splitlines()) == 1
    shutil.copy(sample_slide, tmp_path / name)
    found = coverslip("info", tmp_path / name)
    assert found.returncode == 0
    for said in (missing.stderr, found.stdout):
        assert not any(sign in said for sign in STEERING)
    (tmp_path / name).write_bytes(b"II*\0 and no slide")
    damaged = coverslip("info", tmp_path / name)
    assert damaged.returncode == 2
    assert len(damaged.stderr.strip().splitlines()) == 1
    assert not any(sign in damaged.stderr for sign in STEERING)


def test_names_of_classes_steer_no_terminal(tmp_path: Path) -> None:
    named = json.dumps({"classification": {"name": "\x1b[31mred\x07\u202eabc"}})
    done = coverslip("annotations", "stats", geojson(tmp_path / "a.geojson", named))
    assert "red" in done.stdout
    assert not any(sign in done.stdout + done.stderr for sign in STEERING)
