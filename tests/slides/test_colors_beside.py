"""Label and macro are shown by their own color profile, where they have one."""

from __future__ import annotations

import io
import shutil
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import imagecodecs
import marked_slides
import numpy as np
import pydicom
import pytest
import tifffile
from dicom_steps import write_slide
from little_cms import ADOBE, by_little_cms
from mirax_slide import write_mirax
from PIL import Image
from range_server import Faults, RangeServer
from scn_slide import write_scn

from viewer.slides import open_slide
from viewer.slides.displayed import displayed_beside
from viewer.slides.errors import DamagedSlideError
from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.readers.openslide.jpegs_beside import jpegs_beside
from viewer.slides.readers.openslide.unread_profiles import profiles_in_jpegs
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.slides import SlideSource

WIDE = imagecodecs.cms_profile(
    "rgb", whitepoint=(0.3127, 0.329, 1.0), gamma=1.4,
    primaries=(0.7, 0.3, 1.0, 0.2, 0.7, 1.0, 0.14, 0.05, 1.0),
)  # fmt: skip
"""Another profile that changes colors."""
COLOR = (180, 90, 120)


def _assert_shown(source: SlideSource, name: str, profile: bytes | None) -> None:
    stored = source.read_associated(name)
    shown = displayed_beside(source.info, name, stored)
    expected = stored if profile is None else by_little_cms(Image.fromarray(stored), profile)
    np.testing.assert_array_equal(shown, expected)
    assert profile is None or (shown != stored).any()
    raw = displayed_beside(source.info, name, stored, uses_icc=False)
    np.testing.assert_array_equal(raw, stored)


@pytest.mark.parametrize("photometric", ["rgb", "minisblack", "separated"])
def test_those_of_a_tiff(tmp_path: Path, photometric: str) -> None:
    path = tmp_path / "slide.tif"
    shape = {"rgb": (64, 96, 3), "minisblack": (64, 96), "separated": (64, 96, 4)}[photometric]
    label = np.full(shape, 90, np.uint8)
    if label.ndim == 3:
        label[..., 0] = 20
    with tifffile.TiffWriter(path) as out:
        tissue = np.full((512, 512, 3), COLOR, np.uint8)
        out.write(tissue, photometric="rgb", tile=(256, 256), iccprofile=ADOBE, metadata=None)
        out.write(
            label, photometric=photometric, description="label", iccprofile=WIDE, metadata=None
        )
        out.write(tissue[:64], photometric="rgb", description="macro", metadata=None)
    with closing(open_slide(path)) as source:
        assert set(source.info.associated) == {"label", "macro"}
        # One of inks has been made sRGB already, as well as that can be.
        _assert_shown(source, "label", None if photometric == "separated" else WIDE)
        _assert_shown(source, "macro", ADOBE)


@pytest.mark.parametrize("photometric", ["rgb", "minisblack", "separated", "cielab"])
def test_the_profile_of_a_tiff_holds_for_pictures_in_its_color_space(
    tmp_path: Path, photometric: str
) -> None:
    path = tmp_path / "slide.tif"
    shape = {"minisblack": (64, 96), "separated": (64, 96, 4)}.get(photometric, (64, 96, 3))
    with tifffile.TiffWriter(path) as out:
        tissue = np.full((512, 512, 3), COLOR, np.uint8)
        out.write(tissue, photometric="rgb", tile=(256, 256), iccprofile=WIDE, metadata=None)
        label = np.full(shape, 90, np.uint8)
        if label.ndim == 3:
            label[..., 0] = 20
        out.write(label, photometric=photometric, description="label", metadata=None)
    with closing(open_slide(path)) as source:
        _assert_shown(source, "label", WIDE if photometric == "rgb" else None)


