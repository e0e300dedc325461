"""A pipe or a device in each option that takes a file: refused at once, in one sentence."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shutil
from pathlib import Path

import pytest
from bombs import endless
from cli_steps import coverslip
from measured_runs import REPOSITORY

from viewer.agents.chat.conversation import PictureEncoder, Turn
from viewer.agents.endpoint import Endpoint
from viewer.agents.exchanges import EXCHANGES_FILE, ExchangeLog
from viewer.annotations.masks.mask_legend import legend_beside, legend_path
from viewer.limits import HollowFileError, Limit, open_regular
from viewer.overlays.files.foreign_table import read_binary_table
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.json_lines import read_json_lines
from viewer.resource_files import resource
from viewer.slides.dicom.header import dicom_header
from viewer.slides.files.slide_folders import is_zarr_zip
from viewer.slides.readers.shared_file import SharedFile

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked are processes at work, however they were started: they are forked."""


COMMANDS = [
    "agent {slide} -o {out} --system {it} --policy giant --url http://127.0.0.1:9/v1 --model m",
    "agent {slide} -o {out} --template {it}",
    "agent {slide} -o {out} --annotations {it}",
    "evaluate agent --questions {it} -o {out}",
    "evaluate agent --questions {questions} --recorded {it} -o {out}",
    "align {slide} {slide} --landmarks {it}",
    "embed tissue-likeness {slide} --store {out} --attributes {it}",
    "run tissue-quality {slide} --within {it}",
    "run {it} {slide}",
    "run tissue-quality {it}",
    "projects create {out} --forms {it}",
    "projects create {out} --palette {it}",
    "projects create {out} --from {it}",
    "projects list {it}",
    "record serve --port 0 --cert {it}",
    "record serve --port 0 --cert {questions} --key {it}",
    "record serve --port 0 --token-file {it}",
    "sessions export -o {out} --format trajectories --patients {it}",
    "sessions import {it}",
    "sessions show {it}",
    "annotations compare {it} {it}",
    "annotations convert {it} {out}.geojson",
    "convert {it} {out}.ome.tif",
    "deidentify {it} {out}.tif",
    "features list {it}",
    "query select+1 --store {it}",
]


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_waits_for_a_file_without_end(
    command: str, what: str, sample_slide: Path, tmp_path: Path
) -> None:
    questions = tmp_path / "q.json"
    questions.write_text('[{"id": "1", "slide": "s.svs", "question": "What?", "answer": "A"}]')
    words = command.format(
        slide=sample_slide, it=endless(tmp_path / "it", what), out=tmp_path / "out",
        questions=questions,
    ).split()  # fmt: skip
    done = coverslip(*(word.replace("+", " ") for word in words))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Errno" not in done.stderr


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".csv", ".json", ".dcm"])
def test_results_are_no_file_without_end(
    suffix: str, what: str, sample_slide: Path, tmp_path: Path
) -> None:
    file, out = endless(tmp_path / f"it{suffix}", what), tmp_path / "out.png"
    done = coverslip("shot", sample_slide, "--results", file, "-o", out)
    assert done.returncode == 2, done.stderr
    assert "it is a pipe or device, not a file" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_pipe_in_the_folder_of_a_dicom_slide_holds_up_nothing(
    sample_slide: Path, tmp_path: Path
) -> None:
    """OpenSlide looks at each file of the folder for parts of the slide."""
    folder = tmp_path / "slide"
    done = coverslip("convert", sample_slide, folder, "--to", "dicom", "--region", "0,0,300,300")
    assert done.returncode == 0, done.stderr
    file = next(folder.iterdir())
    endless(folder / "0.dcm", "pipe")
    for path in (folder, file):
        shown = coverslip("info", path)
        assert shown.returncode == 2
        assert "0.dcm beside it is a pipe or device" in shown.stderr
        assert len(shown.stderr.strip().splitlines()) == 1
    (folder / "0.dcm").unlink()
    assert coverslip("info", folder).returncode == 0


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_pipe_beside_masks_and_in_sessions_holds_up_nothing(what: str, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    endless(legend_path(mask), what)
    assert legend_beside(mask) is None
    log = ExchangeLog(endless(tmp_path / EXCHANGES_FILE, what).parent)
    to = Endpoint(base_url="http://127.0.0.1:9", model="tiny")
    with pytest.raises(OSError, match=r"Illegal seek|Invalid argument"):
        log.add(to, [Turn("user", "What?")], [], "Nothing.", PictureEncoder(64, 80))
    with pytest.raises(ReviewError, match="pipe or device"):
        read_json_lines(endless(tmp_path / "reviews.jsonl", what), decoder=None)  # type: ignore[arg-type]
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", ["image.jpg", "macro.jpg"])
def test_a_pipe_among_the_files_of_a_vms_slide_holds_up_nothing(name: str, tmp_path: Path) -> None:
    """OpenSlide opens what its lines name."""
    endless(tmp_path / name, "pipe")
    lines = ["[Virtual Microscope Specimen]", "NoLayers=1", "NoJpegColumns=1", "NoJpegRows=1"]
    lines += ["ImageFile=image.jpg", "MapFile=image.jpg", "MacroImage=macro.jpg"]
    slide = tmp_path / "slide.vms"
    slide.write_text("\n".join(lines) + "\n")
    shown = coverslip("info", slide)
    assert shown.returncode == 2
    assert f"{name} beside it is a pipe or device" in shown.stderr


def test_a_pipe_in_the_folder_of_a_mirax_slide_holds_up_nothing(tmp_path: Path) -> None:
    slide, folder = tmp_path / "slide.mrxs", tmp_path / "slide"
    slide.write_bytes(b"\xff\xd8\xff\xe0")
    folder.mkdir()
    endless(folder / "Index.dat", "pipe")
    (folder / "Slidedat.ini").write_text("[GENERAL]\nSLIDE_ID=1\n")
    shown = coverslip("info", slide)
    assert shown.returncode == 2
    assert "Index.dat beside it is a pipe or device" in shown.stderr


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("it.geojson.gz", gzip.compress(b"", mtime=0)),
        ("it.csv.bz2", bz2.compress(b"")),
        ("it.csv.xz", lzma.compress(b"")),
    ],
    ids=["gzip", "bzip2", "xz"],
)
def test_packed_files_that_unpack_to_nothing_are_not_read_to_their_end(
    name: str, empty: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(empty * ((8 << 20) // len(empty)))
    done = coverslip("annotations", "validate", tmp_path / name)
    assert done.returncode == 2, done.stderr
    assert "bytes of it unpack to nothing" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    bundle = tmp_path / "model"
    shutil.copytree(resource("models", "nuclei"), bundle)
    os.truncate(bundle / "weights.safetensors", 15 << 30)
    table = tmp_path / "boxes.csv"
    table.write_text("x,y\n1,2\n")
    os.truncate(table, 60 << 30)
    for command in (["models", "check", bundle], ["annotations", "validate", table]):
        done = coverslip(*command)
        assert done.returncode == 2, done.stderr
        assert "bytes are on the disk" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_file_with_some_holes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer.limits._LARGE_BYTES", 1 << 16)
    path = tmp_path / "file"
    path.write_bytes(b"a" * (1 << 20))
    os.truncate(path, 8 << 20)
    with open_regular(path, Limit(1 << 30, "")) as file:
        assert file.read(4) == b"aaaa"
    os.truncate(path, 80 << 20)
    with pytest.raises(HollowFileError, match="only 1,048,576 of its 83,886,080 bytes"):
        open_regular(path, Limit(1 << 30, ""))


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_swapped_after_it_was_checked_holds_up_nothing(what: str, tmp_path: Path) -> None:
    """Each is asked of the open file once more, behind all that is asked of its name."""
    path = endless(tmp_path / "it.dcm", what)
    for opened in (SharedFile, read_binary_table, dicom_header):
        with pytest.raises(OSError, match="it is a pipe or device, not a file"):
            opened(path)
    assert not is_zarr_zip(endless(tmp_path / "it.zip", what))


def test_foreign_files_are_opened_in_one_way() -> None:
    """What opens by name alone waits for whoever writes to a pipe."""
    root = REPOSITORY / "viewer"
    rooms = ("slides", "annotations/formats", "annotations/masks", "overlays/files")
    ours = {
        "slides/former_names.py": "files that we wrote",
        "slides/remote/block_cache.py": "files that we wrote",
    }
    by_name = re.compile(r"\.open\(\"rb\"\)|(?<![\w.])open\([^)]*\"rb\"\)|os\.open\(")
    found = {
        str(path.relative_to(root))
        for room in rooms
        for path in (root / room).rglob("*.py")
        if by_name.search(path.read_text(encoding="utf-8"))
    }
    assert found - ours.keys() == set()
