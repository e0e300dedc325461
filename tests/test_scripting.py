"""The face for scripts: `import coverslip` in a fresh interpreter, and the examples as written."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import openslide
import pytest
import shapely
import tifffile
from cli_steps import coverslip as run_command

import coverslip

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run_example(name: str, *arguments: str | Path | int) -> str:
    """Run an example as it is written, and return what it prints."""
    script, said = str(EXAMPLES / name), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [script, *map(str, arguments)]),
        contextlib.redirect_stdout(said),
    ):
        runpy.run_path(script, run_name="__main__")
    return said.getvalue()


def test_importing_the_face_loads_neither_qt_nor_torch() -> None:
    code = "import coverslip, sys; print([m for m in ('torch', 'PySide6') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_tiles_and_regions_are_those_of_the_slide(sample_slide: Path) -> None:
    with (
        coverslip.open_slide(str(sample_slide)) as slide,
        openslide.OpenSlide(sample_slide) as truth,
    ):
        base = slide.levels[0]
        assert (base.width_px, base.height_px) == truth.dimensions
        last = slide.read_tile(0, base.columns - 1, base.rows - 1)
        x, y = (base.columns - 1) * base.tile_width_px, (base.rows - 1) * base.tile_height_px
        assert last.shape == (base.height_px - y, base.width_px - x, 3)
        assert last.dtype == np.uint8
        want = np.asarray(truth.read_region((x, y), 0, last.shape[1::-1]).convert("RGB"))
        assert np.abs(last.astype(int) - want).max() <= 2
        mpp_x_um, _ = slide.info.optics.mpp_um or (0, 0)
        half = coverslip.read_region(slide, (100, 200, 500, 400), mpp_um=2 * mpp_x_um)
        assert half.shape == (100, 200, 3)
        with pytest.raises(coverslip.CoverslipError, match="level 99"):
            slide.read_tile(99, 0, 0)
        with pytest.raises(coverslip.CoverslipError, match="tile"):
            slide.read_tile(0, -1, 0)
        with pytest.raises(coverslip.CoverslipError, match="empty"):
            coverslip.read_region(slide, (5, 5, 5, 5))


def test_a_missing_slide_is_a_coverslip_error(tmp_path: Path) -> None:
    with pytest.raises(coverslip.CoverslipError):
        coverslip.open_slide(tmp_path / "gone.svs")


def test_overview(tmp_path: Path, sample_slide: Path) -> None:
    out = tmp_path / "overview.png"
    assert "2220 x 2967" in run_example("overview.py", sample_slide, out)
    assert out.stat().st_size > 1000


def test_annotations(tmp_path: Path) -> None:
    drawn = [coverslip.Annotation(shapely.box(10, 20, 30, 50))]
    coverslip.write_annotations(tmp_path / "drawn.geojson", drawn)
    assert "No class: 1" in run_example(
        "annotations_to_coco.py", tmp_path / "drawn.geojson", tmp_path / "drawn.coco.json"
    )
    record = json.loads((tmp_path / "drawn.coco.json").read_text())
    assert record["annotations"][0]["area"] == pytest.approx(600)
    with pytest.raises(coverslip.CoverslipError, match="format"):
        coverslip.write_annotations(tmp_path / "drawn.xml", drawn)


@pytest.mark.usefixtures("quick_nuclei")
def test_nuclei(sample_slide: Path) -> None:
    assert "/mm²" in run_example("count_nuclei.py", sample_slide, 800, 1600, 1100, 1900)


def test_behaviors(tmp_path: Path, sample_slide: Path) -> None:
    simulated = run_command(
        "sessions", "simulate", sample_slide, "--policy", "random", "-o", tmp_path
    )
    assert simulated.returncode == 0, simulated.stderr
    (session,) = coverslip.load_sessions(tmp_path)
    shown = run_example("list_behaviors.py", tmp_path)
    assert session.id in shown
    assert len(coverslip.behaviors(session)) == len(shown.splitlines()) - 1 > 0
    assert "inspect" in shown or "peek" in shown


@pytest.mark.usefixtures("quick_nuclei")
def test_agent(tmp_path: Path, sample_slide: Path) -> None:
    with coverslip.open_slide(sample_slide) as slide:
        field = coverslip.read_region(slide, (800, 1600, 1312, 2112))
    small = tmp_path / "field.tif"
    per_cm = (1e4 / 0.499, 1e4 / 0.499)
    tifffile.imwrite(small, field, tile=(256, 256), resolution=per_cm, resolutionunit="CENTIMETER")
    assert "The session is in" in run_example("local_agent.py", small, tmp_path / "out")
    assert coverslip.load_sessions(tmp_path / "out")