def _write_svs(path: Path, label: str, *, is_named: bool) -> None:
    """Write an Aperio slide whose label is of some color space, and of a profile if that is RGB."""
    program = "Aperio Image Library v12.0.15 "
    shape = {"minisblack": (64, 96), "separated": (64, 96, 4)}.get(label, (64, 96, 3))
    picture = np.full(shape, 90, np.uint8)
    if picture.ndim == 3:
        picture[..., 0] = 20
    tissue = np.full((512, 512, 3), COLOR, np.uint8)
    with tifffile.TiffWriter(path) as out:
        about = f"{program}\r\n512x512 [0,0 512x512] (256x256) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
        out.write(
            tissue, photometric="rgb", tile=(256, 256), compression="jpeg", iccprofile=WIDE,
            description=about, metadata=None,
        )  # fmt: skip
        out.write(tissue[::4, ::4], photometric="rgb", rowsperstrip=16, metadata=None)
        for name, pixels, kind, subfile in (
            ("label", picture, label, 1),
            ("macro", tissue[:64, :96], "rgb", 9),  # as large as the label
        ):
            out.write(
                pixels, photometric=kind, rowsperstrip=16, subfiletype=subfile,
                description=f"{program}\r\n{f'{name} ' if is_named else ''}96x64",
                iccprofile=ADOBE if label == "rgb" and name == "label" else None, metadata=None,
            )  # fmt: skip


def _assert_shown_of_svs(source: SlideSource, label: str) -> None:
    assert set(source.info.associated) == {"label", "macro", "thumbnail"}
    _assert_shown(source, "label", ADOBE if label == "rgb" else None)
    for name in ("macro", "thumbnail"):
        _assert_shown(source, name, WIDE)


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("label", ["rgb", "minisblack", "separated"])
def test_those_of_an_aperio_slide(tmp_path: Path, label: str, is_named: bool) -> None:
    _write_svs(tmp_path / "a.svs", label, is_named=is_named)
    with closing(open_slide(tmp_path / "a.svs")) as source:
        _assert_shown_of_svs(source, label)


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("label", ["rgb", "minisblack"])
def test_those_of_an_aperio_slide_on_a_server(tmp_path: Path, label: str, is_named: bool) -> None:
    _write_svs(tmp_path / "a.svs", label, is_named=is_named)
    server = RangeServer(tmp_path, Faults()).start()
    try:
        with closing(open_slide(slide_path(server.address("a.svs")))) as source:
            _assert_shown_of_svs(source, label)
    finally:
        server.stop()


def test_a_label_of_inks_on_a_server_is_not_shown_as_if_they_were_rgb(tmp_path: Path) -> None:
    _write_svs(tmp_path / "a.svs", "separated", is_named=True)
    server = RangeServer(tmp_path, Faults()).start()
    try:
        with closing(open_slide(slide_path(server.address("a.svs")))) as source:
            with pytest.raises(DamagedSlideError, match="in another way than as 8-bit RGB"):
                source.read_associated("label")
            _assert_shown(source, "macro", WIDE)
    finally:
        server.stop()


def test_the_macro_of_an_ndpi(tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    tissue = np.full((512, 512, 3), COLOR, np.uint8)
    with tifffile.TiffWriter(path) as out:
        for pixels, lens, profile in ((tissue, 20.0, ADOBE), (tissue[:128, :256], -1.0, WIDE)):
            out.write(
                pixels, photometric="rgb", compression="jpeg", rowsperstrip=len(pixels),
                iccprofile=profile, metadata=None, extratags=[
                    (271, "s", 0, "Hamamatsu", True),
                    (65420, "I", 1, 1, True),
                    (65421, "f", 1, lens, True),
                    (65424, "i", 1, 0, True),
                ],
            )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert source.info.reader == "OpenSlide (hamamatsu)"
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "macro", WIDE)


def test_the_macro_of_an_scn(tmp_path: Path) -> None:
    path = write_scn(tmp_path / "a.scn", profiles=(WIDE, ADOBE))
    with closing(open_slide(path)) as source:
        assert source.info.reader == "OpenSlide (leica)"
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "macro", WIDE)


def _jpeg(size_px: tuple[int, int], mode: str = "RGB", profile: bytes | None = None) -> bytes:
    file = io.BytesIO()
    picture = Image.new("RGB", size_px, COLOR).convert(mode)
    picture.save(file, "JPEG", quality=95, icc_profile=profile)
    return file.getvalue()


