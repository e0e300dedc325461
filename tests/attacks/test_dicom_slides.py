"""Hostile DICOM slides: lengths, depth and sizes without bounds, and names of files elsewhere."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import pydicom
import pytest
from cli_steps import coverslip as quick
from measured_runs import coverslip
from pydicom.uid import MediaStorageDirectoryStorage
from wsidicom.file.io.frame_index import FrameIndex, PixelDataFrameIndexParser

from viewer.slides.dicom.header import header_elements
from viewer.slides.errors import TileError
from viewer.slides.readers.dicom.source import open_dicom

PRIVATE = "A private text of the user"
UNDEFINED = 0xFFFFFFFF
MOST_MB = 500


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    """A folder of DICOM files as Coverslip writes them."""
    folder = tmp_path_factory.mktemp("dicom") / "slide"
    done = quick("convert", sample_slide, folder, "--to", "dicom", "--region", "0,0,600,600")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def slide(sound: Path, tmp_path: Path) -> Path:
    """The largest file of a copy of that folder."""
    folder = Path(shutil.copytree(sound, tmp_path / "slide"))
    return max(folder.iterdir(), key=lambda each: each.stat().st_size)


def header_end(data: bytes | bytearray) -> int:
    """Return where the elements after the meta header begin."""
    (size,) = struct.unpack_from("<I", data, 128 + 4 + 8)
    return 128 + 4 + 12 + size


def long_element(slide: Path) -> None:
    """The first element after the meta header claims four gigabytes."""
    data = bytearray(slide.read_bytes())
    at = header_end(data)
    data[at + 4 : at + 12] = b"UN\0\0" + struct.pack("<I", 0xFFFFFFF0)
    slide.write_bytes(data)


def long_meta_header(slide: Path) -> None:
    data = bytearray(slide.read_bytes())
    struct.pack_into("<I", data, 128 + 4 + 8, 0xFFFFFFF0)
    slide.write_bytes(data)


def nested_sequences(slide: Path) -> None:
    """A hundred thousand sequences, each in an item of the one before; none of them ends."""
    data = slide.read_bytes()
    at = header_end(data)
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, UNDEFINED)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
    slide.write_bytes(data[:at] + (sequence + item) * 100_000 + data[at:])


def changed(slide: Path, **values: object) -> None:
    about = pydicom.dcmread(slide)
    for name, value in values.items():
        setattr(about, name, value)
    about.save_as(slide)


def enormous_matrix(slide: Path) -> None:
    changed(slide, TotalPixelMatrixColumns=2**31 - 1, TotalPixelMatrixRows=2**31 - 1)


def enormous_frames(slide: Path) -> None:
    changed(slide, Rows=65535, Columns=65535)


def many_frames(slide: Path) -> None:
    changed(slide, NumberOfFrames=2**31 - 1)


def no_frames(slide: Path) -> None:
    changed(slide, NumberOfFrames=0, Rows=0, Columns=0)


def long_pixels(slide: Path) -> None:
    """The frame that is coded first claims four gigabytes."""
    data = bytearray(slide.read_bytes())
    pixels = data.index(struct.pack("<HH", 0x7FE0, 0x0010) + b"OB")
    item = data.index(struct.pack("<HH", 0xFFFE, 0xE000), pixels + 20)
    struct.pack_into("<I", data, item + 4, 0xFFFFFFF0)
    slide.write_bytes(data)


def deflated_zeros(slide: Path) -> None:
    """Elements that unpack to gigabytes, by the transfer syntax that packs all of them."""
    data = slide.read_bytes()
    head = data[: header_end(data)].replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, wbits=-15)
    element = struct.pack("<HH2sHI", 0x0009, 0x0010, b"UN", 0, 400 << 20)
    packed = packer.compress(element) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same is packed as the same.
    packed += 400 * (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH))
    packed += packer.flush()
    slide.write_bytes(head + packed)


@pytest.mark.parametrize(
    "spoil",
    [
        long_element, nested_sequences, enormous_frames, long_pixels, deflated_zeros,
        *(pytest.param(each, marks=pytest.mark.slow)
          for each in (long_meta_header, enormous_matrix, many_frames, no_frames)),
    ],
)  # fmt: skip
def test_a_spoilt_dicom_slide_is_refused_or_hatched(
    spoil: Callable[[Path], None], slide: Path, tmp_path: Path
) -> None:
    spoil(slide)
    out = tmp_path / "out.png"
    outcome = coverslip("shot", slide, "-o", out, timeout_s=60)
    assert outcome.code in (0, 1, 2), outcome
    assert "Traceback" not in outcome.err
    assert outcome.peak_mb < MOST_MB
    if outcome.code == 2:
        assert outcome.is_one_sentence, outcome.err
        assert not out.exists()
    elif outcome.code == 1:
        assert "hatched" in outcome.err, "what cannot be read is not painted as clear glass"
    else:
        assert imagecodecs.imread(out)[..., :3].std() > 10, "it is read all the same"


@pytest.mark.parametrize("kind", ["items", "elements"])
def test_a_header_of_elements_without_number_is_refused(kind: str, slide: Path) -> None:
    """Each became an object: the reader took gigabytes until it was ended after a minute."""
    data = slide.read_bytes().replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.80", 1)
    pixels = data.rindex(struct.pack("<HH", 0x7FE0, 0x0010) + b"OB")
    more = struct.pack("<HH2sH", 0x5201, 0x0010, b"LO", 0) * 3_100_000
    if kind == "items":
        item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
        end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        sequence = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, UNDEFINED)
        more = sequence + item * 3_100_000 + end
    slide.write_bytes(data[:pixels] + more + data[pixels:])
    outcome = coverslip("info", slide, timeout_s=60)
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert "has a header of more than 3,000,000 elements" in outcome.err
    assert outcome.peak_mb < MOST_MB


def test_a_file_whose_frames_are_not_found_is_looked_through_once(
    slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five million fragments each tile took a second and more."""
    data = slide.read_bytes().replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.80", 1)
    pixels = data.rindex(struct.pack("<HH", 0x7FE0, 0x0010) + b"OB") + 12
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 2) + b"\0\0"
    table, end = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    slide.write_bytes(data[:pixels] + table + item * 20_000 + end)
    for other in slide.parent.iterdir():
        if other != slide:
            other.unlink()
    looked: list[object] = []
    look = PixelDataFrameIndexParser._get_index

    def counted(self: PixelDataFrameIndexParser) -> FrameIndex:
        looked.append(self)
        return look(self)

    monkeypatch.setattr(PixelDataFrameIndexParser, "_get_index", counted)
    source = open_dicom(slide)
    assert source is not None
    for column in range(2):
        for row in range(2):
            with pytest.raises(TileError, match="its frames cannot be found"):
                source.read_tile(0, column, row)
    source.close()
    assert len(looked) == 1


