"""A file that is replaced, overwritten or cut while it is open is never shown under its name."""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from zarr_steps import write_image

from viewer.folders import cache_folder
from viewer.slides import SlideSource, TileError, open_slide
from viewer.slides.combining import open_combined
from viewer.slides.errors import SlideChangedError, SlideError, SlideLostError
from viewer.slides.file_version import FileVersion
from viewer.slides.former_names import former_names
from viewer.slides.slide_key import slide_key
from viewer.slides.source import expect, gone_of, screen_tile

if TYPE_CHECKING:
    from collections.abc import Callable


def gray(value: int, side: int = 1024) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def tiled(path: Path, value: int, side: int = 1024) -> None:
    tifffile.imwrite(path, gray(value, side), tile=(256, 256), photometric="rgb")


def large(path: Path, value: int, ends: int) -> None:
    """Write 8192 x 8192 px, the uppermost and lowest 512 of another gray; packs a tile of each."""
    end, middle = (zlib.compress(gray(each, 256).tobytes()) for each in (ends, value))
    tiles = [end] * 64 + [middle] * (28 * 32) + [end] * 64
    tifffile.imwrite(
        path, iter(tiles), shape=(8192, 8192, 3), dtype=np.uint8, tile=(256, 256),
        photometric="rgb", compression="zlib",
    )  # fmt: skip


def png(path: Path, value: int) -> None:
    Image.fromarray(gray(value)).save(path, format="PNG")


def striped(path: Path, value: int) -> None:
    tifffile.imwrite(path, gray(value), photometric="rgb", rowsperstrip=16)


def replaced(path: Path, write: Callable[[Path, int], None]) -> None:
    other = path.with_name("other")
    write(other, 50)
    other.replace(path)


def overwritten(path: Path, write: Callable[[Path, int], None]) -> None:
    other = path.with_name("other")
    write(other, 50)
    with path.open("r+b") as file:
        file.write(other.read_bytes())
        file.truncate()