def test_those_in_jpegs_of_a_mirax_slide(tmp_path: Path) -> None:
    long = WIDE + bytes(150_000)
    long = len(long).to_bytes(4, "big") + long[4:]
    beside = {
        "macro": _jpeg((200, 100), profile=long),  # in three segments
        "label": _jpeg((90, 80), "L"),
        "thumbnail": _jpeg((64, 64)),
    }
    path = write_mirax(tmp_path / "a.mrxs", _jpeg((256, 256)), 256, beside)
    with closing(open_slide(path)) as source:
        assert source.info.vendor == "mirax"
        assert source.info.profiles_beside == {"macro": long, "label": b""}
        _assert_shown(source, "macro", WIDE)
        _assert_shown(source, "thumbnail", None)
    index = path.with_suffix("") / "Index.dat"
    stored = index.read_bytes()
    index.write_bytes(stored[:40])
    assert jpegs_beside(path, "mirax") == {}
    # As if the record lay in a file that the slide does not have.
    index.write_bytes(stored.replace(struct.pack("<i", 0), struct.pack("<i", 7)))
    assert jpegs_beside(path, "mirax") == {}
    ini = index.with_name("Slidedat.ini")
    ini.write_text(ini.read_text(encoding="utf-8").replace("SLIDE_ID", "ID"), encoding="utf-8")
    assert jpegs_beside(path, "mirax") == {}


@pytest.mark.parametrize("is_shown", [True, False])
def test_those_in_the_xml_of_a_philips_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_shown: bool
) -> None:
    monkeypatch.setattr(marked_slides, "label_jpeg", lambda: _jpeg((120, 90), profile=WIDE))
    path = tmp_path / "a.tiff"
    marked_slides.write_philips(path, has_directories_beside=not is_shown)
    with closing(open_slide(path)) as source:
        assert source.info.vendor == "philips"
        for name in ("label", "macro"):
            found = source.info.profiles_beside.get(name)
            assert found == (WIDE if is_shown else None)
        if is_shown:
            _assert_shown(source, "label", WIDE)


def test_that_of_the_macro_of_a_vms(tmp_path: Path) -> None:
    path = tmp_path / "a.vms"
    path.write_text("[Virtual Microscope Specimen]\nMacroImage=a_macro.jpg\nMapFile=a_map.jpg\n")
    assert profiles_in_jpegs(path, "hamamatsu", {"macro": (120, 90)}) == {}
    (tmp_path / "a_macro.jpg").write_bytes(_jpeg((120, 90), profile=WIDE))
    assert profiles_in_jpegs(path, "hamamatsu", {"macro": (120, 90)}) == {"macro": WIDE}


def test_those_of_a_dicom_folder(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    folder = tmp_path / "case"
    shutil.copytree(shared_slide("dicom-folder/CMU-1-Small-Region"), folder)
    profiles = {"LABEL": WIDE, "OVERVIEW": None, "THUMBNAIL": None, "VOLUME": ADOBE}
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        profile = profiles[dataset.ImageType[2]]
        optics = dataset.OpticalPathSequence[0]
        optics.pop("ICCProfile", None)
        if profile is not None:
            optics.ICCProfile = profile
        dataset.save_as(path)
    with closing(open_slide(folder)) as source:
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "label", WIDE)
        _assert_shown(source, "macro", ADOBE)


def test_those_of_a_dicom_slide_with_focal_planes(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    template = shared_slide("slides/sm_image.dcm")
    volume = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    optics = pydicom.dcmread(template).OpticalPathSequence
    optics[0].ICCProfile = ADOBE
    write_slide(tmp_path / "a.dcm", template, volume, OpticalPathSequence=optics)
    optics[0].ICCProfile = WIDE
    write_slide(
        tmp_path / "b.dcm", template, volume[:1, :128], OpticalPathSequence=optics,
        ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"], SpecimenLabelInImage="YES",
    )  # fmt: skip
    with closing(open_here(tmp_path / "a.dcm", first=FIRST)) as source:
        assert source.info.reader == "wsidicom"
        assert source.info.icc_profile == ADOBE
        _assert_shown(source, "label", WIDE)


def test_a_gray_label_of_a_dicom_slide_with_focal_planes(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    template = shared_slide("slides/sm_image.dcm")
    volume = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    optics = pydicom.dcmread(template).OpticalPathSequence
    optics[0].ICCProfile = WIDE
    write_slide(tmp_path / "a.dcm", template, volume, OpticalPathSequence=optics)
    del optics[0].ICCProfile
    write_slide(
        tmp_path / "b.dcm", template, volume[np.newaxis, :1, :128, :, 0],
        OpticalPathSequence=optics, SpecimenLabelInImage="YES",
        ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"],
    )  # fmt: skip
    with closing(open_here(tmp_path / "a.dcm", first=FIRST)) as source:
        assert source.info.icc_profile == WIDE
        np.testing.assert_array_equal(
            source.read_associated("label")[..., 1], volume[0, :128, :, 0]
        )
        _assert_shown(source, "label", None)
