"""The command line as a user runs it: its own process, its exit codes, its sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import forked_programs
import numpy as np
import openslide
import pytest
from cli_steps import coverslip
from PIL import Image

from viewer.slides.slide_key import slide_key

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parent.parent


def app_py(
    *arguments: str | Path,
    folder: Path,
    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run,
) -> subprocess.CompletedProcess[str]:
    """Runs app.py where there is no display."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    return run(
        [sys.executable, str(REPOSITORY / "app.py"), *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_version(tmp_path: Path) -> None:
    told = app_py("--version", folder=tmp_path)
    assert told.returncode == 0
    assert told.stdout.startswith("Coverslip ")


def test_info_as_json(tmp_path: Path, sample_slide: Path) -> None:
    told = app_py("info", sample_slide, "--json", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    about = json.loads(told.stdout)
    assert (about["width_px"], about["height_px"]) == (2220, 2967)
    assert about["objective_power"] == 20.0
    assert about["mpp_um"] == pytest.approx([0.499, 0.499])
    assert about["identity"] == slide_key(sample_slide)


@pytest.mark.parametrize("arguments", [["info"], ["shot", "-o", "x.png"]])
@pytest.mark.parametrize("kind", ["missing", "folder", "text"])
def test_bad_input_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], kind: str
) -> None:
    path = tmp_path / f"{kind}.svs"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is no slide\n")
    told = coverslip(arguments[0], path, *arguments[1:], folder=tmp_path)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--size", "large"),
        ("--size", "0x5"),
        ("--center", "middle"),
        ("--center", "nan,5"),
        ("--center", "inf,5"),
        ("--mag", "20 --downsample"),
    ],
)
def test_options_that_make_no_sense(
    tmp_path: Path, sample_slide: Path, option: str, value: str
) -> None:
    told = coverslip("shot", sample_slide, "-o", "x.png", option, value, folder=tmp_path)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("size", "name", "said"),
    [
        ("99999x99999", "x.png", "2,000,000,000 px can be written at most, and the figure has 99"),
        ("50000x50000", "x.pdf", "2,000,000,000 px can be written at most, and the figure has 50"),
        ("100001x5", "x.tif", ".tif takes 100,000 px a side at most, and the figure has 100,001 ×"),
        ("16385x5", "x.jpg", ".jpg takes 16,384 px a side at most, and the figure has 16,385 × 5:"),
        ("5x0.5", "x.png", "--size takes a width and a height from 1 pixel on"),
    ],
)
def test_a_picture_that_is_too_large_is_refused_at_once(
    tmp_path: Path, sample_slide: Path, size: str, name: str, said: str
) -> None:
    told = coverslip("shot", sample_slide, "-o", name, "--size", size, folder=tmp_path)
    assert told.returncode == 2
    assert said in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert not [*tmp_path.glob("*")]


@pytest.mark.parametrize(
    ("center", "turn"), [("1e9,5", "0"), ("-700,100", "0"), ("100,1e300", "0"), ("-340,-340", "45")]
)
def test_a_place_off_the_slide_is_refused(
    tmp_path: Path, sample_slide: Path, center: str, turn: str
) -> None:
    size = ["--mag", "20", "--size", "600x400", "--rotate", turn]
    asked = [f"--center={center}", *size, "-o", "x.png"]
    told = app_py("shot", sample_slide, *asked, folder=tmp_path, run=forked_programs.run)
    assert told.returncode == 2
    assert len(told.stderr.strip().splitlines()) == 1, told.stderr
    assert "lies outside the slide, which is 2,220 x 2,967 px" in told.stderr
    assert not (tmp_path / "x.png").exists()


def test_a_shot_is_the_slide_to_the_pixel(tmp_path: Path, sample_slide: Path) -> None:
    asked = ["--center", "1000,1500", "--mag", "20", "--size", "600x400", "-o", "shot.png"]
    told = app_py("shot", sample_slide, *asked, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    with openslide.OpenSlide(sample_slide) as slide:
        expected = slide.read_region((700, 1300), 0, (600, 400)).convert("RGB")
    shown = Image.open(tmp_path / "shot.png").convert("RGB")
    assert np.array_equal(np.asarray(shown), np.asarray(expected))


def test_magnification_of_a_slide_without_scale_is_refused(
    tmp_path: Path, shared_slide: object
) -> None:
    assert callable(shared_slide)
    slide = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    told = coverslip("shot", slide, "--mag", "20", "-o", "x.png", folder=tmp_path)
    assert told.returncode == 2
    assert "--downsample" in told.stderr
    assert "--slide-mpp" in told.stderr


def test_a_picture_is_taken_at_the_pixel_size_that_is_given(tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(plain)
    size = ["--size", "100x100", "-o", "x.png"]
    told = coverslip("shot", plain, "--overlay", "nuclei", *size, folder=tmp_path)
    assert told.returncode == 2
    assert "(on the command line, --slide-mpp)" in told.stderr
    told = coverslip("shot", plain, "--slide-mpp", "0.5", "--mpp", "0.5", *size, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    shown = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
    assert np.array_equal(shown, np.asarray(Image.open(plain))[50:150, 50:150])


def test_without_a_display_it_says_so_and_writes_nothing(
    tmp_path: Path, sample_slide: Path
) -> None:
    before = set(tmp_path.rglob("*.png"))
    said = app_py(sample_slide, folder=tmp_path)
    assert said.returncode == 2
    assert said.stderr.startswith("There is no display here")
    assert len(said.stderr.splitlines()) == 1
    assert set(tmp_path.rglob("*.png")) == before


def test_the_window_is_painted_to_a_file_when_asked(tmp_path: Path, sample_slide: Path) -> None:
    said = app_py(sample_slide, "--picture", "window.png", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    picture = np.asarray(Image.open(tmp_path / "window.png").convert("RGB")).astype(int)
    pink = (picture[..., 0] > picture[..., 1] + 40) & (picture[..., 2] > picture[..., 1])
    assert pink.mean() > 0.02, "the tissue is not in the picture"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("infoo", "slide.svs"), '"coverslip info"'),
        (("modles", "list"), '"coverslip models"'),
        (("zzz",), "--help"),
        (("gone.svs",), "gone.svs"),
    ],
)
def test_a_first_word_that_is_nothing_never_opens_a_window(
    tmp_path: Path, words: tuple[str, ...], advice: str
) -> None:
    ended = app_py(*words, folder=tmp_path, run=forked_programs.run)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
