"""Label masks of others are decoded in a confined process, and nowhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import shapely
import tifffile
from attack_steps import kill_what_reads
from cli_steps import coverslip
from PIL import Image

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.exchange import MASK
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.masks.label_masks import MaskPlace, write_mask

TUMOR = AnnotationClass("Tumor", "#c80000")
DRAWN = [Annotation(shapely.box(40 * n, 10, 40 * n + 30, 50), shown_as=TUMOR) for n in range(9)]


def mask(folder: Path, name: str) -> Path:
    write_mask(folder / name, DRAWN, MaskPlace((400, 300)))
    return folder / name


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("decoded here")


@pytest.mark.parametrize("name", ["m.png", "m.ome.tif"])
def test_no_mask_is_decoded_in_this_process(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, name)
    for module, decoder in (
        (imagecodecs, "png_decode"), (tifffile, "TiffFile"), (Image, "open")
    ):  # fmt: skip
        monkeypatch.setattr(module, decoder, refuse)
    found = list(MASK.read(path, []))
    assert [each.geometry.bounds for each in found] == [each.geometry.bounds for each in DRAWN]
    assert {each.class_name for each in found} == {"Tumor"}


@pytest.mark.skipif(sys.platform != "linux", reason="kills a process by its number")
@pytest.mark.usefixtures("real_children")
def test_a_mask_that_ends_what_reads_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, "m.png")

    with monkeypatch.context() as patched:
        ended = kill_what_reads(patched)
        with pytest.raises(AnnotationFileError, match=r"m\.png cannot be read: the process"):
            list(MASK.read(path, []))
    assert ended
    assert len(list(MASK.read(path, []))) == len(DRAWN)


def test_what_is_damaged_or_a_pipe_is_told_as_before(tmp_path: Path) -> None:
    path = mask(tmp_path, "m.ome.tif")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        at, size = page.dataoffsets[0], page.databytecounts[0]
    data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    problems: list[Problem] = []
    list(MASK.read(path, problems))
    assert [each.reason[:18] for each in problems] == ["a tile of the mask"]
    path.unlink()
    os.mkfifo(path)
    done = coverslip("annotations", "convert", path, tmp_path / "out.geojson")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_mask_without_a_legend_is_read_and_that_is_said(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:9, 5:9] = 1
    (tmp_path / "m.png").write_bytes(imagecodecs.png_encode(labels))
    problems: list[Problem] = []
    (found,) = MASK.read(tmp_path / "m.png", problems)
    assert found.geometry.bounds == (5, 5, 9, 9)
    assert "it has no legend" in problems[0].reason
