"""Tissue of every kind is looked at, on glass of any color and beside any mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from viewer.geometry import Box
from viewer.slides import open_slide
from viewer.slides.region import read_region
from viewer.slides.tissue import candidate_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Find = Callable[[str], Path]

HEIGHT, WIDTH, TOP, LEFT = 1000, 1500, 100, 80
GLASS = {"white": (244, 244, 244), "gray": (205, 205, 205), "yellowish": (231, 225, 213)}


def faint_eosin(_: Find) -> NDArray[np.float64]:
    grain = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((600, 700)), 6)
    return 1 - np.array([0, 9, 4]) / 244 * (1 + grain[..., None] / grain.std() / 4)


def fat(find: Find) -> NDArray[np.float64]:
    tiles = [_read(path) for path in sorted(find("tiles/crc-val-he-7k/ADI").iterdir())[:6]]
    picture = np.concatenate([np.concatenate(tiles[:3], 1), np.concatenate(tiles[3:], 1)])
    return (picture / np.percentile(picture.reshape(-1, 3), 95, 0)).clip(0, 1)


def ki67(find: Find) -> NDArray[np.float64]:
    source = open_slide(find("not-openslide/OS-2-ndpi.ome.tif"))
    picture = read_region(source, Box(0, 0, 2202, 2202), 700, 700)
    source.close()
    return picture / 244.0


def _read(path: Path) -> Picture:
    return np.asarray(Image.open(path).convert("RGB"))


def padded(*sides: tuple[int, int, int]) -> Callable[[Picture], Picture]:
    """Return what pads right and below by so many pixels of a value."""

    def pad(picture: Picture) -> Picture:
        for right, below, value in sides:
            edges = ((0, below), (0, right), (0, 0))
            picture = np.pad(picture, edges, constant_values=value)
        return picture

    return pad


def with_ink(picture: Picture) -> Picture:
    inks = ((20, 24, 28), (40, 140, 70), (30, 50, 150), (190, 40, 50))
    for number, color in enumerate(inks):
        left = 860 + 160 * number
        picture[40:960, left : left + 60] = picture[40:110, left : left + 140] = color
    picture[:, -16:] = 0
    return picture


MARKS = {
    "white padding": padded((2 * WIDTH, 0, 255)),
    "black and white padding": padded((WIDTH, 0, 0), (0, HEIGHT, 255)),
    "ink and a black edge": with_ink,
}


def looked_at(path: Path, picture: Picture, truth: NDArray[np.bool_]) -> float:
    """Return which share of the truth, which begins at TOP, LEFT, is looked at."""
    tifffile.imwrite(
        path, picture, tile=(256, 256), photometric="rgb", compression="jpeg",
        compressionargs={"level": 92}, resolution=(1e4, 1e4), resolutionunit="CENTIMETER",
    )  # fmt: skip
    source = open_slide(path)
    mask = candidate_mask(source)
    source.close()
    width, height = mask.cell_px
    y, x = np.nonzero(truth)
    rows, columns = ((y + TOP + 0.5) / height).astype(int), ((x + LEFT + 0.5) / width).astype(int)
    return float(mask.cells[rows, columns].mean())


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(
    ("glass", "kind"),
    [
        ("gray", faint_eosin),
        ("gray", fat),
        ("gray", ki67),
        pytest.param("yellowish", faint_eosin, marks=pytest.mark.slow),
        pytest.param("yellowish", fat, marks=pytest.mark.slow),
        pytest.param("white", ki67, marks=pytest.mark.slow),
    ],
)
def test_stained_tissue_is_looked_at(
    tmp_path: Path,
    shared_slide: Find,
    glass: str,
    kind: Callable[[Find], NDArray[np.float64]],
    mark: str,
) -> None:
    through = kind(shared_slide)
    picture = GLASS[glass] + np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 3))
    height, width = through.shape[:2]
    picture[TOP : TOP + height, LEFT : LEFT + width] *= through
    marked = MARKS[mark](picture.clip(0, 255).astype(np.uint8))
    truth = np.abs(1 - through).max(2) > (0.1 if kind is fat else 0.0)
    assert looked_at(tmp_path / "s.tif", marked, truth) >= 0.99


@pytest.mark.parametrize("value", [0, 255])
def test_fluorescence_is_looked_at_beside_padding(tmp_path: Path, value: int) -> None:
    rng = np.random.default_rng(2)
    picture = np.clip(rng.normal(6, 1.5, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    truth = np.zeros((600, 700), bool)
    for x, y in rng.integers(20, 560, (400, 2)):
        truth[y : y + 20, x : x + 20] = True
    picture[TOP : TOP + 600, LEFT : LEFT + 700, 2][truth] = 120
    marked = padded((WIDTH, HEIGHT, value))(picture)
    assert looked_at(tmp_path / "s.tif", marked, truth) >= 0.99
