"""A pipe or a device in each option that takes a file: refused at once, in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bombs import endless
from cli_steps import coverslip

from viewer.agents.conversation import PictureEncoder, Turn
from viewer.agents.endpoint import Endpoint
from viewer.agents.exchanges import EXCHANGES_FILE, ExchangeLog
from viewer.annotations.masks.mask_legend import legend_beside, legend_path
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.json_lines import read_json_lines

pytestmark = pytest.mark.timeout(60)

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
