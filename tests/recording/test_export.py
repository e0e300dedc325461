"""Datasets made of sessions, read back by the programs that will read them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import msgspec
import numpy as np
import openslide
import pandas
import pyarrow.parquet
import pytest
from killed_at_steps import kill_at_each_step
from PIL import Image
from recording_steps import ALLOWED, HEADER, Clock, view
from session_lines import read_lines
from small_disks import fill, mount_again, small_disk

from viewer.geometry import Box
from viewer.recording.events import DiagnosisEntered, NoteTaken
from viewer.recording.export import ExportError, ExportOptions, export_sessions
from viewer.recording.export.options import Format
from viewer.recording.recorder import Recorder
from viewer.recording.session import SlideRef, write_header
from viewer.slides import open_slide
from viewer.slides.known_slides import find, open_known, remember
from viewer.slides.region import Beyond, read_region

STAYS = [(0, 0, 2.5, 3), (300, 200, 1, 4), (500, 300, 0.5, 2.5), (900, 1200, 1, 3)]
"""Left, top, downsample and seconds of what the reader of these tests looks at."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def read_slide(folder: Path, slide: Path, *, note: str = "Dense lymphocytes.") -> Path:
    """A session of `STAYS` on a slide that is known from now on."""
    source = open_slide(slide)
    remember(source.info.identity, slide)
    reference = SlideRef(
        identity=source.info.identity,
        width_px=source.levels[0].width_px,
        height_px=source.levels[0].height_px,
        mpp_um=source.info.optics.mpp_um,
        objective_power=source.info.optics.objective_power,
    )
    source.close()
    header = msgspec.structs.replace(HEADER, id=folder.name, slide=reference, consent=ALLOWED)
    clock = Clock()
    recorder = Recorder(folder, header, clock_ns=clock)
    for number, (x, y, downsample, seconds) in enumerate(STAYS):
        recorder.record_view(view(x, y, downsample=downsample, at_rest=True))
        if number == 1:
            recorder.record(NoteTaken(len(note), note))
        clock.advance_s(seconds)
    recorder.record(DiagnosisEntered(7, "Benign."))
    recorder.close()
    return folder


@pytest.fixture
def sessions(tmp_path: Path, sample_slide: Path) -> list[Path]:
    return [read_slide(tmp_path / f"2026112{day}T080000Z-0", sample_slide) for day in (3, 4)]


def export(sessions: list[Path], out: Path, options: ExportOptions) -> Path:
    manifest = export_sessions(sessions, out, options)
    assert [session.problem for session in manifest.sessions] == [""] * len(sessions)
    for name, digest in manifest.files.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    present = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert present == set(manifest.files) | {"manifest.json"}
    return out


