"""Slides written as OME-TIFF: copied tiles, pyramids, channels, and runs that end too soon."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import forked_programs
import numpy as np
import openslide
import pydicom
import pytest
import tifffile
import wsidicom
import zarr
from cli_steps import coverslip
from marked_slides import profile, tissue, write_svs
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames

from viewer.slides import open_slide
from viewer.slides.writing.convert import convert
from viewer.slides.writing.errors import UnknownKindError, WritingCanceledError, WritingError
from viewer.slides.writing.places import check_place
from viewer.slides.writing.plan import ConvertOptions, Region
from viewer.slides.writing.watch import Watch


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    """The bundled slide as OME-TIFF."""
    out = tmp_path_factory.mktemp("copied") / "out.ome.tif"
    done = convert(sample_slide, out)
    assert (done.counts.copied, done.counts.coded) == (130, 0)
    assert done.lossy == []
    return out


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three channels of 16 bits in two planes, with names, colors and scale."""
    path = tmp_path_factory.mktemp("channels") / "in.ome.tif"
    values = np.random.default_rng(3).integers(0, 60_000, (2, 3, 1100, 900)).astype(np.uint16)
    tifffile.imwrite(
        path, values, ome=True, tile=(256, 256), photometric="minisblack",
        metadata={
            "axes": "ZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.5,
            "Channel": {"Name": ["DAPI", "CD8", "Ki67"], "Color": [65535, 16711935, -16776961]},
        },
    )  # fmt: skip
    return path


def tiles_of(path: Path, index: int = 0) -> list[bytes]:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[index].aspage()
        tiles: list[bytes] = []
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            tiff.filehandle.seek(offset)
            tiles.append(tiff.filehandle.read(size))
        return tiles


def base_of(path: Path) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tiff:
        return tiff.series[0].levels[0].asarray()


