"""The content key: found again after a move, and shared by no two files that differ."""

from __future__ import annotations

import os
import shutil
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.encaps import encapsulate
from test_ome_sets import write_set

from viewer.slides import open_slide
from viewer.slides.file_version import FileVersion
from viewer.slides.files.slide_files import slide_files
from viewer.slides.former_names import former_names
from viewer.slides.readers.shared_file import SharedFile
from viewer.slides.slide_key import MOST_BYTES, is_slide_key, slide_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def big_slide(path: Path, *, pages: int = 5, description: str = "a slide") -> Path:
    """More than is read as a whole: uncompressed, so that tiles of other pixels are as long."""
    rng = np.random.default_rng(3)
    with tifffile.TiffWriter(path, bigtiff=path.stem.startswith("big")) as out:
        for page in range(pages):
            side = 2048 >> page
            out.write(
                rng.integers(0, 255, (side, side, 3), np.uint8),
                tile=(256, 256),
                photometric="rgb",
                subfiletype=int(page > 0),
                description=description if page == 0 else None,
                resolution=(20_000 + page, 20_000),
                resolutionunit="CENTIMETER",
                iccprofile=b"\x07" * 3_000_000 if page == 1 else None,
                metadata=None,
            )
    return path


@contextmanager
def changed(path: Path, at: int, data: bytes) -> Iterator[None]:
    """Let a file hold other bytes at a place for a while."""
    with path.open("r+b", buffering=0) as file:
        descriptor = file.fileno()
        before = os.pread(descriptor, len(data), at)
        os.pwrite(descriptor, data, at)
        yield
        os.pwrite(descriptor, before, at)