def test_elements_of_a_header_are_counted_in_sequences_of_both_kinds(slide: Path) -> None:
    """As pydicom finds them, whose own count has no ends of sequences."""
    about = pydicom.dcmread(slide, stop_before_pixels=True)

    def count(dataset: pydicom.Dataset) -> int:
        inner = sum(
            len(each.value) + sum(map(count, each.value)) for each in dataset if each.VR == "SQ"
        )
        return len(dataset) + inner

    counted = header_elements(slide.read_bytes(), 10_000)
    assert counted >= len(about.file_meta) + count(about) > 50
    assert counted < 2 * (len(about.file_meta) + count(about))
    assert header_elements(slide.read_bytes(), 20) == 21


def test_links_in_a_folder_of_dicom_lead_nowhere(slide: Path, tmp_path: Path) -> None:
    """To a private file of the same series, to a text, in a ring, and up to all of the disk."""
    private = Path(shutil.copy(slide, tmp_path / "private.dcm"))
    changed(private, Manufacturer=PRIVATE, InstanceNumber=7)
    secret = tmp_path / "secret.txt"
    secret.write_text(PRIVATE)
    folder = slide.parent
    for name, target in {
        "a.dcm": private, "b.dcm": secret, "c.dcm": folder / "d.dcm", "d.dcm": folder / "c.dcm",
        "e.dcm": Path("/"), "f": folder,
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    for place in (folder, slide):
        done = quick("info", place, "--json")
        assert done.returncode == (0 if place == slide else 2), done.stderr
        assert len(done.stderr.strip().splitlines()) <= 1
        assert PRIVATE not in done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, on what is written here
@pytest.mark.parametrize("name", ["../secret.dcm", "/secret.dcm", "..\\..\\secret.dcm"])
def test_a_directory_of_dicom_names_no_file_elsewhere(
    name: str, slide: Path, tmp_path: Path
) -> None:
    """DICOMDIR lists files by their paths; it is no slide, and nothing follows it."""
    private = Path(shutil.copy(slide, tmp_path / "secret.dcm"))
    changed(private, Manufacturer=PRIVATE)
    about = pydicom.dcmread(slide)
    about.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    record = pydicom.Dataset()
    record.ReferencedFileID = name.replace("/secret", f"{tmp_path}/secret", name.startswith("/"))
    record.DirectoryRecordType = "IMAGE"
    about.DirectoryRecordSequence = [record]
    del about.PixelData
    place = slide.parent / "DICOMDIR"
    about.save_as(place)
    done = quick("info", place)
    assert PRIVATE not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert quick("info", slide).returncode == 0