def loss(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def test_tiles_are_copied_and_a_pyramid_is_built(copied: Path, sample_slide: Path) -> None:
    assert tiles_of(copied) == tiles_of(sample_slide)
    assert np.array_equal(base_of(copied), base_of(sample_slide))
    with tifffile.TiffFile(copied) as tiff:
        assert tiff.is_ome
        assert [level.shape[:2] for level in tiff.series[0].levels] == [
            (2967, 2220), (1484, 1110), (742, 555),
        ]  # fmt: skip
        half = tiff.series[0].levels[1].asarray()
    base = base_of(sample_slide)[:2966, :2220].reshape(1483, 2, 1110, 2, 3).mean(axis=(1, 3))
    assert loss(half[:1483], base) < 4
    with_us = open_slide(copied)
    assert with_us.info.optics.mpp_um == pytest.approx((0.499, 0.499))
    assert with_us.info.optics.objective_power == 20
    with_us.close()


def test_stored_levels_and_the_profile_are_kept(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "a.svs")
    done = convert(slide, tmp_path / "b.ome.tiff")
    assert done.counts.copied == 24 + 6
    assert tiles_of(done.path) == tiles_of(slide)
    with tifffile.TiffFile(done.path) as tiff:
        assert [level.shape[:2] for level in tiff.series[0].levels] == [(1000, 1300), (500, 650)]
        assert tiff.pages.first.tags.valueof(34675) == profile()
    assert any("label, macro" in each for each in done.dropped)
    assert b"DOE^JANE" not in done.path.read_bytes()


def test_a_region_holds_nothing_from_beyond(tmp_path: Path, sample_slide: Path) -> None:
    options = ConvertOptions(Region(240, 480, 1000, 900), quality=95)
    done = convert(sample_slide, tmp_path / "b.ome.tif", options)
    assert (done.counts.copied, done.counts.coded) == (12, 8)
    wanted = base_of(sample_slide)[480:1380, 240:1240]
    found = base_of(done.path)
    assert np.array_equal(found[:720, :960], wanted[:720, :960])
    assert loss(found, wanted) < 2
    beyond = base_of(sample_slide)[480:720, 1240:1440]
    with tifffile.TiffFile(done.path) as tiff:
        page = tiff.pages.first
        tile = page.decode(tiles_of(done.path)[4], 4, jpegtables=page.jpegtables)[0]
    assert loss(np.asarray(tile)[0, :, 40:], beyond) > 3
    with pytest.raises(WritingError, match="outside of the slide"):
        convert(sample_slide, tmp_path / "c.ome.tif", ConvertOptions(Region(9000, 0, 10, 10)))


def test_what_cannot_be_copied_is_coded_and_that_is_said(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    told = coverslip("convert", slide, tmp_path / "b.ome.tif", "--quality", 95, "--json",
                     "--region", "1000,1000,1200,700")  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["tiles_copied"] == 0
    assert "quality 95" in told.stderr
    source = open_slide(slide)
    wanted = source.read_tile(0, 4, 4)[: 1280 - 1024, : 1280 - 1024]
    found = base_of(tmp_path / "b.ome.tif")[24 : 24 + 256, 24 : 24 + 256]
    assert loss(found, wanted) < 3
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tiff:
        assert tiff.pages.first.tags.valueof(34675) == source.info.icc_profile
    source.close()


def test_channels_planes_names_and_colors_are_kept_without_loss(
    tmp_path: Path, channels: Path
) -> None:
    done = convert(channels, tmp_path / "b.ome.tif")
    values = base_of(channels)
    assert np.array_equal(base_of(done.path), values)
    with tifffile.TiffFile(done.path) as tiff:
        xml = tiff.ome_metadata or ""
        assert tiff.series[0].axes == "ZCYX"
        assert len(tiff.series[0].levels) == 2
    assert re.findall(r'Name="(\w+)" SamplesPerPixel="1" Color="(-?\d+)"', xml) == [
        ("DAPI", "65535"), ("CD8", "16711935"), ("Ki67", "-16776961"),
    ]  # fmt: skip
    assert 'PhysicalSizeZ="1.5"' in xml
    some = convert(channels, tmp_path / "c.ome.tif", ConvertOptions(channels=("Ki67", "0"), z=(1,)))
    assert np.array_equal(base_of(some.path), values[1][[2, 0]])
    assert "Channels: CD8." in some.dropped
    assert "1 of 2 focal planes." in some.dropped
    with pytest.raises(WritingError, match='no channel "CD3"'):
        convert(channels, tmp_path / "d.ome.tif", ConvertOptions(channels=("CD3",)))


def test_unreadable_tiles_are_hatched_and_counted(tmp_path: Path) -> None:
    slide = write_svs(tmp_path / "a.svs")
    with tifffile.TiffFile(slide) as tiff:
        offset, size = tiff.pages.first.dataoffsets[8], tiff.pages.first.databytecounts[8]
    data = bytearray(slide.read_bytes())
    data[offset : offset + size] = bytes(size)
    slide.write_bytes(data)
    told = coverslip("convert", slide, tmp_path / "b.ome.tif", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["tiles_unreadable"] == 1
    assert "hatched" in told.stderr
    tile = base_of(tmp_path / "b.ome.tif")[256:512, 512:768].mean(axis=2)
    assert abs(tile - np.where(tile > 155, 190, 120)).mean() < 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("out.tif",), "does not say its kind"),
        (("out.png", "--to", "png"), 'no kind "png"'),
        (("out.ome.zarr", "--to", "ome-tiff"), "ends like ome-zarr"),
        (("out.ome.tif", "--to", "dicom"), "ends like ome-tiff"),
        (("http://127.0.0.1/out.ome.tif",), "OUT is an address"),
        (("out.ome.tif", "--channels", ","), "--channels takes"),
        (("out.ome.tif", "--z", ""), "--z takes"),
        (("out.ome.tif", "--region", "1,2"), "--region takes"),
        (("out.ome.tif", "--z", "3"), "no plane 3"),
        (("out.ome.tif", "--channels", "DAPI"), "is RGB"),
        (("there.ome.tif",), "exists already"),
        (("none/out.ome.tif",), "no folder"),
        (("a.svs", "--to", "ome-tiff", "--overwrite"), "place of the slide itself"),
        (("hard.ome.tif", "--overwrite"), "place of the slide itself"),
    ],
)
def test_bad_requests_are_one_sentence(
    tmp_path: Path, sample_slide: Path, words: tuple[str, ...], said: str
) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(sample_slide.read_bytes())
    (tmp_path / "there.ome.tif").write_text("mine")
    os.link(slide, tmp_path / "hard.ome.tif")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    told = coverslip("convert", slide, *words, folder=tmp_path)
    assert told.returncode == 2
    assert said in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_canceled_run_leaves_nothing(tmp_path: Path, sample_slide: Path) -> None:
    shares: list[float] = []
    watch = Watch(shares.append, lambda: len(shares) > 2)
    with pytest.raises(WritingCanceledError):
        convert(sample_slide, tmp_path / "b.ome.tif", watch=watch)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownKindError):
        convert(sample_slide, tmp_path / "b.xyz")