@pytest.mark.parametrize("name", ["classic.tif", "big.tif"])
def test_any_tag_of_any_directory_counts(tmp_path: Path, name: str) -> None:
    path = big_slide(tmp_path / name)
    before = slide_key(path)
    assert is_slide_key(before)
    whole = path.read_bytes()
    keys = {before}
    with tifffile.TiffFile(path) as tiff:
        places = [
            (page.index, tag.code, tag.valueoffset, tag.valuebytecount)
            for page in tiff.pages
            for tag in page.aspage().tags
        ]
    for _, code, offset, size in places:
        at = offset + (size // 2 if code == 34675 else size - 1)
        with changed(path, at, bytes([whole[at] ^ 1])):
            keys.add(slide_key(path))
    assert slide_key(path) == before
    assert len(keys) == len(places) + 1


def counts_all_over(path: Path, start: int, size: int, places: int = 25) -> bool:
    """Return whether each of some bytes of a part of a file decides the key."""
    keys = {slide_key(path)}
    whole = path.read_bytes()
    for number in range(places):
        at = start + (size - 1) * number // (places - 1)
        with changed(path, at, bytes([whole[at] ^ 1])):
            keys.add(slide_key(path))
    return len(keys) == places + 1


def test_all_of_a_long_value_counts_and_tags_behind_it_too(tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    noise = np.random.default_rng(3).integers(0, 255, (1024, 1024, 3), np.uint8)
    texts = [(270, 2, 0, "<OME>" + "x" * size, True) for size in (700_000, 900_000)]
    with tifffile.TiffWriter(path) as out:
        for text in texts:
            out.write(noise, tile=(256, 256), photometric="rgb", metadata=None, extratags=[text])
        out.write(noise, tile=(256, 256), photometric="rgb", metadata=None, software="A")
    with tifffile.TiffFile(path) as tiff:
        tags = [page.aspage().tags for page in tiff.pages]
        values = [each["ImageDescription"] for each in tags[:2]]
        software = tags[2]["Software"]
    for tag in values:
        assert counts_all_over(path, tag.valueoffset, tag.valuebytecount)
    assert counts_all_over(path, software.valueoffset, 2, 2)


def test_all_that_is_said_before_and_behind_pixels_counts(tmp_path: Path) -> None:
    noise = np.random.default_rng(4).integers(0, 255, 8_000_000, np.uint8).tobytes()
    path = tmp_path / "a.png"  # or JPEG, JPEG 2000, iSyntax, DICOM: a head, pixels, a tail
    path.write_bytes(b"\x89PNG" + noise)
    assert counts_all_over(path, 0, 1_500_000)
    assert counts_all_over(path, path.stat().st_size - 500_000, 500_000)


def test_the_metadata_of_a_czi_counts_wherever_it_lies(tmp_path: Path) -> None:
    create_czi = pytest.importorskip("pylibCZIrw.czi").create_czi
    path = tmp_path / "a.czi"
    noise = np.random.default_rng(5).integers(0, 255, (1024, 1024, 3), np.uint8)
    with create_czi(str(path), compression_options="uncompressed:") as document:
        for number in range(3):
            document.write(noise, plane={"C": 0, "Z": 0, "T": 0}, location=(1024 * number, 0))
        document.write_metadata("field", scale_x=2.5e-7, scale_y=2.5e-7)
    data = path.read_bytes()
    at = data.index(b"ZISRAWMETADATA")
    # ZEN writes pictures of the label behind it, which can be long.
    moved = bytearray(data[:at] + data[:4_000_000] + data[at:])
    for position in (84, 92, 104):
        (before,) = struct.unpack_from("<Q", moved, position)
        assert data[before : before + 7] == b"ZISRAWD"[:7] or position != 84
        if before >= at:
            struct.pack_into("<Q", moved, position, before + 4_000_000)
    moved += bytes(2_000_000)
    path.write_bytes(moved)
    text = moved.index(b"<Metadata", at + 4_000_000)
    assert counts_all_over(path, text, 200)


@pytest.mark.parametrize("count", [1, 4])
def test_all_of_a_long_header_of_dicom_counts(
    tmp_path: Path, shared_slide: Callable[[str], Path], count: int
) -> None:
    source = min(shared_slide("dicom-folder").rglob("*.dcm"))
    for number in range(count):
        dataset = pydicom.dcmread(source)
        dataset.add_new(0x52009230, "SQ", [])
        groups = [pydicom.Dataset() for _ in range(2000)]
        for each in groups:
            each.FrameComments = "c" * 80
        dataset.PerFrameFunctionalGroupsSequence = groups
        dataset.PixelData = encapsulate([bytes([number]) * 4_000_000])
        dataset.save_as(tmp_path / f"{number}.dcm")
    path = tmp_path / "0.dcm"
    assert len(slide_files(path)) == count
    data = path.read_bytes()
    start, end = data.index(b"cccc"), data.rindex(b"cccc")
    assert end - start > 170_000
    comments = [at for at in range(start, end, 7001) if data[at : at + 1] == b"c"]
    keys = {slide_key(path)}
    for at in comments:
        with changed(path, at, b"d"):
            keys.add(slide_key(path))
    assert len(keys) == len(comments) + 1


def test_tiles_of_each_level_count(tmp_path: Path) -> None:
    path = big_slide(tmp_path / "levels.tif")
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        tiles = [
            (page.aspage().dataoffsets[0], sum(page.aspage().databytecounts)) for page in tiff.pages
        ]
    keys = {slide_key(path)}
    for start, size in tiles:
        inverted = ~np.frombuffer(whole, np.uint8, size, start)
        with changed(path, start, inverted.tobytes()):
            keys.add(slide_key(path))
    assert len(keys) == len(tiles) + 1


def test_moved_renamed_and_copied_slides_keep_their_key(tmp_path: Path, sample_slide: Path) -> None:
    copy = tmp_path / "in" / "S-12 Ä.svs"
    copy.parent.mkdir()
    shutil.copyfile(sample_slide, copy)
    os.utime(copy, (1, 1))
    assert slide_key(copy) == slide_key(sample_slide)
    big = big_slide(tmp_path / "a.tif")
    key = slide_key(big)
    assert slide_key(big.rename(tmp_path / "in" / "b.tif")) == key


def test_it_reads_little_and_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = big_slide(tmp_path / "a.tif")
    read, taken = SharedFile.read, []

    def counted(file: SharedFile, offset: int, size: int) -> bytes:
        data = read(file, offset, size)
        taken.append(len(data))
        return data

    monkeypatch.setattr(SharedFile, "read", counted)
    times_s = []
    for _ in range(5):
        started_s = time.process_time()
        slide_key(path)
        times_s.append(time.process_time() - started_s)
    assert MOST_BYTES < sum(taken) <= 5 * MOST_BYTES
    assert min(times_s) < 0.02  # 10 ms, on a machine that does nothing else


def test_a_slide_of_several_files_is_all_of_them(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    source = shared_slide("dicom-folder")
    folder = tmp_path / "dicom"
    shutil.copytree(source, folder)
    files = sorted(path for path in folder.rglob("*.dcm"))
    key = slide_key(files[0])
    assert {slide_key(path) for path in files} == {key}
    renamed = files[0].rename(files[0].with_name("zz.dcm"))
    assert slide_key(renamed) == key
    files[-1].unlink()
    assert slide_key(renamed) != key


def test_the_neighbors_of_a_dicom_slide_are_none_of_it(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    """The series stands behind long values, of which less is read the more files there are."""
    folder = tmp_path / "dicom"
    folder.mkdir()
    for file in sorted(shared_slide("dicom-folder").rglob("*.dcm")):
        dataset = pydicom.dcmread(file)
        dataset.StudyDescription = "x"
        dataset.add_new(0x00204000, "LT", "y" * 100)  # ImageComments
        dataset.add_new(0x00081080, "LO", ["z" * 60] * 150)  # AdmittingDiagnosesDescription
        dataset.save_as(folder / file.name)
    path = min(folder.iterdir())
    key = slide_key(path)
    count = len(slide_files(path))
    assert count > 1
    for number in range(300):
        (folder / f"report {number}.txt").write_bytes(b"no slide")
    assert len(slide_files(path)) == count
    assert slide_key(path) == key


def mirax(folder: Path, name: str) -> Path:
    """What matters of a MIRAX slide here: its files."""
    data = folder / name
    data.mkdir(parents=True)
    (data / "Slidedat.ini").write_text("[GENERAL]\nSLIDE_ID = 1\n")
    for number in range(3):
        (data / f"Data{number:04}.dat").write_bytes(bytes([number]) * 2_000_000)
    path = folder / f"{name}.mrxs"
    path.write_bytes(b"\xff\xd8 a small picture")
    return path


def test_mirax_is_its_folder_and_not_its_name(tmp_path: Path) -> None:
    path = mirax(tmp_path / "one", "A")
    key = slide_key(path)
    assert slide_key(mirax(tmp_path / "two", "B")) == key
    with (path.with_suffix("") / "Data0001.dat").open("r+b") as file:
        file.write(struct.pack("<I", 99))
    assert slide_key(path) != key


@pytest.mark.parametrize("names_files", [True, False])
def test_what_other_programs_leave_in_the_folder_of_a_mirax_is_none_of_it(
    tmp_path: Path, names_files: bool
) -> None:
    path = mirax(tmp_path, "A")
    folder = path.with_suffix("")
    if names_files:
        names = "".join(f"FILE_{n} = Data{n:04}.dat\r\n" for n in range(3))
        (folder / "Slidedat.ini").write_text(f"[DATAFILE]\r\nFILE_COUNT = 3\r\n{names}")
    key, version = slide_key(path), FileVersion(path)
    left = ["Thumbs.db", ".DS_Store", "._Data0000.dat", "desktop.ini"]
    for name in [*left, "notes.txt"] if names_files else left:
        (folder / name).write_bytes(b"1")
        assert slide_key(path) == key, name
    version.check()
    again = FileVersion(path)
    for name in left:
        (folder / name).write_bytes(b"22")
    again.check()
    (folder / "Data0002.dat").unlink()
    assert slide_key(path) != key


def test_any_line_of_the_description_of_a_mirax_counts(tmp_path: Path) -> None:
    path = mirax(tmp_path, "A")
    description = path.with_suffix("") / "Slidedat.ini"
    description.write_text("[GENERAL]\n" + "".join(f"LINE_{n:05} = 1\n" for n in range(60_000)))
    key, size = slide_key(path), description.stat().st_size
    for share in range(1, 20):
        with changed(description, size * share // 20, b"#"):
            assert slide_key(path) != key
    assert slide_key(path) == key


def test_any_tag_of_a_set_of_files_counts(tmp_path: Path) -> None:
    files = write_set(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (3, 1500, 1500), np.uint8)
    for file in files:
        with tifffile.TiffFile(file) as tiff:
            about = tiff.pages.first.description.encode()
        with tifffile.TiffWriter(file) as out:
            for index, values in enumerate(noise):
                text = None if index else about
                out.write(values, tile=(256, 256), description=text, metadata=None, software="A")
    key = slide_key(files[0])
    assert {slide_key(file) for file in files} == {key}
    with tifffile.TiffFile(files[1]) as tiff:
        software = [page.aspage().tags["Software"].valueoffset for page in tiff.pages]
    assert len(software) == 3
    for at in software:
        with changed(files[1], at, b"X"):
            assert slide_key(files[0]) != key
    assert slide_key(files[2]) == key


def test_what_is_no_tiff_or_a_torn_one_has_a_key(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, 5_000_000, np.uint8).tobytes()
    keys = set()
    heads = (
        b"",
        b"II*\0\x08\0\0\0\xff\xff",
        b"MM\0+\0\x08" + b"\xff" * 20,
        b"II*\0\xff\xff\xff\x7f",
    )
    for number, head in enumerate(heads):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(head + noise)
        keys.add(slide_key(path))
    path = big_slide(tmp_path / "torn.tif")
    path.write_bytes(path.read_bytes()[:4_000_000])
    keys.add(slide_key(path))
    assert len(keys) == 5


def test_former_names_are_those_of_version_0_1(
    tmp_path: Path, sample_slide: Path, shared_slide: Callable[[str], Path]
) -> None:
    # OpenSlide's quickhash, without OpenSlide.
    quickhash = open_slide(sample_slide).info.properties["openslide.quickhash-1"]
    assert quickhash in former_names(sample_slide, {})
    openslide = pytest.importorskip("openslide")
    boxes = shared_slide("slides/boxes.tiff")
    with openslide.OpenSlide(boxes) as slide:
        assert slide.properties["openslide.quickhash-1"] in former_names(boxes, {})
