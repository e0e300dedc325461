"""What commands write is whole, or what was there before is untouched, and that is said."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import imagecodecs
import pytest
import tifffile
from forked_programs import forked_coverslip
from PIL import Image

SQUARE = {
    "type": "Feature",
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[0, 0], [1000, 0], [1000, 1000], [0, 1000], [0, 0]]],
    },
    "properties": {"objectType": "annotation", "name": "x" * 5000},
}


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.png"
    Image.effect_noise((600, 500), 80).convert("RGB").save(path)
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [SQUARE]}))
    return path


@pytest.mark.parametrize("suffix", ["tiff", "png", "jpg"])
def test_a_shot_on_a_full_disk_leaves_the_old_picture(
    slide: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"good.{suffix}"
    Image.new("RGB", (8, 8), "red").save(out)
    before = out.read_bytes()
    done = forked_coverslip("shot", slide, "-o", out, "--size", "600x500", limit=4096)
    assert done.returncode == 2
    assert f"good.{suffix} cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, "slide.png"])


@pytest.mark.parametrize("name", ["a.geojson", "a.xml", "a.csv", "a.coco.json", "a.geojson.zip"])
def test_a_conversion_on_a_full_disk_leaves_the_old_file(
    drawn: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    out.write_text("old")
    to = ("--to", "asap") if name.endswith(".xml") else ()
    done = forked_coverslip("annotations", "convert", drawn, out, *to, limit=20)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "drawn.geojson"])


@pytest.mark.parametrize("name", ["mask.png", "mask.ome.tif"])
def test_a_mask_on_a_full_disk_leaves_the_old_mask_and_its_legend(
    drawn: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    assert (
        forked_coverslip("annotations", "mask", drawn, "--size", "900x900", "-o", out).returncode
        == 0
    )
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = forked_coverslip(
        "annotations", "mask", drawn, "--size", "5000x5000", "-o", out, limit=1000
    )
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_shot_to_a_device_or_link_leaves_what_it_is(slide: Path, tmp_path: Path) -> None:
    assert forked_coverslip("shot", slide, "-o", "/dev/null", "--size", "60x50").returncode == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert forked_coverslip("shot", slide, "-o", "/dev/full", "--size", "60x50").returncode == 2
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    link.symlink_to(target.name)
    assert forked_coverslip("shot", slide, "-o", link, "--size", "60x50").returncode == 0
    assert link.is_symlink()
    assert Image.open(target).size == (60, 50)


def test_an_empty_name_is_that_of_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path))
    folder = tmp_path / "sessions"
    log = tmp_path / "view.tsv"
    log.write_text(
        "Timestamp\tX\tY\tWidth\tHeight\tCanvas width\tCanvas height\tDownsample factor\tRotation\n"
        "0\t0\t0\t800\t600\t800\t600\t1.0\t0.0\n1500\t200\t0\t800\t600\t800\t600\t1.0\t0.0\n"
    )
    made = forked_coverslip("sessions", "import", log, "--json")
    assert made.returncode == 0, made.stderr
    found = list(tmp_path.rglob("session.json"))
    assert len(found) == 1, sorted(folder.rglob("*"))
    monkeypatch.chdir(found[0].parent)
    for name in ("", " "):
        done = forked_coverslip("sessions", "delete", name, "--yes")
        assert done.returncode == 2
        assert done.stderr == "The name of a session is empty: give its id.\n"
    assert found[0].is_file()


@pytest.mark.parametrize("name", ["mask.png", "mask.ome.tif"])
def test_the_values_of_a_mask_are_counted_in_what_was_written(tmp_path: Path, name: str) -> None:
    def box(x0: float, side: float) -> dict[str, object]:
        x1 = x0 + side
        ring = [[x0, x0], [x1, x0], [x1, x1], [x0, x1], [x0, x0]]
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": "annotation"},
        }

    drawn, out = tmp_path / "drawn.geojson", tmp_path / name
    # One is hidden by an equal one, one is outside, one is smaller than a pixel.
    features = [box(10, 20), box(50, 20), box(50, 20), box(500, 20), box(80.6, 0.3)]
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    done = forked_coverslip(
        "annotations", "mask", drawn, "--size", "100x100", "--instances", "-o", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    pixels = imagecodecs.imread(out) if name.endswith("png") else tifffile.imread(out)
    assert record["values"] == len(set(pixels.ravel().tolist()) - {0}) == 2
    assert record["lost"] == 3
    assert done.stderr.count("no pixel shows it") == 3
    legend = json.loads((tmp_path / f"{name}.legend.json").read_text())
    assert legend["label_count"] == len(legend["labels"]) == 2
    again = forked_coverslip("annotations", "validate", out, "--json")
    assert json.loads(again.stdout)["annotations"] == 2
