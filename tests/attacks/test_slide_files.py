"""Foreign slide files that crash, hang or exhaust their reader: one sentence, and nothing else."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import psutil
import pytest
import tifffile
from attack_steps import run_confined

from viewer.processes.confinement.launching import confinement_gap
from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.reader_process.pool import ReaderPool
from viewer.slides.reader_process.readable import readable_of
from viewer.slides.reader_process.source import IsolatedSource, open_isolated
from viewer.slides.readers.coded_size import coded_pixels
from viewer.slides.readers.jpeg_markers import head_of
from viewer.slides.readers.jpeg_tiles import (
    JpegDecoder,
    PlainJpegDecoder,
    holds_no_frame,
    is_baseline_of_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray


@pytest.fixture
def pool() -> Generator[ReaderPool]:
    with closing(ReaderPool(lanes=2, patience_s=20)) as pool:
        yield pool


def tiff(entries: dict[int, tuple[int, int, int]], payload: bytes = b"", next_at: int = 0) -> bytes:
    """A TIFF of one directory; an entry is type, count and value, and the payload begins at 8."""
    directory = struct.pack("<H", len(entries))
    for tag, (kind, count, value) in sorted(entries.items()):
        directory += struct.pack("<HHI", tag, kind, count) + struct.pack("<I", value)
    at = 8 + len(payload) + len(payload) % 2
    data = struct.pack("<2sHI", b"II", 42, at) + payload + b"\0" * (len(payload) % 2)
    return data + directory + struct.pack("<I", next_at)


def tiled(side_px: int, tile_px: int, compression: int, payload: bytes, gray: bool = True) -> bytes:
    return tiff(
        {
            256: (4, 1, side_px),
            257: (4, 1, side_px),
            258: (3, 1, 8),
            259: (3, 1, compression),
            262: (3, 1, 1 if gray else 6),
            277: (3, 1, 1),
            322: (4, 1, tile_px),
            323: (4, 1, tile_px),
            324: (4, 1, 8),
            325: (4, 1, len(payload)),
        },
        payload,
    )


HUGE_TILE = tiled(100_000, 100_000, 8, zlib.compress(bytes(2_000_000), 9))
WIDE_TILE = tiled(2**31 - 1, 2**31 - 1, 1, bytes(64))


def info(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from viewer.cli import main; main()", "info", path],
        capture_output=True,
        text=True,
        timeout=100,
    )


def is_one_sentence(error: Exception) -> None:
    assert str(error).strip()
    assert "\n" not in str(error)


def nothing_is_clear_glass(path: Path) -> None:
    """The slide does not open, or each of its tiles says why it cannot be read."""
    try:
        source = open_slide(path)
    except SlideError as error:
        is_one_sentence(error)
        return
    with closing(source):
        for number, level in enumerate(source.levels):
            with pytest.raises(TileError) as told:
                source.read_tile(number, level.columns // 2, level.rows // 2)
            is_one_sentence(told.value)


@pytest.mark.parametrize(
    ("content", "code"), [(HUGE_TILE, 0), (WIDE_TILE, 2)], ids=["100k", "2^31"]
)
def test_a_tiff_of_one_enormous_tile_harms_nothing(
    tmp_path: Path, content: bytes, code: int
) -> None:
    """Of the first a few rows at a time are read, until its data ends."""
    path = tmp_path / "bomb.tif"
    path.write_bytes(content)
    assert path.stat().st_size < 4000
    before = psutil.Process().memory_info().rss
    nothing_is_clear_glass(path)
    shown = info(path)
    assert shown.returncode == code
    assert not code or "too large" in shown.stderr or "damaged" in shown.stderr
    assert "Traceback" not in shown.stderr + shown.stdout
    assert psutil.Process().memory_info().rss - before < 300e6


def test_a_chain_of_directories_without_end(tmp_path: Path) -> None:
    path = tmp_path / "loop.tif"
    content = tiled(64, 64, 1, bytes(4096))
    path.write_bytes(content[:-4] + struct.pack("<I", 8 + 4096))
    began_s = time.monotonic()
    shown = info(path)
    assert time.monotonic() - began_s < 20
    assert shown.returncode in (0, 2)
    assert "Traceback" not in shown.stderr + shown.stdout


def test_a_jpeg_tile_that_claims_another_size_is_not_decoded_here(
    pool: ReaderPool, sample_slide: Path, tmp_path: Path
) -> None:
    """60,000 x 60,000 px in the frame of one tile: 10.8 GB if anyone believed it."""
    path = tmp_path / "liar.svs"
    data = bytearray(sample_slide.read_bytes())
    with tifffile.TiffFile(sample_slide) as slide:
        page = slide.pages[0]
        offset, size = page.dataoffsets[0], page.databytecounts[0]
    frame = data.index(b"\xff\xc0", offset, offset + size)
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    path.write_bytes(data)
    before = psutil.Process().memory_info().rss
    with closing(open_isolated(path, pool=pool)) as source:
        with pytest.raises(TileError):
            source.read_tile(0, 0, 0)
        assert source.read_tile(0, 1, 0).shape == (240, 240, 3)
    assert psutil.Process().memory_info().rss - before < 300e6


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels))


def test_only_plain_jpeg_of_the_right_size_passes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    plain = _jpeg(pixels)
    assert is_baseline_of_size(plain, 48, 64)
    assert not is_baseline_of_size(plain, 64, 48)
    assert not is_baseline_of_size(plain, 48, 65)
    gray = _jpeg(np.ascontiguousarray(pixels[..., 0]))
    assert not is_baseline_of_size(gray, 48, 64)
    for other in (0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCF):
        assert not is_baseline_of_size(plain.replace(b"\xff\xc0", bytes((255, other)), 1), 48, 64)
    twelve_bits = bytearray(plain)
    twelve_bits[plain.index(b"\xff\xc0") + 4] = 12
    assert not is_baseline_of_size(bytes(twelve_bits), 48, 64)
    for size in range(len(plain)):
        cut = plain[:size]
        assert is_baseline_of_size(cut, 48, 64) == (size >= plain.index(b"\xff\xc0") + 10)
    assert not is_baseline_of_size(b"\xff\xd8" + b"\xff\xe0\0\0" * 1000, 48, 64)
    assert not is_baseline_of_size(b"\xff\xd8" + b"\xff" * 1000, 48, 64)


def test_a_tile_of_scans_without_number_is_not_decoded_here() -> None:
    """A megabyte of them takes minutes; its reader, which decodes it, is ended after one."""
    plain = _jpeg(np.zeros((64, 48, 3), np.uint8))
    decode = PlainJpegDecoder(JpegDecoder(None, is_rgb=False), 48, 64)
    assert decode(plain, for_screen=True) is not None
    at = plain.index(b"\xff\xda")
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\0"
    assert decode(plain[:at] + 3 * scan + b"\xff\xd9", for_screen=True) is not None
    assert decode(plain[:at] + 1000 * scan + b"\xff\xd9", for_screen=True) is None


@pytest.mark.parametrize("hides", [b"\xff\x00", b"\xff\x01", b"\xff\xd0", b"\xff\xd7"])
def test_a_marker_without_length_hides_no_frame(hides: bytes) -> None:
    """The decoder goes on right behind it; whoever takes a length there skips the real frame."""
    large, small = (_jpeg(np.full((*sides, 3), 90, np.uint8)) for sides in ((512, 512), (64, 48)))
    stream = large[:2] + hides + large[2:]
    skipped = 4 + int.from_bytes(large[2:4], "big")
    frame = small[small.index(b"\xff\xc0") : small.index(b"\xff\xda")]
    liar = stream.ljust(skipped, b"\0") + frame + b"\xff\xd9"
    assert imagecodecs.jpeg8_decode(liar).shape == (512, 512, 3)
    assert not is_baseline_of_size(liar, 48, 64)
    assert not is_baseline_of_size(stream, 512, 512), "it is left to the reader"
    assert not holds_no_frame(stream)
    assert coded_pixels("jpeg", liar) == 512 * 512


def test_what_markers_say_holds_for_no_tile_that_begins_otherwise() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    plain = _jpeg(pixels)
    tables_alone = JpegDecoder(None, is_rgb=True, goes_by_markers=True)
    known = PlainJpegDecoder(tables_alone, 48, 64)
    expected = tables_alone(plain)
    head = head_of(plain)
    assert head is not None
    assert plain[len(head) - 4 : len(head) - 2] == b"\xff\xda"
    for at in (*range(len(head)), len(head) + 8):
        other = plain[:at] + bytes((plain[at] ^ 0x11,)) + plain[at + 1 :]
        alone = PlainJpegDecoder(tables_alone, 48, 64)
        outcomes = [_decoded(alone, other), _decoded(known, other)]
        assert outcomes[0] == outcomes[1], f"byte {at}"
        np.testing.assert_array_equal(known(plain, for_screen=False), expected)
    larger = _jpeg(np.zeros((512, 512, 3), np.uint8))
    assert known(larger, for_screen=False) is None


def _decoded(decode: PlainJpegDecoder, data: bytes) -> object:
    try:
        image = decode(data, for_screen=False)
    except Exception as error:
        return str(error)
    return None if image is None else image.tobytes()


def test_shared_tables_hold_no_picture() -> None:
    plain = _jpeg(np.zeros((64, 48, 3), np.uint8))
    frame = plain.index(b"\xff\xc0")
    assert holds_no_frame(None)
    assert holds_no_frame(plain[:frame] + b"\xff\xd9")
    assert not holds_no_frame(plain)
    assert not holds_no_frame(plain[:frame] + b"\xff\xc2" + plain[frame + 2 :])


def test_a_reader_that_hangs_is_ended_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_children: Callable[[], list[psutil.Process]],
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    writer: Any = importlib.import_module("benchmarks.vendor_readers")
    monkeypatch.setattr(writer, "_SIDE_PX", 1024)
    path: Path = writer.write_mirax(tmp_path)
    # Deeper than the files are looked through for pipes beforehand.
    described, deep = path.with_suffix("") / "Slidedat.ini", path.with_suffix("") / "deep"
    text = described.read_bytes()
    assert b"Index.dat" in text
    described.write_bytes(text.replace(b"Index.dat", b"deep/Index.dat"))
    deep.mkdir()
    os.mkfifo(deep / "Index.dat")
    with closing(ReaderPool(lanes=1, patience_s=1.5)) as pool:
        with pytest.raises(SlideError, match=r"mrxs cannot be opened.*no progress") as told:
            open_isolated(path, pool=pool)
        assert "\n" not in str(told.value)
        assert pool.pids() == []
    assert new_children() == []


@pytest.mark.parametrize("kind", ["pipe", "zeros", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "slide.svs"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "zeros":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    began_s, computed_s = time.monotonic(), time.process_time()
    with pytest.raises(SlideError):
        open_slide(path)
    assert time.process_time() - computed_s < 2
    assert time.monotonic() - began_s < 20


def crash_stopped(pid: int) -> None:
    """Let a process that was stopped crash before it does anything more."""
    os.kill(pid, signal.SIGSEGV)
    os.kill(pid, signal.SIGCONT)


def test_a_crash_amid_a_read_is_made_good_by_a_new_process(
    pool: ReaderPool, sample_slide: Path
) -> None:
    with closing(open_isolated(sample_slide, pool=pool)) as source:
        expected = source.read_associated("macro")
        crashed = pool.pids()[0]
        os.kill(crashed, signal.SIGSTOP)  # so that the read is under way
        threading.Timer(0.3, crash_stopped, (crashed,)).start()
        assert np.array_equal(source.read_associated("macro"), expected)
        assert pool.pids() != [crashed]
        assert len(pool.pids()) == 1


def read_ten_times(source: IsolatedSource, name: str) -> None:
    for _ in range(10):
        source.read_associated(name)


def test_what_crashes_each_process_is_given_up_and_the_rest_is_read(
    pool: ReaderPool, sample_slide: Path
) -> None:
    with closing(open_isolated(sample_slide, pool=pool)) as source:
        label = source.read_associated("label")
        is_over = threading.Event()

        def kill_all() -> None:
            while not is_over.wait(0.02):
                for pid in pool.pids():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGABRT)

        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            with pytest.raises(SlideError, match=r"crashed \(Aborted\)") as told:
                read_ten_times(source, "macro")
        finally:
            is_over.set()
            killer.join()
        is_one_sentence(told.value)
        assert np.array_equal(source.read_associated("label"), label)


def test_a_read_without_progress_is_ended_and_others_go_on(sample_slide: Path) -> None:
    with (
        closing(ReaderPool(lanes=2)) as pool,
        closing(open_isolated(sample_slide, pool=pool)) as source,
    ):
        (stopped,) = pool._processes.values()
        stopped._patience_s = 1.0  # the next process may take as long as a busy machine needs
        os.kill(stopped.pid, signal.SIGSTOP)
        with pytest.raises(SlideError, match="no progress for 1 s"):
            source.read_associated("macro")
        assert source.read_associated("label").any()
        assert stopped.pid not in pool.pids()


@pytest.mark.skipif(confinement_gap() is not None, reason="nothing confines here")
def test_a_slide_that_names_files_elsewhere_does_not_get_them(
    sample_slide: Path, tmp_path: Path, pool: ReaderPool
) -> None:
    """A link beside a VMS slide leads to a picture elsewhere, which OpenSlide would open."""
    secret, folder = tmp_path / "secret", tmp_path / "slides"
    secret.mkdir()
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    (secret / "private.jpg").write_bytes(imagecodecs.jpeg8_encode(pixels))
    shutil.copy(secret / "private.jpg", folder / "own.jpg")
    (folder / "linked.jpg").symlink_to(secret / "private.jpg")
    reasons = []
    for name in ("own.jpg", "linked.jpg"):
        path = folder / "slide.vms"
        path.write_text(
            "[Virtual Microscope Specimen]\nNoJpegColumns=1\nNoJpegRows=1\nNoLayers=1\n"
            f"ImageFile={name}\nMapFile={name}\nSourceLens=20\n"
            "PhysicalWidth=1000\nPhysicalHeight=1000\n"
        )
        try:
            open_isolated(path, pool=pool).close()
            reasons.append("opened")
        except SlideError as error:
            reasons.append(str(error))
    assert "ermission" not in reasons[0], reasons
    assert "ermission" in reasons[1], reasons


@pytest.mark.skipif(confinement_gap() is not None, reason="Landlock and seccomp are not here")
def test_a_linked_folder_of_data_is_followed_to_its_target_and_no_further(tmp_path: Path) -> None:
    """Laboratories keep the data of MIRAX on other disks: who links a folder opens all of it."""
    target = tmp_path / "disk" / "data"
    target.mkdir(parents=True)
    (target / "Slidedat.ini").write_text("data")
    (target.parent / "beside").write_text("private")
    slide = tmp_path / "slide.mrxs"
    slide.touch()
    slide.with_suffix("").symlink_to(target)
    code = f"""
    places = ({str(target / "Slidedat.ini")!r}, {str(target.parent / "beside")!r})
    tell([attempt(lambda: open(place).read()) for place in places])
    """
    assert run_confined(code, readable_paths=readable_of(slide)) == ["'data'", "EACCES"]
