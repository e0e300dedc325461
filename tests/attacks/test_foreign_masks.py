"""Label masks of others are decoded in a confined process, and nowhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import shapely
import tifffile
from attack_steps import kill_what_reads, take_over_what_reads
from cli_steps import coverslip
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats import exchange
from viewer.annotations.formats.exchange import MASK
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.masks.label_masks import MaskPlace, write_mask
from viewer.annotations.storage.packing import packed
from viewer.limits import MASK_BYTES
from viewer.processes import file_process

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


PACKED = packed(DRAWN[0])
LONG = packed(Annotation(shapely.Point(0, 0).buffer(9, quad_segs=200)))
NAN = shapely.Polygon([(0, 0), (9, 0), (9, float("nan"))])
NO_ANNOTATION = "the process that reads it gave no annotations"


def batch(*annotations: bytes, times: int = 1, problems: str = "[]", is_last: bool = False) -> str:
    """Return code that sends annotations."""
    return (
        f'say(type="ReadBatch", annotations={list(annotations)!r} * {times}, problems={problems}, '
        f"is_last={is_last})"
    )


@pytest.mark.usefixtures("real_children")
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (batch(PACKED, PACKED[: len(PACKED) // 2], is_last=True), NO_ANNOTATION),
        (batch(PACKED.replace(DRAWN[0].id.bytes, bytes(3)), is_last=True), NO_ANNOTATION),
        (batch(packed(Annotation(NAN)), is_last=True), NO_ANNOTATION),
        (batch(b"", times=3_000_000), "the process that reads it ended"),
        (batch(problems='[{"number": 1, "reason": ""}] * 3_000_000'), "the process that reads it"),
    ],
    ids=["half", "short", "no number", "many", "problems"],
)
def test_what_a_hijacked_decoder_gives_is_not_believed(
    code: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, "m.png")
    take_over_what_reads(monkeypatch, code)
    with pytest.raises(AnnotationFileError, match=rf"m\.png cannot be read: {sentence}") as told:
        list(MASK.read(path, []))
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("real_children")
def test_what_a_hijacked_decoder_gives_is_one_sentence_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, "m.png")
    take_over_what_reads(monkeypatch, batch(b"no annotation at all", is_last=True))
    done = coverslip("annotations", "stats", path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert NO_ANNOTATION in done.stderr


@pytest.mark.usefixtures("real_children")
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("while True: pass", "ANSWER_SECONDS"),
        (f"while True: {batch()}", "READING_SECONDS"),
    ],
    ids=["silent", "talking"],
)
def test_a_mask_that_is_read_without_end_is_ended(
    code: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, "m.png")
    take_over_what_reads(monkeypatch, code)
    monkeypatch.setattr(file_process, name, replace(getattr(file_process, name), most=2))
    began_s = time.monotonic()
    with pytest.raises(AnnotationFileError, match=r"m\.png cannot be read: it took more than 2 s"):
        list(MASK.read(path, []))
    assert time.monotonic() - began_s < 60, "also of one that always has more to say"


@pytest.mark.usefixtures("real_children")
@pytest.mark.parametrize(
    "code",
    [
        "held = []\nwhile True: held.append(b'x' * (16 << 20))",
        f"while True: {batch(LONG, times=1000)}",
        f"while True: {batch(problems='[dict(number=0, reason=str(0))] * 2000')}",
    ],
    ids=["held", "annotations", "problems"],
)
def test_a_mask_that_takes_all_memory_is_ended(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask(tmp_path, "m.png")
    take_over_what_reads(monkeypatch, code)
    monkeypatch.setattr(exchange, "MASK_BYTES", replace(MASK_BYTES, most=300 << 20))
    problems: list[Problem] = []
    with pytest.raises(AnnotationFileError, match=r"m\.png takes more than .* save the mask at"):
        for _ in MASK.read(path, problems):
            pass
    assert len(problems) < 3_000_000


@pytest.mark.slow
def test_a_large_mask_of_many_instances_is_no_bomb(tmp_path: Path) -> None:
    side_px, tile_px = 20_000, 512
    per_row = -(-side_px // tile_px)
    disc = np.hypot(*np.mgrid[-256:256, -256:256]) < 200

    def tiles() -> Iterator[NDArray[np.uint16]]:
        for number in range(1, per_row**2 + 1):
            yield np.where(disc, number, 0).astype(np.uint16)

    path = tmp_path / "large.tif"
    tifffile.imwrite(
        path, tiles(), shape=(side_px, side_px), dtype=np.uint16, tile=(tile_px, tile_px),
        compression="zlib", photometric="minisblack",
    )  # fmt: skip
    areas = [each.geometry.area for each in MASK.read(path, [])]
    assert len(areas) == (side_px // tile_px) ** 2
    assert np.median(areas) == np.count_nonzero(disc)


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