def test_ome_zarr_holds_each_value(tmp_path: Path, channels: Path, sample_slide: Path) -> None:
    out = tmp_path / "b.ome.zarr"
    done = convert(channels, out)
    values = base_of(channels)
    group = zarr.open_group(str(out), mode="r")
    assert np.array_equal(np.moveaxis(np.asarray(group["0"])[0], 0, 1), values)
    about: Any = group.attrs["ome"]
    assert about["version"] == "0.5"
    scales = [
        each["coordinateTransformations"][0]["scale"]
        for each in about["multiscales"][0]["datasets"]
    ]
    assert scales == [[1, 1, 1.5, 0.5, 0.5], [1, 1, 1.5, 1, 1]]
    named = [(each["label"], each["color"]) for each in about["omero"]["channels"]]
    assert named == [("DAPI", "0000FF"), ("CD8", "00FF00"), ("Ki67", "FF0000")]
    assert done.lossy == []
    told = coverslip("convert", sample_slide, out, "--overwrite", "--region", "240,240,600,500")
    assert told.returncode == 0, told.stderr
    assert "objective" in told.stderr
    rgb = np.asarray(zarr.open_group(str(out), mode="r")["0"])[0, :, 0]
    assert np.array_equal(np.moveaxis(rgb, 0, 2), base_of(sample_slide)[240:740, 240:840])
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["b.ome.zarr", "b.ome.tif"])
def test_values_that_are_no_numbers_are_kept(tmp_path: Path, name: str) -> None:
    """Floating-point slides have such gaps; the copy is held against the slide all the same."""
    values = np.random.default_rng(2).random((2, 600, 700), np.float32)
    values[:, :40], values[1, 300, 300:] = np.nan, np.inf
    slide = tmp_path / "a.ome.tif"
    about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(slide, values, photometric="minisblack", tile=(256, 256), metadata=about)
    done = convert(slide, tmp_path / name)
    assert done.lossy == []
    with closing(open_slide(tmp_path / name)) as source:
        found = source.read_channels(0, 0, 0, (0, 1))
    assert np.array_equal(found, values[:, : found.shape[1], : found.shape[2]], equal_nan=True)


