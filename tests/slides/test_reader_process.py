"""Slides read by a process of their own: the same pixels, one process a slide."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import tifffile
from openslide import OpenSlide
from PIL import Image

from viewer.memory.warm_memory import WarmMemory, use
from viewer.processes.confinement.launching import confinement_gap
from viewer.processes.shared_pixels import SharedPixels
from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process import host
from viewer.slides.reader_process import process as process_module
from viewer.slides.reader_process.pool import ReaderPool, reader_pool
from viewer.slides.reader_process.process import ReaderProcess
from viewer.slides.reader_process.source import IsolatedSource, open_isolated
from viewer.slides.readers.openslide.source import OpenSlideSource
from viewer.slides.source import screen_tile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from viewer.slides import SlideSource

pytestmark = pytest.mark.usefixtures("real_children")

KINDS = [
    "slides/TCGA-CR-7395-01A-01-TS1.svs",  # JPEG 2000
    "slides/boxes.tiff",
    "slides/boxes_0.dcm",
    "slides/camelyon-multiframe.dcm",
    "slides/sm_image.dcm",
    "slides/small-16x16.svs",
    "slides/test3-DAPI-2-387.ndpi",
    "slides/unreadable.svs",
    "not-openslide/OS-1-detail.ome.tif",
    "not-openslide/instanseg_HE_example.tif",
    "not-openslide/stardist-histo.jpg",
]


@pytest.fixture(autouse=True)
def no_other_processes() -> None:
    """End the readers of slides that earlier tests left open: the tests here count processes."""
    reader_pool().close()


@pytest.fixture
def pool() -> Generator[ReaderPool]:
    with closing(ReaderPool(lanes=2, patience_s=30)) as pool:
        yield pool


def wait_for(condition: Callable[[], bool], patience_s: float = 20) -> None:
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def are_stopped(pid: int) -> bool:
    """Whether all threads of a process stand still; on a busy machine they do so one by one."""
    return all(
        psutil.Process(each.id).status() == psutil.STATUS_STOPPED
        for each in psutil.Process(pid).threads()
    )


def some_tiles(source: SlideSource) -> list[tuple[int, int, int]]:
    """Corners and middle of each level."""
    return [
        (number, column, row)
        for number, level in enumerate(source.levels)
        for column in sorted({0, level.columns // 2, level.columns - 1})
        for row in sorted({0, level.rows // 2, level.rows - 1})
    ]


def outcome(source: SlideSource, tile: tuple[int, int, int]) -> object:
    try:
        return source.read_tile(*tile).tobytes()
    except TileError as error:
        return str(error)


def picture_of(source: SlideSource, name: str) -> object:
    try:
        return source.read_associated(name).tobytes()
    except SlideError as error:
        return str(error)


@pytest.mark.parametrize("name", ["sample", *KINDS])
def test_all_is_as_without_the_process(
    name: str, pool: ReaderPool, shared_slide: Callable[[str], Path], sample_slide: Path
) -> None:
    path = sample_slide if name == "sample" else shared_slide(name)
    with closing(open_here(path)) as here, closing(open_isolated(path, pool=pool)) as there:
        assert there.info == here.info
        assert there.levels == here.levels
        for tile in some_tiles(here):
            assert outcome(there, tile) == outcome(here, tile)
        for picture in here.info.associated:
            assert picture_of(there, picture) == picture_of(here, picture)
        with pytest.raises(SlideError):
            there.read_associated("no such image")


def test_plain_jpeg_tiles_are_decoded_without_the_process(
    pool: ReaderPool, sample_slide: Path
) -> None:
    with closing(open_isolated(sample_slide, pool=pool)) as source:
        expected = source.read_tile(0, 3, 4)
        os.kill(pool.pids()[0], signal.SIGSTOP)
        assert np.array_equal(source.read_tile(0, 3, 4), expected)
        for tile in some_tiles(source):
            source.read_tile(*tile)


def test_progressive_jpeg_tiles_come_from_the_process(pool: ReaderPool, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (512, 512, 3), np.uint8)
    path = tmp_path / "progressive.tif"
    tiles = []
    for y, x in ((0, 0), (0, 256), (256, 0), (256, 256)):
        data = BytesIO()
        tile = Image.fromarray(pixels[y : y + 256, x : x + 256])
        tile.save(data, "JPEG", quality=95, progressive=True)
        tiles.append(data.getvalue())
    assert all(b"\xff\xc2" in tile for tile in tiles), "they are to be progressive"
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=pixels.shape,
        dtype=np.uint8,
        tile=(256, 256),
        photometric="ycbcr",
        compression="jpeg",
        subsampling=(2, 2),
    )
    with closing(open_isolated(path, pool=pool)) as there, closing(open_here(path)) as here:
        for tile in some_tiles(here):
            assert outcome(there, tile) == outcome(here, tile)
        os.kill(pool.pids()[0], signal.SIGSTOP)
        wait_for(lambda: are_stopped(pool.pids()[0]))
        late = threading.Thread(target=outcome, args=(there, (0, 1, 1)))
        late.start()
        late.join(0.3)
        assert late.is_alive(), "it was decoded in this process"
        os.kill(pool.pids()[0], signal.SIGCONT)
        late.join(20)


@pytest.mark.skipif(confinement_gap() is not None, reason="nothing confines here")
def test_the_process_has_one_thread_until_it_is_told_its_slide(sample_slide: Path) -> None:
    """A thread that exists before the rights are given up would keep them."""
    process = ReaderProcess()
    try:
        child = psutil.Process(process.pid)
        loaded = Path(f"/proc/{process.pid}/maps")
        wait_for(lambda: all(name in loaded.read_text() for name in ("openslide", "_multiarray")))
        wait_for(lambda: child.status() == psutil.STATUS_SLEEPING)
        assert len(os.listdir(f"/proc/{process.pid}/task")) == 1
        process.open(sample_slide, None, [str(sample_slide)])
        wait_for(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1)
        assert "Seccomp:\t2" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.end()


def test_a_process_takes_little_memory(pool: ReaderPool, sample_slide: Path) -> None:
    with closing(open_isolated(sample_slide, pool=pool)) as source:
        source.read_associated("macro")
        memory = psutil.Process(pool.pids()[0]).memory_full_info()
        assert memory.uss < 60e6


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of another process")
def test_a_process_may_take_half_of_the_memory_and_8_gib_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import resource

    gib = 1 << 30
    memory = psutil.virtual_memory()._replace(total=10 * gib)
    monkeypatch.setattr(process_module.psutil, "virtual_memory", lambda: memory)
    process = ReaderProcess()
    try:
        assert resource.prlimit(process.pid, resource.RLIMIT_DATA) == (5 * gib, 5 * gib)
        given: list[object] = []
        monkeypatch.setattr(resource, "prlimit", lambda _pid, _kind, most: given.append(most))
        for total_gib, most_gib in ((64, 8), (6, 3), (1, 2)):
            memory = memory._replace(total=total_gib * gib)
            process_module._bound_memory(process.pid)
            assert given[-1] == (most_gib * gib, most_gib * gib)
    finally:
        process.end()


def copies(slide: Path, folder: Path, count: int) -> list[Path]:
    return [Path(shutil.copy(slide, folder / f"{number}.svs")) for number in range(count)]


def test_the_slide_read_least_recently_gives_its_process_up(
    pool: ReaderPool, sample_slide: Path, tmp_path: Path
) -> None:
    pool = ReaderPool(max_processes=2, lanes=1)
    first, second, third = (
        open_isolated(path, pool=pool) for path in copies(sample_slide, tmp_path, 3)
    )
    pids = pool.pids()
    assert len(pids) == 2
    macro = first.read_associated("macro")  # in a new process, for which the second's ends
    assert len(pool.pids()) == 2
    assert pool.pids()[0] == pids[1]
    for source in (second, third, first):
        assert np.array_equal(source.read_associated("macro"), macro)
        assert len(pool.pids()) == 2
    for source in (first, second, third):
        source.close()
    assert pool.pids() == []
    pool.close()


def test_no_more_than_eight_processes(
    sample_slide: Path, tmp_path: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    with closing(ReaderPool(lanes=1)) as pool:
        sources = [open_isolated(path, pool=pool) for path in copies(sample_slide, tmp_path, 10)]
        assert len(pool.pids()) == 8
        assert len(new_children()) == 8
        for source in sources:
            source.read_tile(0, 0, 0)
            source.close()
        assert new_children() == []


def test_reads_under_way_survive_the_end_of_their_process(
    sample_slide: Path, tmp_path: Path
) -> None:
    """Two slides quarrel about one process; each read gives the right pixels in the end."""
    with closing(ReaderPool(max_processes=1, lanes=2)) as pool:
        sources = [open_isolated(path, pool=pool) for path in copies(sample_slide, tmp_path, 2)]
        expected = sources[0].read_associated("label")
        right: list[bool] = []

        def read(source: IsolatedSource) -> None:
            for _ in range(4):
                right.append(np.array_equal(source.read_associated("label"), expected))

        threads = [threading.Thread(target=read, args=(source,)) for source in sources * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert right == 16 * [True]
        for source in sources:
            source.close()


def test_who_opens_the_same_file_shares_its_process(pool: ReaderPool, sample_slide: Path) -> None:
    first, second = open_isolated(sample_slide, pool=pool), open_isolated(sample_slide, pool=pool)
    assert len(pool.pids()) == 1
    first.close()
    first.close()
    assert second.read_associated("macro").shape == (431, 1280, 3)
    with pytest.raises(TileError, match="closed"):
        first.read_tile(0, 0, 0)
    second.close()
    assert pool.pids() == []


def test_the_process_in_reserve_is_taken_and_replaced(
    pool: ReaderPool, sample_slide: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    pool.keep_spare()
    spare = new_children()[0].pid
    with closing(open_isolated(sample_slide, pool=pool)):
        assert pool.pids() == [spare]
        wait_for(lambda: len(new_children()) == 2)


def test_a_reserve_that_died_is_not_taken(
    pool: ReaderPool, sample_slide: Path, new_children: Callable[[], list[psutil.Process]]
) -> None:
    pool.keep_spare()
    (spare,) = new_children()
    folder = Path(spare.cwd())
    spare.kill()
    wait_for(lambda: not spare.is_running() or spare.status() == psutil.STATUS_ZOMBIE)
    with closing(open_isolated(sample_slide, pool=pool)) as source:
        assert source.read_associated("macro").any()
        assert spare not in new_children(), "it is left as a zombie"
        assert not folder.exists()


def test_processes_end_with_the_program_even_when_it_is_killed(
    sample_slide: Path,
) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from viewer.slides import open_slide\n"
        "from viewer.slides.reader_process.pool import reader_pool\n"
        "source = open_slide(Path(sys.argv[1])); reader_pool().keep_spare()\n"
        "print(*reader_pool().pids(), flush=True); time.sleep(60)\n"
    )
    for end in (signal.SIGKILL, signal.SIGTERM):
        run = subprocess.Popen(
            [sys.executable, "-c", program, sample_slide], stdout=subprocess.PIPE, text=True
        )
        assert run.stdout
        reader = int(run.stdout.readline())
        children = psutil.Process(run.pid).children()
        assert reader in [child.pid for child in children]
        assert len(children) == 2
        run.send_signal(end)
        run.wait(20)
        run.stdout.close()
        _, alive = psutil.wait_procs(children, 20)
        assert alive == []


def test_folders_that_the_settings_name_are_read_without_a_process(
    sample_slide: Path,
    tmp_path: Path,
    own_home: Path,
    new_children: Callable[[], list[psutil.Process]],
) -> None:
    import msgspec

    trusted, other = tmp_path / "trusted" / "deep", tmp_path / "other"
    for folder in (trusted, other):
        folder.mkdir(parents=True)
        shutil.copy(sample_slide, folder / "slide.svs")
    (other / "link").symlink_to(trusted)
    (trusted / "from-outside.svs").symlink_to(other / "slide.svs")
    (own_home / "config").mkdir(exist_ok=True)
    (own_home / "config" / "settings.json").write_bytes(
        msgspec.json.encode({"trusted_folders": [str(tmp_path / "trusted")]})
    )
    for path, is_trusted in (
        (trusted / "slide.svs", True),
        (other / "link" / "slide.svs", True),
        (other / "slide.svs", False),
        (trusted / "from-outside.svs", False),
    ):
        with closing(open_slide(path)) as source:
            assert (new_children() == []) is is_trusted, path
            assert source.read_tile(0, 0, 0).any()


@pytest.mark.parametrize("name", ["sample", "slides/test3-DAPI-2-387.ndpi", "slides/boxes_0.dcm"])
def test_tiles_for_the_screen_hold_the_same_colors(
    name: str, shared_slide: Callable[[str], Path], sample_slide: Path
) -> None:
    path = sample_slide if name == "sample" else shared_slide(name)
    with closing(open_slide(path)) as source:
        for place in some_tiles(source):
            rgb, screen = source.read_tile(*place), screen_tile(source, *place)
            if screen.shape[2] == 4:
                assert (screen[..., 3] == 255).all()
                screen = screen[..., 2::-1]
            assert np.array_equal(rgb, screen)
        # JPEG tiles, which are decoded here, and what OpenSlide reads need no conversion.
        assert screen_tile(source, 0, 0, 0).shape[2] == 4


def test_tiles_for_the_screen_lie_in_memory_for_tiles(
    pool: ReaderPool, shared_slide: Callable[[str], Path]
) -> None:
    """Also those that come from the process, as of all formats that OpenSlide alone reads."""

    class Noted(WarmMemory):
        def take(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
            taken.append(super().take(shape))
            return taken[-1]

    taken: list[NDArray[np.uint8]] = []
    path = shared_slide("slides/test3-DAPI-2-387.ndpi")
    with (
        closing(open_isolated(path, pool=pool)) as slide,
        ThreadPoolExecutor(1, initializer=use, initargs=(Noted(),)) as thread,
    ):
        rgb = thread.submit(slide.read_tile, 0, 2, 1).result()
        screen = thread.submit(screen_tile, slide, 0, 2, 1).result()
    assert screen.shape[2] == 4
    assert [screen is each for each in taken] == [True]
    assert np.array_equal(screen[..., 2::-1], rgb)


def test_transparent_parts_lie_on_the_background_for_the_screen_too(sample_slide: Path) -> None:
    source = OpenSlideSource(sample_slide, OpenSlide(sample_slide))
    source._background = np.array([200, 150, 100], np.uint8)
    bgra = np.array([[[10, 20, 30, 255], [5, 6, 7, 100], [0, 0, 0, 0]]], np.uint8)
    laid = source._on_background(bgra)
    assert laid.tolist() == [[[10, 20, 30, 255], [66, 97, 129, 255], [100, 150, 200, 255]]]


def test_a_process_in_reserve_has_opened_a_slide_and_touched_the_memory_for_tiles(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SlideSource] = []

    def noted(path: Path, *arguments: Any) -> SlideSource:
        opened.append(open_here(path, *arguments))
        return opened[-1]

    monkeypatch.setattr(host, "open_here", noted)
    shared = SharedPixels.create(1 << 20, 4)
    assert shared is not None
    with closing(shared):
        host._warm_up(sample_slide, shared)
        for slot in range(4):
            assert os.lseek(shared.descriptor, slot << 20, os.SEEK_DATA) == slot << 20
    (source,) = opened
    with pytest.raises(TileError, match="closed"):
        source.read_tile(0, 0, 0)
    host._warm_up(tmp_path / "missing.svs", None)  # as in an installation without it