def test_parquet_is_read_by_pandas_and_datasets(
    sessions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = export(sessions, tmp_path / "out", ExportOptions(format="parquet"))
    actions = pandas.read_parquet(out / "actions.parquet")
    assert list(actions["command"][:4]) == [
        "<10x-inspect>", "<20x-peek>", "<40x-peek>", "<20x-peek>",
    ]  # fmt: skip
    second = actions.iloc[1]
    assert [second[f"{side}_px"] for side in ("x0", "y0", "x1", "y1")] == [300, 200, 1300, 1000]
    assert second["x1_um"] == pytest.approx(1300 * 0.499)
    assert second["y1_fraction"] == pytest.approx(1000 / 2967)
    assert second["notes"] == "Dense lymphocytes."

    events = pandas.read_parquet(out / "events.parquet")
    lines = read_lines(sessions[0])
    of_first = events[events["session"] == sessions[0].name]
    assert list(of_first["number"]) == [line.number for line in lines]
    assert list(of_first["elapsed_s"]) == [line.elapsed_ns / 1e9 for line in lines]
    views = of_first[of_first["kind"] == "view"]
    assert list(views["x_px"]) == [x for x, _, _, _ in STAYS]
    assert json.loads(next(iter(views["payload"])))["at_rest"] is True
    table = pyarrow.parquet.read_table(out / "events.parquet")
    assert all(field.metadata[b"description"] for field in table.schema)

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    loaded = datasets.load_dataset(
        "parquet", data_files=str(out / "actions.parquet"), cache_dir=str(tmp_path / "hf")
    )
    assert loaded["train"].num_rows == 8


def test_csv_holds_what_parquet_holds(sessions: list[Path], tmp_path: Path) -> None:
    as_csv = export(sessions, tmp_path / "csv", ExportOptions(format="csv"))
    as_parquet = export(sessions, tmp_path / "parquet", ExportOptions(format="parquet"))
    for name in ("sessions", "actions", "events"):
        pandas.testing.assert_frame_equal(
            pandas.read_csv(as_csv / f"{name}.csv"),
            pandas.read_parquet(as_parquet / f"{name}.parquet"),
            check_dtype=False,
        )


def test_no_text_of_a_table_is_a_formula(tmp_path: Path, sample_slide: Path) -> None:
    session = read_slide(tmp_path / "20261123T080000Z-0", sample_slide, note="=1+1")
    written: tuple[tuple[Format, str], ...] = (("csv", "'=1+1"), ("parquet", "=1+1"))
    for format_, expected in written:
        out = export([session], tmp_path / format_, ExportOptions(format=format_))
        read = pandas.read_csv if format_ == "csv" else pandas.read_parquet
        assert expected in list(read(out / f"actions.{format_}")["notes"])


def test_the_reference_layout(sessions: list[Path], tmp_path: Path, sample_slide: Path) -> None:
    out = export(sessions, tmp_path / "out", ExportOptions(format="pathology-cot"))
    case = out / sessions[0].name
    turns = json.loads((case / "conversation.json").read_text())
    assert [turn["role"] for turn in turns[:3]] == ["user", "assistant", "system"]
    shown = [part["image"] for turn in turns for part in turn["content"] if "image" in part]
    assert "thumbnail_with_boxes.jpeg" in shown
    assert all((case / name).is_file() and not name.startswith("/") for name in shown)
    texts = [part["text"] for turn in turns for part in turn["content"] if "text" in part]
    assert "Dense lymphocytes." in texts
    assert texts[-1] == "Benign."
    assert "<20x-peek> [300, 200, 1300, 1000]" in texts[1]
    assert not any("not found" in text for text in texts)
    boxes = json.loads((case / "boxes.json").read_text())
    assert len(list(case.glob("cyto_box_*.jpeg"))) == len(boxes) == 4

    # One screen pixel was one slide pixel: the crop is the slide's own field.
    crop = np.asarray(Image.open(case / "box_2.jpeg")).astype(int)
    with openslide.OpenSlide(sample_slide) as slide:
        true = np.asarray(slide.read_region((300, 200), 0, (1000, 800)).convert("RGB")).astype(int)
    assert crop.shape == true.shape
    assert np.abs(crop - true).mean() < 3


def test_chat_lines_fit_fine_tuning(sessions: list[Path], tmp_path: Path) -> None:
    out = export(
        sessions, tmp_path / "out", ExportOptions(format="chat-jsonl", images_per_example=5)
    )
    lines = (out / "conversations.jsonl").read_text().splitlines()
    assert len(lines) == 4  # two actions a line, four a session
    for line in lines:
        messages = json.loads(line)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * (
            len(messages) // 2
        )
        images = [
            part["image_url"]["url"]
            for message in messages
            if isinstance(message["content"], list)
            for part in message["content"]
            if part["type"] == "image_url"
        ]
        assert 1 <= len(images) <= 5
        assert all(url.startswith("data:image/jpeg;base64,") for url in images)
        assert all(isinstance(m["content"], str) for m in messages if m["role"] == "assistant")
    assert json.loads(lines[1])["messages"][-1]["content"] == "Benign."
    assert "<10x-inspect> [0, 0, 2220, 2000]" in lines[1]


def test_chat_images_as_files(sessions: list[Path], tmp_path: Path) -> None:
    out = export(sessions, tmp_path / "out", ExportOptions(format="chat-jsonl", images="file"))
    message = json.loads((out / "conversations.jsonl").read_text().splitlines()[0])["messages"][0]
    url = message["content"][0]["image_url"]["url"]
    assert Image.open(out / url).format == "JPEG"


def test_webdataset_shards_hold_whole_samples(sessions: list[Path], tmp_path: Path) -> None:
    out = export(
        sessions, tmp_path / "out", ExportOptions(format="webdataset", shard_bytes=300_000)
    )
    shards = sorted(out.glob("*.tar"))
    assert len(shards) > 1
    kinds: dict[str, set[str]] = {}
    for shard in shards:
        in_shard: dict[str, set[str]] = {}
        with tarfile.open(shard) as tar:
            names = tar.getnames()
            # Each sample's files are in order, whichever session it is of.
            assert sorted(names, key=lambda name: name.partition(".")[0]) == sorted(names)
            for member in tar:
                assert (member.uid, member.uname, member.gname, member.mtime) == (0, "", "", 0)
                assert member.mode == 0o600
                key, _, kind = member.name.partition(".")
                in_shard.setdefault(key, set()).add(kind)
        assert not in_shard.keys() & kinds.keys()
        kinds |= in_shard
    actions = {key: found for key, found in kinds.items() if not key.endswith("-0000")}
    assert len(actions) == 8
    assert all(found == {"crop.jpg", "detail.jpg", "json"} for found in actions.values())


def test_an_interrupted_export_goes_on(sessions: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    options = ExportOptions(format="pathology-cot", jobs=1)
    with pytest.raises(KeyboardInterrupt):
        export_sessions(sessions, out, options, interrupt)
    done = next(out.glob(".parts/*/done2.json"))
    made_ns = done.stat().st_mtime_ns
    assert not (out / "manifest.json").exists()
    with pytest.raises(ExportError, match="other options"):
        export_sessions(sessions, out, ExportOptions(format="csv"))
    assert done.stat().st_mtime_ns == made_ns
    export(sessions, out, ExportOptions(format="pathology-cot", jobs=1))
    assert export_sessions(sessions, out, options).format == "pathology-cot"


_EXPORTING = """
from pathlib import Path
from viewer.recording.export import ExportOptions, export_sessions
out, sessions = Path(sys.argv[1], "out"), sorted(Path(sys.argv[1]).parent.glob("2026*"))
export_sessions(sessions, out, ExportOptions(format="chat-jsonl", images="file", jobs=1))
"""


@pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_export_goes_on_wherever_it_was_killed(
    sessions: list[Path], tmp_path: Path, every: int
) -> None:
    (place := tmp_path / "place").mkdir()
    options = ExportOptions(format="chat-jsonl", images="file", jobs=1)
    whole = export(sessions, tmp_path / "whole", options)
    wanted = sorted(path.relative_to(whole) for path in whole.rglob("*"))

    def go_on() -> None:
        out = export(sessions, place / "out", options)
        assert sorted(path.relative_to(out) for path in out.rglob("*")) == wanted
        shutil.rmtree(place / "out", ignore_errors=True)

    assert kill_at_each_step(place, _EXPORTING, lambda: None, go_on, every=every) > 30


def test_a_full_disk_ends_an_export_that_goes_on_once_there_is_room(
    sessions: list[Path], tmp_path: Path
) -> None:
    options = ExportOptions(format="webdataset", jobs=1)
    with small_disk(tmp_path, "2m") as disk:
        for room_kb in (0, 4, 8, 64, 512):
            fill(disk)
            os.truncate(disk / "filler", (disk / "filler").stat().st_size - (room_kb << 10))
            with pytest.raises(ExportError, match="No space left"):
                export_sessions(sessions, disk / "out", options)
            # Nothing that failed takes the room that the next attempt needs.
            assert not list(disk.glob("out/.parts/.*"))
        (disk / "filler").unlink()
        mount_again(disk, "size=64m")
        export(sessions, disk / "out", options)


def test_a_missing_slide_leaves_out_one_session(
    sessions: list[Path], tmp_path: Path, sample_slide: Path
) -> None:
    lost = msgspec.structs.replace(HEADER, id=sessions[0].name)
    write_header(sessions[0], lost)
    manifest = export_sessions(sessions, tmp_path / "out", ExportOptions(format="webdataset"))
    assert "slide is not found" in manifest.sessions[0].problem
    assert manifest.sessions[1].problem == ""
    assert "Left out" in (tmp_path / "out" / "README.md").read_text()


def test_what_is_simulated_is_not_mixed_in(sessions: list[Path], tmp_path: Path) -> None:
    write_header(sessions[0], msgspec.structs.replace(HEADER, origin="simulated"))
    with pytest.raises(ExportError, match="not mixed"):
        export_sessions(sessions, tmp_path / "out", ExportOptions())
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(sessions: list[Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="not empty"):
        export_sessions(sessions, tmp_path, ExportOptions())
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_slide_is_found_where_it_was_moved(tmp_path: Path, sample_slide: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "b.svs").write_bytes(sample_slide.read_bytes())
    source = open_slide(sample_slide)
    identity = source.info.identity
    source.close()
    assert find(identity) is None
    assert open_known(identity) is None
    found = open_known(identity, (moved,))
    assert found is not None
    assert found.path == moved / "b.svs"
    found.close()


@pytest.mark.parametrize("box", [Box(100, 50, 612, 562), Box(-200, -100, 312, 412)])
def test_a_region_is_the_slides_own(sample_slide: Path, box: Box) -> None:
    source = open_slide(sample_slide)
    pixels = read_region(source, box, 512, 512, Beyond.WHITE)
    source.close()
    with openslide.OpenSlide(sample_slide) as slide:
        region = slide.read_region((int(box.x0), int(box.y0)), 0, (512, 512))
    true = np.asarray(Image.alpha_composite(Image.new("RGBA", (512, 512), "white"), region))
    assert np.abs(pixels.astype(int) - true[..., :3]).max() <= 2


def test_sessions_of_a_slide_share_it_and_its_pictures(tmp_path: Path, sample_slide: Path) -> None:
    folders = [read_slide(tmp_path / name, sample_slide, note=name) for name in ("one", "two")]
    out = tmp_path / "out"
    export_sessions(folders, out, ExportOptions(format="pathology-cot"))
    thumbnails = [out / name / "thumbnail.jpeg" for name in ("one", "two")]
    assert thumbnails[0].samefile(thumbnails[1])
    notes = [(out / name / "conversation.json").read_bytes() for name in ("one", "two")]
    assert notes[0] != notes[1]