def test_dicom_holds_the_same_coded_tiles(tmp_path: Path, sample_slide: Path) -> None:
    told = coverslip("convert", sample_slide, tmp_path / "out", "--to", "dicom", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["tiles_copied"] == 130
    assert "sRGB" in told.stderr
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == ["level-0.dcm", "level-1.dcm", "level-2.dcm"]
    first = pydicom.dcmread(files[0])
    frames = list(generate_frames(first.PixelData, number_of_frames=130))
    scans = [each[each.rindex(b"\xff\xda") :].rstrip(b"\0") for each in frames]
    assert scans == [
        each[each.rindex(b"\xff\xda") :].rstrip(b"\0") for each in tiles_of(sample_slide)
    ]
    assert first.OpticalPathSequence[0].ObjectiveLensPower == 20
    with openslide.OpenSlide(files[1]) as read:
        assert read.level_dimensions == ((2220, 2967), (1110, 1484), (555, 742))
        assert float(read.properties["openslide.mpp-x"]) == pytest.approx(0.499)
        rgb = np.asarray(read.read_region((0, 0), 0, read.dimensions).convert("RGB"))
    assert np.array_equal(rgb, base_of(sample_slide))
    with wsidicom.WsiDicom.open(tmp_path / "out") as judged:
        assert judged.mpp.width == pytest.approx(0.499)
    back = convert(tmp_path / "out", tmp_path / "back.ome.tif")
    assert loss(base_of(back.path), base_of(sample_slide)) < 3


def test_dicom_holds_channels_and_planes(tmp_path: Path, channels: Path) -> None:
    options = ConvertOptions(Region(300, 200, 400, 300), channels=("CD8", "Ki67"))
    done = convert(channels, tmp_path / "out", options, kind="dicom")
    values = base_of(channels)[:, 1:, 200:500, 300:700]
    source = open_slide(tmp_path / "out")
    assert [each.name for each in source.info.axes.channels] == ["CD8", "Ki67"]
    assert source.info.axes.z_spacing_um == pytest.approx(1.5)
    for z in range(2):
        assert np.array_equal(source.read_channels(0, 0, 0, (0, 1), z), values[z])
    source.close()
    assert "The colors of channels, for which this DICOM has no place." in done.dropped


def test_dicom_holds_planes_in_color(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    planes = np.stack([tissue(300, 200, seed) for seed in range(3)])
    about = {"axes": "ZYXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2}
    tifffile.imwrite(slide, planes, ome=True, photometric="rgb", metadata=about)
    convert(slide, tmp_path / "out", ConvertOptions(quality=98), kind="dicom")
    with closing(open_slide(tmp_path / "out")) as source:
        assert source.info.optics.mpp_um == pytest.approx((0.5, 0.25))
        for z, plane in enumerate(planes):
            channels = source.read_channels(0, 0, 0, (0, 1, 2), z)
            part = plane[: channels.shape[1], : channels.shape[2]]
            assert loss(np.moveaxis(channels, 0, 2), part) < 3


def test_dicom_demands_a_pixel_size_and_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, tissue(64, 48))
    told = coverslip("convert", path, tmp_path / "out", "--to", "dicom")
    assert told.returncode == 2
    assert "--mpp" in told.stderr
    assert (
        coverslip("convert", path, tmp_path / "out", "--to", "dicom", "--mpp", 0.5).returncode == 0
    )
    values = np.zeros((2, 64, 64), np.float32)
    tifffile.imwrite(
        tmp_path / "f.ome.tif", values, metadata={"axes": "CYX"}, photometric="minisblack"
    )
    told = coverslip("convert", tmp_path / "f.ome.tif", tmp_path / "f", "--to", "dicom")
    assert told.returncode == 2
    assert "8 and 16 bits" in told.stderr


_RUN = "import sys; from viewer.cli import main; main()"


def test_a_killed_run_goes_on_with_the_same_command(
    tmp_path: Path, shared_slide: Callable[[str], Path]
) -> None:
    slide = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    words = [sys.executable, "-c", _RUN, "convert", slide, tmp_path / "b.ome.tif", "--json"]
    run = forked_programs.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and run.poll() is None:
        found = list(tmp_path.glob(".*.journal"))
        if found and found[0].stat().st_size > 32 * 20:
            break
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "b.ome.tif").exists()
    # A part of a tile that did not reach the disk, and of its entry.
    (journal,), (part,) = tmp_path.glob(".*.journal"), tmp_path.glob(".*.part")
    journal.write_bytes(journal.read_bytes()[:-9])
    with part.open("ab") as file:
        file.write(b"torn")
    done = convert(slide, tmp_path / "b.ome.tif")
    assert done.counts.resumed >= 15
    whole = convert(slide, tmp_path / "c.ome.tif")
    assert whole.counts.resumed == 0
    assert np.array_equal(base_of(done.path), base_of(whole.path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.ome.tif", "c.ome.tif"]


_KILLED_AT_THE_END = """
import os, signal, sys
from pathlib import Path
from viewer.slides.writing import convert as converting
from viewer.slides.writing.plan import ConvertOptions, Region
converting.replace_by = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
options = ConvertOptions(region=Region(0, 0, 300, 300))
converting.convert(Path(sys.argv[1]), Path(sys.argv[2]), options)
"""


def test_what_killed_runs_left_goes_and_that_of_other_runs_and_outputs_stays(
    tmp_path: Path, sample_slide: Path
) -> None:
    first, second = (tmp_path / f"{'a long name ' * 6}{number}.ome.zarr" for number in range(2))
    for out in (first, second):
        words = [sys.executable, "-c", _KILLED_AT_THE_END, str(sample_slide), str(out)]
        assert forked_programs.run(words, check=False, timeout=60).returncode == -signal.SIGKILL
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 6
    inner: list[int] = []

    def once() -> bool:
        if not inner:
            inner.append(0)
            small = ConvertOptions(region=Region(0, 0, 200, 200))
            inner[0] = convert(sample_slide, first, small).counts.resumed
        return False

    options = ConvertOptions(region=Region(0, 0, 600, 600))
    convert(sample_slide, first, options, overwrite=True, watch=Watch(is_canceled=once))
    assert inner == [0]
    of_second = {path.name for path in tmp_path.iterdir()} - {first.name}
    assert len(of_second) == 3
    assert of_second < left
    again = ConvertOptions(region=Region(0, 0, 300, 300))
    assert convert(sample_slide, second, again).counts.resumed > 0
    assert {path.name for path in tmp_path.iterdir()} == {first.name, second.name}


def test_tiles_that_the_disk_never_took_are_written_again(
    tmp_path: Path, sample_slide: Path
) -> None:
    out = tmp_path / "a.ome.tif"
    words = [sys.executable, "-c", _KILLED_AT_THE_END, str(sample_slide), str(out)]
    options = ConvertOptions(region=Region(0, 0, 300, 300))
    convert(sample_slide, tmp_path / "whole.ome.tif", options)
    resumed: list[int] = []
    for lost_share in (0.0, 0.4, 0.8):
        out.unlink(missing_ok=True)
        assert forked_programs.run(words, check=False, timeout=60).returncode == -signal.SIGKILL
        (part,) = tmp_path.glob(".*.part")
        data = part.read_bytes()
        at = int(len(data) * (1 - lost_share)) // 512 * 512
        part.write_bytes(data[:at] + bytes(len(data) - at))  # as a loss of power leaves it
        resumed.append(convert(sample_slide, out, options).counts.resumed)
        assert np.array_equal(base_of(out), base_of(tmp_path / "whole.ome.tif"))
    assert resumed[0] > resumed[1] > resumed[2]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder that takes no file")
def test_what_cannot_be_written_is_called_by_the_name_that_was_given(sample_slide: Path) -> None:
    done = coverslip("convert", sample_slide, "/proc/copy.ome.tif")
    assert done.returncode == 2
    assert "copy.ome.tif" in done.stderr
    assert ".journal" not in done.stderr


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path, sample_slide: Path) -> None:
    folder = tmp_path / "mine.ome.zarr"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    for words in (("--to", "ome-tiff"), ("--to", "dicom"), ()):
        told = coverslip("convert", sample_slide, folder, "--overwrite", *words)
        assert told.returncode == 2
        assert "never replaced" in told.stderr
    slide = tmp_path / "a.svs"
    slide.write_bytes(sample_slide.read_bytes())
    told = coverslip("convert", slide, tmp_path / "b.ome.tif", "--report", slide)
    assert told.returncode == 2
    assert "the slide itself" in told.stderr
    assert slide.read_bytes() == sample_slide.read_bytes()


def test_the_folders_of_a_slide_take_nothing(tmp_path: Path) -> None:
    data = tmp_path / "a"
    data.mkdir()
    (data / "Slidedat.ini").write_text("")
    (tmp_path / "a.mrxs").write_text("x")
    (tmp_path / "link").symlink_to(data)
    for out in (data / "b.ome.tif", tmp_path / "link" / "b.ome.tif"):
        with pytest.raises(WritingError, match="belongs to the slide itself"):
            check_place(tmp_path / "a.mrxs", out, overwrite=True)
    check_place(tmp_path / "a.mrxs", tmp_path / "b.ome.tif", overwrite=False)


def _listens_to_ctrl_c() -> None:
    """As in a terminal; a shell has what it runs in the background ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, shared_slide: Callable[[str], Path]) -> None:
    slide = shared_slide("slides/TCGA-CR-7395-01A-01-TS1.svs")
    words = [sys.executable, "-c", _RUN, "convert", slide, tmp_path / "b.ome.tif"]
    run = subprocess.Popen(
        list(map(str, words)), stderr=subprocess.PIPE, text=True, preexec_fn=_listens_to_ctrl_c
    )
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and not list(tmp_path.glob(".*.journal")):
        time.sleep(0.005)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    assert not (tmp_path / "b.ome.tif").exists()


def _limited() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.parametrize("command", ["convert", "deidentify"])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, sample_slide: Path, command: str
) -> None:
    out = tmp_path / "b.ome.tif"
    out.write_text("mine")
    words = [sys.executable, "-B", "-c", _RUN, command, sample_slide, out, "--overwrite"]
    told = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, preexec_fn=_limited, check=False
    )
    assert told.returncode == 2, told.stderr
    assert "cannot be written" in told.stderr
    assert "Traceback" not in told.stderr
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_only_one_run_writes_a_file_at_a_time(tmp_path: Path, sample_slide: Path) -> None:
    out = tmp_path / "b.ome.tif"
    told: list[str] = []

    def once() -> bool:
        if not told:
            told.append("")
            with pytest.raises(WritingError) as caught:
                convert(sample_slide, out)
            told.append(str(caught.value))
        return False

    convert(sample_slide, out, watch=Watch(is_canceled=once))
    assert "another run" in told[1]
    assert np.array_equal(base_of(out), base_of(sample_slide))


def test_a_pseudonym_is_drawn_anew_each_time(tmp_path: Path, sample_slide: Path) -> None:
    names = {coverslip("deidentify", sample_slide, tmp_path).stdout.strip() for _ in range(2)}
    assert len(names) == 2
    assert all(tissue(1, 1).size and "CMU" not in name.rsplit("/", 1)[-1] for name in names)


def test_the_distance_of_chosen_planes_is_told(tmp_path: Path) -> None:
    slide = tmp_path / "a.ome.tif"
    about = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.5}
    values = np.arange(4 * 64 * 48, dtype=np.uint16).reshape(4, 64, 48)
    tifffile.imwrite(slide, values, ome=True, photometric="minisblack", metadata=about)
    convert(slide, tmp_path / "even.ome.tif", ConvertOptions(z=(0, 2)))
    with tifffile.TiffFile(tmp_path / "even.ome.tif") as tiff:
        assert 'PhysicalSizeZ="3.0"' in (tiff.ome_metadata or "")
    done = convert(slide, tmp_path / "uneven.ome.tif", ConvertOptions(z=(0, 1, 3)))
    with tifffile.TiffFile(done.path) as tiff:
        assert "PhysicalSizeZ" not in (tiff.ome_metadata or "")
    assert any("not even" in each for each in done.dropped)
    told = coverslip("convert", slide, tmp_path / "out", "--to", "dicom", "--z", "0,1,3")
    assert told.returncode == 2
    assert "one of them by --z" in told.stderr


def test_a_region_beyond_the_edge_is_cut_and_told(tmp_path: Path) -> None:
    slide = tmp_path / "a.png"
    Image.fromarray(tissue(64, 48)).save(slide)
    done = convert(slide, tmp_path / "b.ome.tif", ConvertOptions(Region(-5, -5, 20, 25)))
    assert base_of(done.path).shape == (20, 15, 3)
    assert any("15 x 20 pixels are written" in each for each in done.dropped)
