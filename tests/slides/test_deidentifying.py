"""Copies without label, macro and texts: searched byte by byte, and read by other programs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
import wsidicom
from cli_steps import coverslip
from marked_slides import (
    SECRET,
    found_secrets,
    profile,
    tissue,
    write_marked_dicom,
    write_marked_ndpi,
    write_ome,
    write_philips,
    write_svs,
)
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from viewer.errors import CoverslipError
from viewer.slides.writing.deidentify import deidentify
from viewer.slides.writing.errors import UnknownKindError, WritingCanceledError
from viewer.slides.writing.watch import Watch

_BORN = re.compile(rb"1948\D?02\D?29")
"""The day in any writing; its year alone may stand in the numbers of a new UID, or in a JPEG."""
WRITERS: dict[str, Callable[[Path], Path]] = {
    "a.svs": write_svs,
    "a.tiff": write_philips,
    "a.ome.tif": write_ome,
}


@pytest.mark.parametrize("name", WRITERS)
def test_no_text_is_left_and_the_pixels_are_the_same(tmp_path: Path, name: str) -> None:
    slide = WRITERS[name](tmp_path / name)
    before = slide.read_bytes()
    assert len(found_secrets(before)) == 8
    copy, report = deidentify(slide, tmp_path / f"copy{name[1:]}")
    data = copy.read_bytes()
    assert found_secrets(data) == []
    assert not _BORN.search(data)
    assert slide.read_bytes() == before
    for level in range(2):
        assert np.array_equal(_level(slide, level), _level(copy, level))
    with tifffile.TiffFile(copy) as tiff:
        assert tiff.pages.first.tags.valueof(34675) == profile()
    assert any("label image" in each for each in report.removed)
    assert any("texts within tiles" in each for each in report.removed) is (name != "a.svs")
    assert all(not found_secrets(str(report.as_data()).encode()) for _ in [0])


def _level(path: Path, level: int) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        return tiff.series[0].levels[level].asarray()


def test_an_svs_keeps_geometry_codec_magnification_and_scale(tmp_path: Path) -> None:
    copy, report = deidentify(write_svs(tmp_path / "a.svs"), tmp_path / "b.svs")
    with openslide.OpenSlide(copy) as slide:
        assert slide.dimensions == (1300, 1000)
        assert slide.level_count == 2
        assert list(slide.associated_images) == ["thumbnail"]
        assert slide.properties["openslide.mpp-x"] == "0.25"
        assert slide.properties["openslide.objective-power"] == "40"
        fields = {each for each in slide.properties if each.startswith("aperio.")}
        assert fields == {"aperio.AppMag", "aperio.MPP", "aperio.ICC Profile"}
    assert ("description, name of the ICC profile", "AT2") in report.remaining
    assert any(where.startswith("ICC profile, ") for where, _ in report.remaining)


def test_tiles_of_an_svs_are_copied_byte_for_byte(tmp_path: Path, sample_slide: Path) -> None:
    copy, _ = deidentify(sample_slide, tmp_path / "b.svs")
    with tifffile.TiffFile(sample_slide) as old, tifffile.TiffFile(copy) as new:
        assert _tiles(old, 0) == _tiles(new, 0)
        assert _tiles(old, 1) == _tiles(new, 1)
        assert len(new.pages) == 2
        text = new.pages.first.description
    assert re.search(r"Date|User|Filename|ScanScope|ImageID|CMU", text) is None
    assert "2220x2967] (240x240) JPEG/RGB Q=30" in text
    assert text.endswith("|AppMag = 20|MPP = 0.4990")


def _tiles(tiff: tifffile.TiffFile, index: int) -> list[bytes]:
    page = tiff.pages[index].aspage()
    tiles: list[bytes] = []
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        tiff.filehandle.seek(offset)
        tiles.append(tiff.filehandle.read(size))
    return tiles


def test_tiles_with_texts_lose_only_these(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "a.svs", marked_tiles=True, bigtiff=True)
    copy, report = deidentify(slide, tmp_path / "b.svs")
    assert found_secrets(copy.read_bytes()) == []
    assert report.removed["texts within tiles"] == 8 + 2
    assert np.array_equal(_level(slide, 0), _level(copy, 0))


def test_an_ndpi_loses_macro_serial_number_dates_and_comments(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    source = shared_slide("slides/test3-DAPI-2-387.ndpi")
    slide = write_marked_ndpi(source, tmp_path / "a.ndpi")
    assert found_secrets(slide.read_bytes())
    copy, report = deidentify(slide, tmp_path / "b.ndpi")
    data = copy.read_bytes()
    assert found_secrets(data) == []
    assert b"2017:02:07" not in data
    assert b"950291" not in data
    assert report.removed["texts within tiles"] == 4
    with openslide.OpenSlide(source) as old, openslide.OpenSlide(copy) as new:
        assert list(new.associated_images) == []
        assert new.level_dimensions == old.level_dimensions
        assert new.properties["openslide.mpp-x"] == old.properties["openslide.mpp-x"]
        assert new.properties["openslide.objective-power"] == "40"
        for level, (x, y) in ((0, (1900, 2300)), (2, (400, 400))):
            region = ((x, y), level, (256, 256))
            assert new.read_region(*region).tobytes() == old.read_region(*region).tobytes()


def test_a_philips_tiff_is_still_one(tmp_path: Path) -> None:
    copy, _ = deidentify(write_philips(tmp_path / "a.tiff"), tmp_path / "b.tiff")
    with openslide.OpenSlide(copy) as slide:
        assert slide.properties["openslide.vendor"] == "philips"
        assert slide.level_count == 2
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.25)
        assert list(slide.associated_images) == []


@pytest.mark.parametrize("name", [b'"H&amp;E"', b'"H&E"    '], ids=["", "mistaken"])
def test_an_ome_tiff_keeps_scale_objective_and_channels(tmp_path: Path, name: bytes) -> None:
    slide = write_ome(tmp_path / "a.ome.tif")
    slide.write_bytes(slide.read_bytes().replace(b'"H&amp;E"', name))
    copy, report = deidentify(slide, tmp_path / "b.ome.tif")
    with tifffile.TiffFile(copy) as tiff:
        xml = tiff.ome_metadata
        assert xml is not None
        assert 'PhysicalSizeX="0.25"' in xml
        assert 'NominalMagnification="40"' in xml
        assert 'Name="H&amp;E"' in xml
        assert xml.count("<Image ") == 1
        assert len(tiff.pages) == 1
        assert len(tiff.series[0].levels) == 2
    assert ("channel name", "H&E") in report.remaining


def test_strips_that_are_longer_than_their_pixels_are_cut(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    values = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
    tifffile.imwrite(slide, values, photometric="minisblack", ome=True, rowsperstrip=64)
    with tifffile.TiffFile(slide, mode="r+") as tiff:
        page = tiff.pages.first
        size = int(page.databytecounts[0])
        # Moved to the end of the file, with a name behind it.
        place = slide.stat().st_size
        page.tags[273].overwrite(place)
        page.tags[279].overwrite(size + 8)
    with slide.open("ab") as file:
        file.write(values.tobytes() + b"DOE^JANE")
    copy, report = deidentify(slide, tmp_path / "b.ome.tif")
    assert b"DOE^JANE" not in copy.read_bytes()
    assert report.removed["bytes behind an image"] == 1
    assert np.array_equal(tifffile.imread(copy), values)


def test_other_kinds_are_refused(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    slide = shared_slide("slides/boxes.tiff")
    with pytest.raises(UnknownKindError, match="only Aperio SVS"):
        deidentify(slide, tmp_path / "b.tiff")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kept_bytes", "sentence"),
    [
        (400_000, "a.svs is damaged (none of its directories can be read); copy it again."),
        (0, "a.svs is empty; copy it again from where it came."),
        (-1, "a.svs is a folder and no slide; open a slide in it."),
    ],
)
def test_a_slide_that_was_cut_short_is_called_so(
    tmp_path: Path, sample_slide: Path, kept_bytes: int, sentence: str
) -> None:
    """And an empty one, and a folder: none of them is of another kind."""
    slide = tmp_path / "a.svs"
    if kept_bytes < 0:
        slide.mkdir()
    else:
        slide.write_bytes(sample_slide.read_bytes()[:kept_bytes])
    with pytest.raises(CoverslipError, match=f"^{re.escape(sentence)}$"):
        deidentify(slide, tmp_path / "b.svs")


def test_a_canceled_copy_leaves_nothing(tmp_path: Path, sample_slide: Path) -> None:
    shares: list[float] = []
    watch = Watch(shares.append, lambda: len(shares) > 20)
    with pytest.raises(WritingCanceledError):
        deidentify(sample_slide, tmp_path / "b.svs", watch=watch)
    assert shares == sorted(shares)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_the_copy_and_tells_what_it_did(
    tmp_path: Path, sample_slide: Path
) -> None:
    told = coverslip(
        "deidentify", sample_slide, tmp_path, "--json", "--report", tmp_path / "r.json"
    )
    assert told.returncode == 0, told.stderr
    data = json.loads(told.stdout)
    copy = Path(data["copy"])
    assert copy.parent == tmp_path
    assert re.fullmatch(r"slide-[0-9a-f]{10}\.svs", copy.name)
    assert json.loads((tmp_path / "r.json").read_text()) == data
    assert {"what": "label image, 387 x 463", "count": 1} in data["removed"]
    again = coverslip("deidentify", sample_slide, copy)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert coverslip("deidentify", sample_slide, copy, "--overwrite").returncode == 0


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_slide_is_never_written_over(tmp_path: Path, sample_slide: Path, link: str) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(sample_slide.read_bytes())
    out = slide if link == "same" else tmp_path / "b.svs"
    if link == "symbolic":
        out.symlink_to(slide)
    elif link == "hard":
        os.link(slide, out)
    told = coverslip("deidentify", slide, out, "--overwrite")
    assert told.returncode == 2
    assert "place of the slide itself" in told.stderr
    assert slide.read_bytes() == sample_slide.read_bytes()


def test_a_dicom_slide_loses_all_that_annex_e_names(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    source = shared_slide("dicom-folder/CMU-1-Small-Region")
    slide = write_marked_dicom(source, tmp_path / "slide")
    copy, report = deidentify(slide, tmp_path / "copy")
    files = sorted(copy.iterdir())
    assert [file.name for file in files] == ["instance-1.dcm", "instance-2.dcm"]
    for file in files:
        data = file.read_bytes()
        assert found_secrets(data) == []
        assert not _BORN.search(data)
    old = {file.name: pydicom.dcmread(file) for file in slide.iterdir()}
    new = [pydicom.dcmread(file) for file in files]
    assert not {each.SOPInstanceUID for each in new} & {o.SOPInstanceUID for o in old.values()}
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({each[name].value for each in new}) == 1
        assert new[0][name].value not in {each[name].value for each in old.values()}
    assert {each.ImageType[2] for each in new} == {"VOLUME", "THUMBNAIL"}
    again, _ = deidentify(slide, tmp_path / "another copy")
    others = {pydicom.dcmread(file).SOPInstanceUID for file in again.iterdir()}
    assert not others & {each.SOPInstanceUID for each in new}, "two copies tell nothing of another"
    assert new[0].PatientIdentityRemoved == "YES"
    assert new[0].DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert report.removed["label image"] == report.removed["overview image"] == 1
    assert report.removed["texts within tiles"] == 1
    assert report.removed["private attribute"] >= 8
    frames = [
        list(generate_frames(each.PixelData, number_of_frames=130))
        for each in (next(o for o in map(pydicom.dcmread, source.iterdir())
                          if o.NumberOfFrames == 130), new[0])
    ]  # fmt: skip
    assert frames[0] == frames[1]
    with openslide.OpenSlide(files[0]) as read:
        assert read.dimensions == (2220, 2967)
        assert float(read.properties["openslide.mpp-x"]) == pytest.approx(0.499)
    with wsidicom.WsiDicom.open(copy) as judged:
        assert judged.size.to_tuple() == (2220, 2967)
        assert not judged.labels


def test_a_dicom_file_alone_may_go_to_a_file(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = tmp_path / "one" / "slide.dcm"
    slide.parent.mkdir()
    slide.write_bytes(shared_slide("slides/sm_image.dcm").read_bytes())
    copy, _ = deidentify(slide, tmp_path / "copy.dcm")
    old, new = pydicom.dcmread(slide), pydicom.dcmread(copy)
    assert new.PixelData == old.PixelData
    assert new.OpticalPathSequence[0].ICCProfile == old.OpticalPathSequence[0].ICCProfile
    told = coverslip("deidentify", slide, slide.parent, "--overwrite")
    assert told.returncode == 0
    assert coverslip("deidentify", slide.parent, slide.parent / "copy").returncode == 2


@pytest.mark.parametrize("codec", ["lzw", "zstd", "deflate"])
def test_bytes_behind_a_coded_tile_go(tmp_path: Path, codec: str) -> None:
    slide, pixels = tmp_path / "a.ome.tif", tissue(96, 64)
    tifffile.imwrite(slide, pixels, ome=True, photometric="rgb", compression=codec, rowsperstrip=64)
    with tifffile.TiffFile(slide, mode="r+") as tiff:
        page = tiff.pages.first
        tiff.filehandle.seek(int(page.dataoffsets[0]))
        coded = tiff.filehandle.read(int(page.databytecounts[0]))
        # Moved to the end of the file, with a name behind it.
        page.tags[273].overwrite(slide.stat().st_size)
        page.tags[279].overwrite(len(coded) + len(SECRET.encode()))
    with slide.open("ab") as file:
        file.write(coded + SECRET.encode())
    copy, report = deidentify(slide, tmp_path / "b.ome.tif")
    assert found_secrets(copy.read_bytes()) == []
    assert report.removed["texts within tiles"] == 1
    assert np.array_equal(tifffile.imread(copy), pixels)


@pytest.mark.parametrize("is_profile", [True, False])
def test_what_is_no_icc_profile_goes(tmp_path: Path, is_profile: bool) -> None:
    slide, secret = tmp_path / "a.ome.tif", SECRET.encode()
    held = profile() + secret if is_profile else secret
    tifffile.imwrite(slide, tissue(64, 48), ome=True, photometric="rgb", iccprofile=held)
    copy, _ = deidentify(slide, tmp_path / "b.ome.tif")
    assert found_secrets(copy.read_bytes()) == []
    with tifffile.TiffFile(copy) as tiff:
        assert tiff.pages.first.tags.valueof(34675) == (profile() if is_profile else None)


def test_nothing_that_a_parser_says_of_a_text_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    slide, secret = tmp_path / "a.ome.tif", SECRET.encode()
    no_data = (42113, "s", 0, secret, True)
    tifffile.imwrite(slide, tissue(64, 48), ome=True, photometric="rgb", extratags=[no_data])
    told = coverslip("deidentify", slide, tmp_path / "b.ome.tif")
    assert told.returncode == 0
    assert found_secrets((told.stderr + told.stdout + "".join(capfd.readouterr())).encode()) == []


def test_a_slide_on_a_server_has_to_be_downloaded(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/a.svs?sig=secret"
    for words in ((address, tmp_path / "b.svs"), (tmp_path, "http://127.0.0.1/b.svs")):
        told = coverslip("deidentify", *words)
        assert told.returncode == 2
        assert "secret" not in told.stderr
    told = coverslip("deidentify", address, tmp_path / "b.svs")
    assert "download it" in told.stderr


def test_uids_and_tables_of_colors_that_nobody_needs_go(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = pydicom.dcmread(shared_slide("slides/sm_image.dcm"))
    uid, secret = "1.2.826.0.1.47110815.19480229", SECRET.encode().ljust(80)
    slide.FailedSOPInstanceUIDList = [uid, f"{uid}.1"]
    slide.SelectorUIValue = uid
    slide.SharedFunctionalGroupsSequence[0].SOPClassUID = uid
    light = slide.OpticalPathSequence[0]
    light.RedPaletteColorLookupTableData = secret + b" " * (len(secret) % 2)
    old = light.ICCProfile
    light.ICCProfile += secret + b" " * (len(secret) % 2)
    slide.save_as(tmp_path / "a.dcm")
    copy, _ = deidentify(tmp_path / "a.dcm", tmp_path / "copy.dcm")
    data = copy.read_bytes()
    assert found_secrets(data) == []
    assert uid.encode() not in data
    assert pydicom.dcmread(copy).OpticalPathSequence[0].ICCProfile == old


def test_two_dicom_slides_in_a_folder_are_not_mixed(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    for number in range(2):
        slide = pydicom.dcmread(shared_slide("slides/sm_image.dcm"))
        slide.SeriesInstanceUID = f"1.2.3.{number}"
        slide.SOPInstanceUID = slide.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.4.{number}")
        slide.save_as(folder / f"{number}.dcm")
    told = coverslip("deidentify", folder, tmp_path / "copy")
    assert told.returncode == 2
    assert "holds 2 slides" in told.stderr
    assert coverslip("deidentify", folder / "0.dcm", tmp_path / "copy.dcm").returncode == 0
