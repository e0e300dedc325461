"""Projects of QuPath: moved, of another system, in part elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_steps import invoke
from health_checks import ALL_CHECKS
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from viewer.annotations.storage.slide_file import kept_annotations
from viewer.studies.finding import identity_of
from viewer.studies.project_file import read_project
from viewer.studies.qupath_project import QuPathProjectError, read_qupath_project

if TYPE_CHECKING:
    from pathlib import Path

SQUARE = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]},
    "properties": {"objectType": "annotation", "classification": {"name": "Tumor"}},
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def image(uri: str, name: str = "a", **members: Any) -> dict[str, Any]:
    builder = {"builderType": "uri", "uri": uri, "args": members.pop("args", [])}
    return {"serverBuilder": builder, "entryID": 1, "imageName": name} | members


def write(folder: Path, *images: dict[str, Any], uri: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "project.qpproj"
    told = {"version": "0.6.0", "uri": uri or path.as_uri(), "images": list(images)}
    path.write_text(json.dumps(told))
    return path


def slide(path: Path, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), (shade, 40, 90)).save(path)
    return path


def test_addresses_of_another_machine_are_seen_from_the_project(tmp_path: Path) -> None:
    there = slide(tmp_path / "data" / "şu bat.png")
    project = write(
        tmp_path / "study (read)" / "p",
        image("file:/D:/Old%20Place/data/%C5%9Fu%20bat.png"),
        image("file:/E:/Old%20Place/data/%C5%9Fu%20bat.png"),
        image(there.as_uri()),
        uri="file:/d:/Old%20Place/x/p/project.qpproj",
    )
    moved, other_drive, as_it_is = read_qupath_project(project).images
    assert moved.path == as_it_is.path == there
    assert other_drive.path is None
    (found, *_) = read_qupath_project(project, [there.parent]).images[1:]
    assert found.path == there


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (image("https://omero.example.org/webclient/?show=image-77"), "another server"),
        (image("omero:77"), "another server"),
        (image("file:/nowhere/a.svs"), "a.svs is not found"),
        (image("file:/nowhere/a.svs", args=["--series", "2"]), "image 3 within its file"),
        ({"serverBuilder": {"builderType": "rotated"}, "imageName": "a"}, "rotated"),
        ({"imageName": "a"}, "QuPath changes it"),
        (3, "QuPath changes it"),
    ],
)
def test_what_is_left_out_has_its_reason(tmp_path: Path, told: Any, reason: str) -> None:
    (found,) = read_qupath_project(write(tmp_path / "p", told)).images
    assert found.path is None
    assert reason in found.reason


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 3}'])
def test_what_is_no_project_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "project.qpproj"
    path.write_text(text)
    with pytest.raises(QuPathProjectError, match=r"project\.qpproj is"):
        read_qupath_project(path)


def test_a_project_is_made_with_names_notes_classes_and_annotations(tmp_path: Path) -> None:
    first, second = slide(tmp_path / "p" / "a.png"), slide(tmp_path / "p" / "b.png", 30)
    project = write(
        tmp_path / "p",
        image(first.as_uri(), "Case 1", description="Look", metadata={"Stain": "H&E"}),
        image(second.as_uri(), "Case 2"),
        image("omero:1", "Case 3"),
    )
    (tmp_path / "p" / "Case 1.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [SQUARE, {"type": "Feature"}]})
    )
    classes = tmp_path / "p" / "classifiers" / "classes.json"
    classes.parent.mkdir()
    classes.write_text('{"pathClasses": [{"name": "Ignore*", "color": -4934476}]}')
    (tmp_path / "p" / "data" / "1").mkdir(parents=True)
    (tmp_path / "p" / "data" / "1" / "data.qpdata").write_bytes(b"java")
    out = tmp_path / "out"
    done = invoke(["projects", "create", str(out), "--from", str(project)])
    assert done.exit_code == 0, done.output
    assert "Case 3 was left out: it lies on another server (omero)" in done.stderr
    assert "The objects of 1 image are in QuPath's own data.qpdata" in done.stderr
    assert "it has no geometry" in done.stderr
    made = read_project(out)
    assert [each.name for each in made.slides] == ["Case 1", "Case 2"]
    assert made.slides[0].note == "Look\nStain: H&E"
    assert [(each.name, each.color) for each in made.palette] == [("Ignore*", "#b4b4b4")]
    (drawn,) = kept_annotations(identity_of(first), first)
    assert drawn.class_name == "Tumor"


def test_metadata_tell_case_block_and_stain(tmp_path: Path) -> None:
    first, second = slide(tmp_path / "S23-1 A1 HE.png", 80), slide(tmp_path / "S23-1 A1 b.png", 90)
    told = {"Case ID": "H-77", "stain": "Ki-67", "Block": "B2"}
    project = write(
        tmp_path / "p",
        image(first.as_uri(), "S23-1 A1 HE.png"),
        image(second.as_uri(), "S23-1 A1 b.png", metadata=told),
    )
    done = invoke(["projects", "create", str(tmp_path / "ours"), "--from", str(project)])
    assert done.exit_code == 0, done.output
    listed = invoke(["projects", "list", str(tmp_path / "ours"), "--json"])
    places = [(s["case"], s["block"], s["stain"]) for s in json.loads(listed.stdout)["slides"]]
    assert places == [("S23-1", "A1", "HE"), ("H-77", "B2", "Ki-67")]


def test_a_project_of_which_nothing_opens_makes_none(tmp_path: Path) -> None:
    project = write(tmp_path / "p", image("omero:1"))
    out = tmp_path / "out"
    done = invoke(["projects", "create", str(out), "--from", str(project)])
    assert done.exit_code == 1
    assert not (out / "project.json").exists()


few = settings(max_examples=40, deadline=None, suppress_health_check=ALL_CHECKS)
JUNK = some.one_of(
    some.none(), some.booleans(), some.integers(), some.text(max_size=5), some.just({}),
    some.lists(some.integers(), max_size=2),
)  # fmt: skip
BESIDE = (
    "imageName",
    "metadata",
    "tags",
    "description",
    "entryID",
    "randomizedName",
    "builderType",
)


@few
@given(
    which=some.integers(0, 2), member=some.sampled_from(BESIDE), junk=JUNK, is_gone=some.booleans()
)
def test_no_member_beside_the_address_costs_an_image(
    tmp_path: Path, which: int, member: str, junk: Any, is_gone: bool
) -> None:
    there = slide(tmp_path / "a.png")
    images = [image(there.as_uri(), metadata={"a": "b"}, tags=["t"]) for _ in range(3)]
    holder = images[which]["serverBuilder"] if member == "builderType" else images[which]
    if is_gone:
        holder.pop(member, None)
    elif member != "builderType":
        holder[member] = junk
    found = read_qupath_project(write(tmp_path / "p", *images)).images
    assert [each.path for each in found] == [there] * 3


@few
@given(length=some.integers(1, 700))
def test_images_before_a_torn_end_are_kept(tmp_path: Path, length: int) -> None:
    there = slide(tmp_path / "a.png")
    project = write(tmp_path / "p", *(image(there.as_uri()) for _ in range(3)))
    whole_text = project.read_text()
    text = whole_text[: min(length, len(whole_text) - 1)]
    project.write_text(text)
    whole = text.count('"imageName": "a"}')
    try:
        found = read_qupath_project(project).images
    except QuPathProjectError:
        assert whole == 0
    else:
        assert [each.path for each in found][:whole] == [there] * whole
        assert "cut short" in found[-1].reason


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_projects_of_other_encodings_and_with_bare_nan(tmp_path: Path, encoding: str) -> None:
    there = slide(tmp_path / "a.png")
    project = write(tmp_path / "p", image(there.as_uri()))
    text = project.read_text().replace('"entryID": 1', '"entryID": NaN')
    project.write_bytes(text.encode(encoding))
    assert [each.path for each in read_qupath_project(project).images] == [there]