def cut(path: Path, write: Callable[[Path, int], None]) -> None:
    os.truncate(path, path.stat().st_size // 2)


def written_in_secret(path: Path, write: Callable[[Path, int], None]) -> None:
    """Overwrite a file with as many bytes, and set its times back."""
    before = path.stat()
    other = path.with_name("other")
    write(other, 50)
    data = other.read_bytes()[: before.st_size].ljust(before.st_size, b"\0")
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("change", [replaced, overwritten, cut, written_in_secret])
@pytest.mark.parametrize("write", [tiled, png, striped])
def test_every_reader_notices_on_the_next_read(
    tmp_path: Path,
    write: Callable[[Path, int], None],
    change: Callable[[Path, Callable[[Path, int], None]], None],
) -> None:
    path = tmp_path / "slide.tif"
    write(path, 200)
    source = open_slide(path)
    top = len(source.levels) - 1
    assert (source.read_tile(0, 0, 0) == 200).all()
    assert (source.read_tile(top, 0, 0) == 200).all()
    change(path, write)
    for place in ((0, 1, 1), (0, 0, 0), (top, 0, 0)):
        with pytest.raises(SlideChangedError, match=r"slide\.tif was changed on the disk while"):
            source.read_tile(*place)
    source.close()


def test_the_file_is_looked_at_once_a_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    looks: list[Path] = []
    check = FileVersion.check

    def counted(version: FileVersion) -> None:
        looks.append(version.path)
        check(version)

    with closing(open_slide(path)) as source:
        top = len(source.levels) - 1
        assert top > 0, "a level is made here"
        source.read_tile(top, 0, 0)
        monkeypatch.setattr(FileVersion, "check", counted)
        for read in (source.read_tile, partial(screen_tile, source)):
            for place in ((0, 1, 1), (top, 0, 0)):
                looks.clear()
                read(*place)
                assert looks == [path]


@pytest.mark.parametrize("change", [replaced, cut, written_in_secret])
def test_openslide_and_the_direct_path_notice(
    tmp_path: Path,
    sample_slide: Path,
    shared_slide: Callable[[str], Path],
    change: Callable[[Path, Callable[[Path, int], None]], None],
) -> None:
    for name in (sample_slide, shared_slide("slides/test3-DAPI-2-387.ndpi")):
        path = tmp_path / name.name
        shutil.copyfile(name, path)
        source = open_slide(path)
        source.read_tile(0, 0, 0)
        change(path, tiled)
        with pytest.raises(SlideChangedError):
            source.read_tile(0, 1, 0)
        for picture in source.info.associated:
            with pytest.raises(SlideChangedError):
                source.read_associated(picture)
        source.close()


def test_one_file_of_several_counts(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    folder = tmp_path / "dicom"
    shutil.copytree(shared_slide("dicom-folder"), folder)
    files = sorted(folder.rglob("*.dcm"))
    source = open_slide(files[0])
    source.read_tile(0, 0, 0)
    with files[-1].open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SlideChangedError):
        source.read_tile(0, 0, 0)
    source.close()


def test_a_slide_that_was_moved_while_open_did_not_change(
    tmp_path: Path, sample_slide: Path
) -> None:
    path = tmp_path / "slide.svs"
    shutil.copyfile(sample_slide, path)
    source = open_slide(path)
    expected = source.read_tile(0, 0, 0)
    path.rename(tmp_path / "moved.svs")
    np.testing.assert_array_equal(source.read_tile(0, 0, 0), expected)
    source.close()


def _permissions(path: Path) -> None:
    path.chmod(0o640)
    path.chmod(0o600)


def _another_name(path: Path) -> None:
    os.link(path, path.with_name("backup"))


def _there_and_back(path: Path) -> None:
    path.rename(path.with_name("away")).rename(path)


def _times_set_as_they_were(path: Path) -> None:
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _was_read(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [_permissions, _another_name, _there_and_back, _times_set_as_they_were, _was_read],
)
@pytest.mark.parametrize("write", [tiled, partial(large, ends=200)])
def test_what_changes_no_content_is_no_change(
    tmp_path: Path, write: Callable[[Path, int], None], change: Callable[[Path], None]
) -> None:
    path = tmp_path / "slide.tif"
    write(path, 200)
    with closing(open_slide(path)) as source:
        source.info.learn_identity()
        for _ in range(3):
            change(path)
            assert (source.read_tile(0, 1, 1) == 200).all()
            path.with_name("backup").unlink(missing_ok=True)
            assert (source.read_tile(0, 0, 0) == 200).all()
        written_in_secret(path, write)
        with pytest.raises(SlideChangedError):
            source.read_tile(0, 1, 0)


def test_permissions_are_no_content_before_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    with closing(open_slide(path)) as source:
        path.chmod(0o640)
        assert (source.read_tile(0, 0, 0) == 200).all()
        assert source.info.identity


def test_a_file_system_whose_times_move_by_themselves_is_not_read_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    looks: list[Path] = []

    def counted(where: Path, image: str = "") -> str:
        looks.append(where)
        return slide_key(where, image)

    monkeypatch.setattr("viewer.slides.identity.slide_key", counted)
    with closing(open_slide(path)) as source:
        source.info.learn_identity()
        for _ in range(40):
            _times_set_as_they_were(path)
            source.read_tile(0, 1, 1)
    assert len(looks) == 17


@pytest.mark.parametrize("change", [replaced, written_in_secret])
def test_who_opens_a_changed_slide_again_never_reads_it_by_the_old_directories(
    tmp_path: Path, change: Callable[[Path, Callable[[Path, int], None]], None]
) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    with closing(open_slide(path)) as before:
        before.read_tile(0, 0, 0)
        change(path, partial(tiled, side=512))
        with closing(open_slide(path)) as after:
            assert (after.levels[0].width_px, before.levels[0].width_px) == (512, 1024)
            assert (after.read_tile(0, 0, 0) == 50).all()
            assert after.info.identity


def test_a_combined_slide_notices_a_change_of_one_of_its_slides(tmp_path: Path) -> None:
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in paths:
        tiled(path, 200)
    with closing(open_combined(paths)) as source:
        source.read_tile(0, 0, 0)
        overwritten(paths[1], tiled)
        with pytest.raises(SlideChangedError, match=r"^b\.tif was changed"):
            source.read_tile(0, 1, 1)
        with pytest.raises(SlideChangedError, match=r"^b\.tif was changed"):
            source.read_channels(0, 0, 0, (0, 1))


def test_the_former_names_are_never_those_of_the_other_file(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    with closing(open_slide(path)) as source:
        assert source.info.identity
        replaced(path, tiled)
        for name in former_names(path, {}):
            with pytest.raises(SlideChangedError):
                source.info.is_called(name)


def test_a_slide_that_is_gone_is_said_where_it_cannot_be_read_on(
    tmp_path: Path, sample_slide: Path, shared_slide: Callable[[str], Path]
) -> None:
    said = r"cannot be read any more \(No such file or directory\): check that its drive"
    ndpi, svs = tmp_path / "a.ndpi", tmp_path / "a.svs"
    shutil.copyfile(shared_slide("slides/test3-DAPI-2-387.ndpi"), ndpi)
    shutil.copyfile(sample_slide, svs)
    with closing(open_slide(ndpi)) as source:
        level = source.levels[0]
        ndpi.unlink()
        with pytest.raises(SlideLostError, match=r"^a\.ndpi " + said) as caught:
            source.read_tile(0, level.columns - 1, level.rows - 1)
        assert not isinstance(caught.value, SlideChangedError)
    with closing(open_slide(svs)) as source:
        svs.unlink()
        source.read_tile(0, 1, 1)  # what is open
        assert gone_of(source).startswith("a.svs is not in its place any more")
        for picture in source.info.associated:
            with pytest.raises(SlideLostError, match=r"^a\.svs " + said):
                source.read_associated(picture)
        shutil.copyfile(sample_slide, svs)
        with pytest.raises(SlideChangedError):
            source.read_tile(0, 1, 1)


def test_a_file_of_several_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _mirax(tmp_path, monkeypatch)
    with closing(open_slide(path)) as source:
        source.info.learn_identity()
        file = path.with_suffix("") / "Data0000.dat"
        away = file.rename(tmp_path / "away")
        with pytest.raises(SlideLostError, match=r"^Data0000\.dat of tissue\.mrxs cannot be read"):
            source.read_tile(0, 3, 3)
        away.rename(file)
        assert source.read_tile(0, 3, 3).shape == (256, 256, 3)
        assert gone_of(source) == ""


@pytest.mark.parametrize("name", ["a.vms", "a.vmu", "a.tif"])
def test_the_macro_in_a_file_of_its_own_counts_while_open(tmp_path: Path, name: str) -> None:
    """It shows the label. What is kept of the slide is found by what its key was made of before."""
    path = tmp_path / name
    if name == "a.tif":  # of Trestle
        tiled(path, 200)
        macro = tmp_path / "a.Full"
    else:
        path.write_text("ImageFile=a.jpg\nMacroImage=a_macro.jpg\n")
        (tmp_path / "a.jpg").write_bytes(b"pixels")
        macro = tmp_path / "a_macro.jpg"
    macro.write_bytes(b"of one patient")
    version, key = FileVersion(path), slide_key(path)
    version.check()
    macro.write_bytes(b"of another patient")
    with pytest.raises(SlideChangedError, match=rf"^{name} was changed"):
        version.check()
    assert slide_key(path) == key
    version = FileVersion(path)
    macro.unlink()
    version.check()
    assert version.gone.startswith(f"{macro.name} of {name} is not in its place any more")


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_slide_that_is_still_written_is_called_neither_damaged_nor_cut_short(
    tmp_path: Path, sample_slide: Path, share: float
) -> None:
    data = sample_slide.read_bytes()
    path = tmp_path / "slide.svs"
    path.write_bytes(data[: int(len(data) * share)])
    is_over = threading.Event()

    def write_on() -> None:
        with path.open("ab", buffering=0) as file:
            while not is_over.wait(0.002):
                file.write(b"\0")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_on)
        try:
            with pytest.raises(SlideError) as caught:
                open_slide(path)
        finally:
            is_over.set()
        writing.result()
    said = (
        "slide.svs is still being written: open it again once it is complete.",
        "slide.svs was changed on the disk while it was open: open it again to see it as it is "
        "now.",
    )
    assert str(caught.value) == said[share > 0.5]
    path.write_bytes(data)
    with closing(open_slide(path)) as source:
        assert source.info.identity == slide_key(sample_slide)


def test_the_identity_is_never_that_of_the_other_file(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tiled(path, 200)
    source = open_slide(path)
    replaced(path, tiled)
    with pytest.raises(SlideChangedError):
        _ = source.info.identity
    source.close()


def _overview(source: SlideSource) -> int:
    top = len(source.levels) - 1
    return int(source.read_tile(top, 0, 0).mean())


def test_slides_that_differ_in_one_tag_share_no_cache(tmp_path: Path) -> None:
    """Same size, same ends, same smallest level: version 0.1 took them for one slide."""
    paths = [tmp_path / f"{value}.tif" for value in (200, 50)]
    for path, value in zip(paths, (200, 50), strict=True):
        large(path, value, ends=128)
    seen = []
    for path in paths:
        source = open_slide(path)
        seen.append(_overview(source))
        source.close()
    assert seen[0] - seen[1] > 100
    assert len(list((cache_folder() / "levels").iterdir())) == 2


def test_tiles_made_of_a_changed_file_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    large(path, 200, ends=200)
    source = open_slide(path)
    _ = source.info.identity
    replaced(path, tiled)
    with pytest.raises(TileError):
        _overview(source)
    source.close()
    assert not list((cache_folder() / "levels").glob("*/*"))


def test_a_folder_of_zarr_that_is_gone_shows_no_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    values = np.random.default_rng(1).integers(0, 256, (3, 600, 700), dtype=np.uint8)
    write_image(path, [values], "cyx", channels_per_chunk=3)
    with closing(open_slide(path)) as source:
        assert source.read_tile(0, 0, 0).max() > 0
        path.rename(tmp_path / "other")
        with pytest.raises(TileError, match="cannot be read"):
            source.read_tile(0, 2, 2)


def _overwrite(chunk: Path, other: Path) -> None:
    chunk.write_bytes(other.read_bytes())


def _replace(chunk: Path, other: Path) -> None:
    other.replace(chunk)  # which is older than the moment of opening


def _cut_in_half(chunk: Path, other: Path) -> None:
    del other
    os.truncate(chunk, chunk.stat().st_size // 2)


def _overwrite_with_its_time(chunk: Path, other: Path) -> None:
    shutil.copy2(other, chunk)  # as `cp -p` does


def _replace_with_other_rights(chunk: Path, other: Path) -> None:
    other.chmod(0o640)
    other.replace(chunk)


def _take_away(chunk: Path, other: Path) -> None:
    del other
    chunk.unlink()


@pytest.mark.parametrize(
    "change",
    [
        _overwrite,
        _replace,
        _cut_in_half,
        _take_away,
        _overwrite_with_its_time,
        _replace_with_other_rights,
    ],
)
@pytest.mark.parametrize("was_read", [True, False])
def test_a_chunk_of_a_zarr_that_changes_is_noticed(
    tmp_path: Path, change: Callable[[Path, Path], None], was_read: bool
) -> None:
    path, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    numbers = np.random.default_rng(1)
    for each in (path, other):
        values = numbers.integers(1, 256, (3, 256, 256), dtype=np.uint8)
        write_image(each, [values, values[:, ::2, ::2]], "cyx", channels_per_chunk=3)
    chunk = "0/c/0/1/1"
    with closing(open_slide(path)) as source:
        source.read_tile(0, 1 if was_read else 0, 1 if was_read else 0)
        try:
            change(path / chunk, other / chunk)
            with pytest.raises(SlideChangedError, match=r"^a\.zarr was changed on the disk while"):
                source.read_tile(0, 1, 1)
            # Who opens it again sees it as it is, while the other is still open.
            with closing(open_slide(path)) as again:
                if change not in (_cut_in_half, _take_away):
                    assert again.read_tile(0, 1, 1).min() > 0
                assert again.read_tile(0, 0, 0).min() > 0
        finally:
            shutil.rmtree(path)


@pytest.mark.parametrize("was_read", [True, False])
def test_rights_and_names_of_a_chunk_are_not_its_content(tmp_path: Path, was_read: bool) -> None:
    path = tmp_path / "a.zarr"
    values = np.random.default_rng(1).integers(1, 256, (3, 256, 256), dtype=np.uint8)
    write_image(path, [values, values[:, ::2, ::2]], "cyx", channels_per_chunk=3)
    chunk = path / "0/c/0/1/1"
    with closing(open_slide(path)) as source:
        shown = source.read_tile(0, 1, 1) if was_read else None
        for mode in (0o600, 0o640):
            chunk.chmod(mode)
            again = source.read_tile(0, 1, 1)
            assert shown is None or np.array_equal(shown, again)
        os.link(chunk, tmp_path / "backup")
        source.read_tile(0, 1, 1)
        shutil.copy2(chunk, tmp_path / "same")
        shutil.copy2(tmp_path / "same", chunk)
        with pytest.raises(SlideChangedError):
            source.read_tile(0, 1, 1)


def _mirax(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    writer: Any = importlib.import_module("benchmarks.vendor_readers")
    monkeypatch.setattr(writer, "_SIDE_PX", 1024)
    return writer.write_mirax(folder)


@pytest.mark.parametrize("name", ["Data0000.dat", "Index.dat", "Slidedat.ini"])
def test_a_file_of_a_mirax_folder_that_changes_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = _mirax(tmp_path, monkeypatch)
    file = path.with_suffix("") / name
    with closing(open_slide(path)) as source:
        assert source.info.vendor == "mirax"
        source.read_tile(0, 0, 0)
        data = file.read_bytes()
        file.write_bytes(data[::-1])
        with pytest.raises(SlideChangedError):
            source.read_tile(0, 1, 0)
        file.write_bytes(data)
        with closing(open_slide(path)) as again:  # by a process of its own, with what is there now
            assert again.read_tile(0, 1, 0).shape == (256, 256, 3)


def test_what_a_mirax_folder_holds_now_is_read_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its main file, by whose version readers were once shared, stays as it is."""
    path = _mirax(tmp_path, monkeypatch)
    with closing(open_slide(path)) as before:
        before.read_tile(0, 0, 0)
        description = path.with_suffix("") / "Slidedat.ini"
        text = description.read_text()
        assert "MICROMETER_PER_PIXEL_X = 0.5" in text
        description.write_text(text.replace("PER_PIXEL_X = 0.5", "PER_PIXEL_X = 0.2"))
        with closing(open_slide(path)) as after:
            assert after.info.optics.mpp_um != before.info.optics.mpp_um


@pytest.mark.parametrize("change", [replaced, overwritten])
def test_a_change_while_tiles_are_read_ahead_is_noticed(
    tmp_path: Path, change: Callable[[Path, Callable[[Path, int], None]], None]
) -> None:
    path = tmp_path / "slide.tif"
    striped(path, 200)
    with closing(open_slide(path)) as source:
        places = [(0, column, row) for row in range(4) for column in range(4)]
        expect(source, places)
        assert (source.read_tile(*places[0]) == 200).all()  # the next is read meanwhile
        change(path, striped)
        for place in places[1:]:
            with pytest.raises(SlideChangedError):
                source.read_tile(*place)
