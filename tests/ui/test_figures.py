"""Figures for papers: any size, a scale bar that is true at any dpi, a legend, annotations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from behavior_steps import painted_tissue
from cli_steps import invoke
from numpy.typing import NDArray
from PIL import Image
from pytestqt.qtbot import QtBot

from viewer.canvas.scale_bar import round_length
from viewer.ui.figures import strips

MPP_UM = (0.5, 0.8)


@pytest.fixture(scope="module")
def oblong_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slide whose pixels are wider than high."""
    path = tmp_path_factory.mktemp("oblong") / "slide.tif"
    resolution = 1e4 / MPP_UM[0], 1e4 / MPP_UM[1]
    tifffile.imwrite(
        path, painted_tissue(3, 1024, 768), tile=(256, 256), photometric="rgb",
        resolution=resolution, resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.geojson"
    ring = [[300, 200], [700, 200], [700, 500], [300, 500], [300, 200]]
    feature = {
        "type": "Feature",
        "id": "PathAnnotationObject",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "Tumor", "color": [0, 160, 0]}},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def shot(slide: Path, out: Path, *options: object) -> NDArray[np.uint8]:
    words = ["shot", str(slide), "-o", str(out), *map(str, options)]
    done = invoke(words)
    assert done.exit_code == 0, done.output
    return np.asarray(Image.open(out).convert("RGB"))


def bar_px(picture: NDArray[np.uint8], ratio: float) -> int:
    """Return how long the dark line in the white box at the lower left is."""
    corner = picture[-round(54 * ratio) : -round(14 * ratio), : round(260 * ratio)]
    is_dark = np.all(corner < 60, 2)
    return max(int(np.diff(np.flatnonzero(np.r_[True, ~row, True])).max()) - 1 for row in is_dark)


@pytest.mark.parametrize("dpi", [96, 300])
@pytest.mark.parametrize(("turn", "across_um"), [(0, MPP_UM[0]), (90, MPP_UM[1])])
def test_the_scale_bar_is_true_at_any_dpi(
    oblong_slide: Path, tmp_path: Path, qtbot: QtBot, dpi: int, turn: int, across_um: float
) -> None:
    out = tmp_path / "figure.png"
    options = ("--size", "900x700", "--downsample", 0.7, "--dpi", dpi, "--rotate", turn, "--flip")
    picture = shot(oblong_slide, out, *options, "--scale-bar")
    ratio = dpi / 96
    per_px_um = 0.7 * across_um
    expected = round_length(200 * ratio * per_px_um) / per_px_um
    assert bar_px(picture, ratio) == pytest.approx(expected, abs=2 * ratio + 1)
    assert Image.open(out).info["dpi"][0] == pytest.approx(dpi, rel=1e-3)


@pytest.mark.parametrize(("dpi", "turn"), [(96, 90), (192, 20)])
def test_strips_make_the_same_picture(
    oblong_slide: Path, drawn: Path, tmp_path: Path, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch, dpi: int, turn: int,
) -> None:  # fmt: skip
    options = ("--size", "700x900", "--dpi", dpi, "--rotate", turn, "--downsample", 1.3)
    furniture = ("--scale-bar", "--legend", "--annotations", drawn)
    whole = shot(oblong_slide, tmp_path / "a.png", *options, *furniture)
    monkeypatch.setattr(strips, "_STRIP_BYTES", 1)
    cut = shot(oblong_slide, tmp_path / "b.tif", *options, *furniture)
    assert cut.shape == whole.shape == (900, 700, 3)
    # In a turned view a strip lies on the grid of whole pixels, at most half of one beside.
    differs = np.abs(cut.astype(int) - whole).max(2) > 24
    assert differs.mean() < (0.0001 if turn == 90 else 0.02)


def test_annotations_and_their_legend_are_painted(
    oblong_slide: Path, drawn: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    options = ("--size", "640x480", "--annotations", drawn)
    plain = shot(oblong_slide, tmp_path / "a.png", *options[:2])
    picture = shot(oblong_slide, tmp_path / "b.png", *options)
    with_legend = shot(oblong_slide, tmp_path / "c.jpg", *options, "--legend", "--dpi", 192)

    def green(pixels: NDArray[np.uint8]) -> int:
        red, middle, blue = (pixels[..., channel].astype(int) for channel in range(3))
        return int(((middle > red + 60) & (middle > blue + 60)).sum())

    assert green(plain) == 0
    assert green(picture) > 500
    assert green(with_legend[-80:, -300:]) > 200


def test_a_pdf_is_as_large_as_asked(oblong_slide: Path, tmp_path: Path, qtbot: QtBot) -> None:
    out = tmp_path / "figure.pdf"
    words = ["shot", str(oblong_slide), "-o", str(out), "--size", "600x300", "--dpi", "300"]
    assert invoke(words).exit_code == 0
    data = out.read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/MediaBox [0 0 144" in data


def test_what_cannot_be_painted_is_one_sentence(
    oblong_slide: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "bad.geojson").write_text("{")
    for options, sentence in (
        (("--annotations", tmp_path / "bad.geojson"), "bad.geojson"),
        (("--annotations", tmp_path / "gone.geojson"), "gone.geojson"),
        (("--size", "20000x20000"), ".jpg takes 16,384 px a side at most"),
    ):
        words = ["shot", str(oblong_slide), "-o", str(tmp_path / "a.jpg"), *map(str, options)]
        done = invoke(words)
        assert done.exit_code == 2, done.output
        assert sentence in done.stderr
    assert not (tmp_path / "a.jpg").exists()
