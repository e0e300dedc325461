"""Slides whose stains cannot be shown apart, by what the file says and by how it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from viewer.slides import open_slide
from viewer.slides.fluorescence import no_stains


def _dark() -> np.ndarray:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:130, 200:230, 2] = 220
    return pixels


def _gray() -> np.ndarray:
    return np.full((400, 600), 190, np.uint8)


def _stained() -> np.ndarray:
    pixels = np.full((400, 600, 3), 240, np.uint8)
    pixels[100:300, 100:400] = (180, 90, 160)
    return pixels


@pytest.mark.parametrize(
    ("pixels", "word"), [(_dark(), "fluorescence"), (_gray(), "gray"), (_stained(), "")]
)
def test_pixels_tell_whether_there_are_stains(
    tmp_path: Path, pixels: np.ndarray, word: str
) -> None:
    path = tmp_path / "a.tif"
    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(path, pixels, photometric=kind, metadata=None)
    source = open_slide(path)
    try:
        sentence = no_stains(source)
    finally:
        source.close()
    assert word in sentence
    assert bool(sentence) == bool(word)
