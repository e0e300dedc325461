"""Channels, focal planes and time points of TIFFs, as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from channel_steps import stack, whole, write_large_stack
from little_cms import ADOBE

from viewer.slides import SlideError, TileError, open_slide
from viewer.slides.channel_choice import NoSuchChannelError, channels_named
from viewer.slides.channels import Axes, Channel, distinct_names, usual_color
from viewer.slides.composites import ChannelDisplay, composite
from viewer.slides.displayed import displayed
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.planes import Planes
from viewer.slides.readers.tiff.source import open_tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("in_this_process")

TILED: dict[str, Any] = {"photometric": "minisblack", "tile": (128, 128)}
NAMES = ["DAPI", "FITC", "Cy5"]


def ome(path: Path, values: NDArray[Any], axes: str, **about: Any) -> Path:
    tifffile.imwrite(path, values, metadata={"axes": axes, **about}, **TILED)
    return path


@pytest.mark.parametrize(
    "dtype",
    [
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
        *("float16", "float32", "float64"),
    ],
)
def test_values_of_any_type_come_as_they_are_stored(tmp_path: Path, dtype: str) -> None:
    values = stack((2, 2), dtype)
    tifffile.imwrite(path := tmp_path / "a.tif", values, metadata={"axes": "ZCYX"}, **TILED)
    source = open_slide(path)
    axes = source.info.axes
    assert [channel.dtype for channel in axes.channels] == [dtype, dtype]
    assert (axes.z_count, axes.t_count) == (2, 1)
    for z in range(2):
        np.testing.assert_array_equal(whole(source, 0, (0, 1), z), values[z])
    assert source.info.notes == ()
    source.close()


@pytest.mark.parametrize("axes", ["TZCYX", "ZTCYX", "CZTYX", "CTZYX", "TCZYX", "ZCTYX"])
def test_every_order_of_axes(tmp_path: Path, axes: str) -> None:
    counts = {"T": 2, "Z": 3, "C": 3}
    values = stack(tuple(counts[axis] for axis in axes[:3]), "uint8")
    path = ome(tmp_path / "a.ome.tif", values, axes, Channel={"Name": NAMES})
    known = np.moveaxis(values, [axes.index(axis) for axis in "TZC"], [0, 1, 2])
    source = open_slide(path)
    for t in range(2):
        for z in range(3):
            np.testing.assert_array_equal(whole(source, 0, (2, 0, 1), z, t), known[t, z][[2, 0, 1]])
    source.close()


def test_names_colors_spacing_and_range(tmp_path: Path) -> None:
    values = stack((2, 3, 3))
    path = ome(
        tmp_path / "a.ome.tif",
        values,
        "TZCYX",
        PhysicalSizeZ=1500,
        PhysicalSizeZUnit="nm",
        TimeIncrement=250,
        TimeIncrementUnit="ms",
        Channel={"Name": ["DAPI", "", "DAPI"], "Color": [0xFF8000FF, None, None]},
    )
    source = open_slide(path)
    axes = source.info.axes
    assert axes.z_spacing_um == pytest.approx(1.5)
    assert axes.t_interval_s == pytest.approx(0.25)
    assert [channel.name for channel in axes.channels] == ["DAPI", "Channel 2", "DAPI (2)"]
    assert axes.channels[2].color == usual_color("DAPI", 2, 3) == (0, 0, 255)
    low, high = axes.channels[0].value_range
    assert low == values[0, :, 0].min()
    assert high == values[0, :, 0].max()
    source.close()


def test_samples_of_one_page_are_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = stack((5,))
    for planar in ("separate", "contig"):
        stored = values if planar == "separate" else np.moveaxis(values, 0, 2)
        tifffile.imwrite(path, stored, planarconfig=planar, metadata=None, **TILED)
        source = open_slide(path)
        assert len(source.info.axes.channels) == 5
        np.testing.assert_array_equal(whole(source, 0, (4, 1)), values[[4, 1]])
        source.close()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["separate", "contig"])
def test_four_samples_of_one_page_are_channels_where_none_is_opacity(
    tmp_path: Path, dtype: str, planar: str
) -> None:
    path = tmp_path / "a.tif"
    values = stack((4,), dtype)
    values[3, 20:40, 30:50] = np.iinfo(dtype).max  # a bright spot
    kind: dict[str, Any] = {"planarconfig": planar, "metadata": None, **TILED}
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            level = values[:, ::step, ::step]
            stored = level if planar == "separate" else np.moveaxis(level, 0, 2)
            out.write(stored, subifds=2 - step, subfiletype=step - 1, **kind)
    source = open_slide(path)
    assert len(source.info.axes.channels) == 4
    assert source.info.notes == ()
    np.testing.assert_array_equal(whole(source, 0, (3, 0, 1)), values[[3, 0, 1]])
    np.testing.assert_array_equal(whole(source, 1, (2, 3)), values[[2, 3], ::2, ::2])
    source.close()


@pytest.mark.parametrize("names", [NAMES[:2], NAMES, [*NAMES, "CD8"], [*NAMES, "CD8", "PanCK"]])
@pytest.mark.parametrize("planar", ["separate", "contig"])
def test_channels_that_are_samples_of_one_page_keep_their_names(
    tmp_path: Path, names: list[str], planar: str
) -> None:
    path = tmp_path / "a.ome.tif"
    values = stack((len(names),))
    _write_samples(path, values, names, planar)
    source = open_slide(path)
    channels = source.info.axes.channels
    assert [channel.name for channel in channels] == names
    assert channels[0].color == (0, 1, 2)
    np.testing.assert_array_equal(whole(source, 0, tuple(range(len(names)))), values)
    assert source.info.notes == ()
    source.close()


def test_samples_that_are_named_red_green_and_blue_are_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    _write_samples(path, stack((3,), "uint8"), ["Red", "Green", "Blue"], "separate")
    source = open_slide(path)
    assert source.info.axes.is_rgb
    source.close()


def _write_samples(path: Path, values: NDArray[Any], names: list[str], planar: str) -> None:
    """Write an OME-TIFF of one page whose XML takes samples for channels of their own."""
    channels = "".join(
        f'<Channel ID="C:{n}" Name="{name}" Color="{(n * 0x030000 + 0x0102) << 8 | 255}"/>'
        for n, name in enumerate(names)
    )
    count, height, width = values.shape
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{values.dtype}" SizeX="{width}" '
        f'SizeY="{height}" SizeC="{count}" SizeZ="1" SizeT="1">{channels}<TiffData/></Pixels>'
        "</Image></OME>"
    )
    stored = values if planar == "separate" else np.moveaxis(values, 0, 2)
    tifffile.imwrite(path, stored, planarconfig=planar, metadata=None, description=xml, **TILED)


def test_imagej_hyperstacks(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = stack((2, 3, 2))
    tables = [np.zeros((3, 256), np.uint8), np.zeros((3, 256), np.uint8)]
    tables[0][1], tables[1][0] = np.arange(256), np.arange(256)
    about = {"axes": "TZCYX", "LUTs": tables, "Ranges": (1.0, 60.0, 2.0, 99.0), "spacing": 0.5}
    tifffile.imwrite(path, values, imagej=True, metadata={**about, "unit": "um"})
    source = open_slide(path)
    axes = source.info.axes
    assert [channel.color for channel in axes.channels] == [(0, 255, 0), (255, 0, 0)]
    assert axes.channels[1].value_range == (2.0, 99.0)
    assert (axes.z_count, axes.z_spacing_um, axes.t_count) == (3, 0.5, 2)
    np.testing.assert_array_equal(whole(source, 0, (0, 1), 2, 1), values[1, 2])
    source.close()


def test_planes_of_color(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    values = np.ascontiguousarray(np.moveaxis(stack((3, 3), "uint8"), 1, 3))
    tifffile.imwrite(path, values, photometric="rgb", tile=(128, 128), metadata={"axes": "ZYXS"})
    source = open_slide(path)
    assert source.info.axes.is_rgb
    assert source.info.axes.z_count == 3
    for z in range(3):
        np.testing.assert_array_equal(np.moveaxis(whole(source, 0, (0, 1, 2), z), 0, 2), values[z])
    source.close()


def test_pages_without_a_word_are_planes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = stack((4,), "uint8")
    tifffile.imwrite(path, values, metadata=None, **TILED)
    source = open_slide(path)
    assert source.info.axes.z_count == 4
    np.testing.assert_array_equal(whole(source, 0, (0,), 3)[0], values[3])
    source.close()


@pytest.mark.parametrize(
    ("axes", "is_told"), [("ZYXS", True), ("QYXS", False), ("IYXS", False), ("", False)]
)
def test_that_the_file_says_nothing_of_its_pages_is_told(
    tmp_path: Path, axes: str, is_told: bool
) -> None:
    values = np.moveaxis(stack((2, 3), "uint8"), 1, 3)
    path = tmp_path / "a.tif"
    about = {"axes": axes} if axes else None
    tifffile.imwrite(path, values, photometric="rgb", metadata=about, tile=(128, 128))
    source = open_slide(path)
    assert source.info.axes.z_count == 2
    said = "2 pages of one size are shown as focal planes: the file does not say what they are."
    assert source.info.notes == (() if is_told else (said,))
    source.close()


def test_levels_of_channels_in_subifds_and_made_here(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    values = stack((2, 2), "uint16", (1200, 1600))
    about = {"axes": "ZCYX", "Channel": {"Name": NAMES[:2]}}
    with tifffile.TiffWriter(path, ome=True) as out:
        out.write(values, subifds=1, metadata=about, **TILED)
        out.write(values[..., ::2, ::2], subfiletype=1, **TILED)
    source = open_slide(path)
    assert [level.width_px for level in source.levels] == [1600, 800, 400]
    np.testing.assert_array_equal(whole(source, 1, (0, 1), 1), values[1, :, ::2, ::2])
    four = values[1, :, ::2, ::2].astype(int).reshape(2, 300, 2, 400, 2)
    mean = (four.sum((2, 4)) + 2) // 4
    np.testing.assert_array_equal(whole(source, 2, (1, 0), 1), mean[[1, 0]])
    source.close()


def test_damage_is_never_other_pixels(tmp_path: Path) -> None:
    """A tile that is cut off is an error, at made levels diagonals; other channels are whole."""
    path = ome(
        tmp_path / "a.ome.tif",
        stack((2,), "uint16", (1100, 1100)),
        "CYX",
        Channel={"Name": NAMES[:2]},
    )
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[1].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(0, 2)
        end = file.tell()
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages[1].aspage().tags[324]
            file.seek(tag.valueoffset)
        file.write((end + 10).to_bytes(4 if tag.dtype == 4 else 8, "little"))
    assert offset
    source = open_slide(path)
    with pytest.raises(TileError):
        source.read_channels(0, 0, 0, (1,))
    assert source.read_channels(0, 0, 0, (0,)).shape == (1, 128, 128)
    made = next(i for i, level in enumerate(source.levels) if level.stored_tiles_per_tile > 1)
    patch = source.read_channels(made, 0, 0, (1,))[0, :64, :64]
    low, high = source.info.axes.channels[1].value_range
    assert set(np.unique(patch)) <= set(range(int(low), int(high) + 1))
    assert (patch == high).mean() > 0.5
    source.close()


def test_a_composite_adds_colors_up() -> None:
    planes = np.array([[[0, 50, 100, 200]], [[0, 0, 100, 200]]], np.uint16)
    red = ChannelDisplay((255, 0, 0), 0, 100)
    white = ChannelDisplay((255, 255, 255), 100, 200, gamma=2.0)
    shown = composite(planes, [red, white])
    assert shown[0].tolist() == [[0, 0, 0], [128, 0, 0], [255, 0, 0], [255, 255, 255]]
    half = composite(np.full((1, 1, 1), 125, np.float64), [white])
    assert half[0, 0, 0] == pytest.approx(255 * 0.25**0.5, abs=1)
    gaps = composite(np.array([[[np.nan, np.inf, -np.inf]]], np.float32), [red])
    assert gaps[0].tolist() == [[0, 0, 0], [255, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((0.0, 5.0, 1e300), (0, 0, 255)),
        ((-1e300, 5.0, 9.0), (0, 255, 255)),
        ((-1.7e308, 0.0, 1.7e308, np.inf, np.nan), (0, 128, 255, 255, 0)),
        ((0.0, 2e-60, 4e-60), (0, 128, 255)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_floats_of_any_size(values: tuple[float, ...], shown: tuple[int, ...]) -> None:
    finite = [value for value in values if np.isfinite(value)]
    display = ChannelDisplay((255, 255, 255), min(finite), max(finite))
    picture = composite(np.array([[values]], np.float64), [display])
    assert picture[0, :, 0].tolist() == [*shown]


def test_names_are_distinct() -> None:
    assert distinct_names(["", "A", "A", "A (2)"]) == ("Channel 1", "A", "A (2)", "A (2) (2)")


def test_forty_channels_of_eleven_planes(tmp_path: Path) -> None:
    """Opening looks at a small part of the directories; each plane is read when asked for."""
    path = tmp_path / "large.ome.tif"
    write_large_stack(path)
    assert path.stat().st_size < 200 << 20
    source = open_slide(path)
    axes = source.info.axes
    assert (len(axes.channels), axes.z_count, source.levels[0].width_px) == (40, 11, 20_000)
    assert len(axes.first_shown) == 4
    assert source.read_tile(len(source.levels) - 1, 0, 0).any()
    for channel, z in ((0, 0), (39, 10), (17, 5)):
        number = channel + 40 * z
        for level in (0, 3):
            tile = source.read_channels(level, 0, 0, (channel,), z)[0]
            assert (tile[256, 256], tile[0, 0]) == (500 + number, 0)
    source.close()
    with pytest.raises(TileError):
        source.read_channels(0, 0, 0, (3,), 7)


def test_values_of_dear_levels_are_kept_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flat slide is gone through once: opened again it reads no tile for its overview."""
    path = ome(
        tmp_path / "flat.ome.tif",
        stack((2, 2), "uint16", (2100, 2200)),
        "ZCYX",
        Channel={"Name": NAMES[:2]},
    )
    source = open_slide(path)
    top = len(source.levels) - 1
    assert source.levels[top].stored_tiles_per_tile == 64
    first = whole(source, top, (0, 1), 1)
    source.close()
    again = open_slide(path)
    with monkeypatch.context() as patched:
        patched.setattr(Planes, "read", _no_read)
        np.testing.assert_array_equal(whole(again, top, (1, 0), 1), first[[1, 0]])
        with pytest.raises(TileError):
            again.read_channels(top, 0, 0, (0,), 0)
    again.close()


def _no_read(*_: object) -> None:
    raise ChunkError("the test says so")


@pytest.mark.parametrize("cut_bytes", [0, 300 * 420 * 2 * 2])
def test_planes_behind_the_one_page_that_a_file_describes(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "a.tif"
    values = stack((2, 3))
    about: dict[str, Any] = {"metadata": {"axes": "ZCYX"}, "photometric": "minisblack"}
    tifffile.imwrite(path, values, truncate=True, **about)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut_bytes)
    source = open_slide(path)
    axes = source.info.axes
    assert (axes.z_count, len(axes.channels)) == (2, 3)
    np.testing.assert_array_equal(whole(source, 0, (0, 2), 0), values[0, [0, 2]])
    if cut_bytes:
        assert source.info.notes[0] == "The file tells of 6 planes and holds 4."
        with pytest.raises(TileError):
            source.read_channels(0, 0, 0, (2,), 1)
    else:
        np.testing.assert_array_equal(whole(source, 0, (0, 2), 1), values[1, [0, 2]])
    source.close()


def described(path: Path, values: NDArray[Any], sizes: str, data: str = "<TiffData/>") -> Path:
    """Write planes under an XML that says anything of them."""
    height, width = values.shape[-2:]
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{values.dtype}" SizeX="{width}" '
        f'SizeY="{height}" {sizes}>{data}</Pixels></Image></OME>'
    ).encode()
    with tifffile.TiffWriter(path) as out:
        for number, plane in enumerate(values):
            out.write(plane, description=xml if number == 0 else None, metadata=None, **TILED)
    return path


def test_planes_that_the_xml_counts_otherwise(tmp_path: Path) -> None:
    values = stack((3,), "uint16", (200, 300))
    path = tmp_path / "a.ome.tif"
    source = open_slide(described(path, values, 'SizeC="3" SizeZ="1" SizeT="1"', data=""))
    np.testing.assert_array_equal(whole(source, 0, (0, 1, 2)), values)
    assert source.info.notes == ()
    source.close()
    source = open_slide(described(path, values, 'SizeC="5" SizeZ="1" SizeT="1"'))
    assert source.info.notes == ("The file tells of 5 planes and holds 3.",)
    np.testing.assert_array_equal(whole(source, 0, (2,))[0], values[2])
    with pytest.raises(TileError):
        source.read_channels(0, 0, 0, (4,))
    source.close()
    with pytest.raises(SlideError, match="1,000,000,000 channels, more than the 4,096"):
        open_slide(described(path, values, 'SizeC="1000000000" SizeZ="1" SizeT="1"'))


def test_a_chain_of_planes_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as out:
        for plane in stack((3,), "uint16", (200, 300)):
            out.write(plane, metadata=None, **TILED)
    with tifffile.TiffFile(path) as tiff:
        last = tiff.pages[2].offset
    path.write_bytes(path.read_bytes()[:last])
    source = open_slide(path)
    assert source.info.axes.z_count == 2
    sentence = "The file is cut short: directory 2 and those after it are missing."
    assert sentence in source.info.notes
    source.close()


def test_three_stains_of_8_bits_are_no_picture(tmp_path: Path) -> None:
    values = stack((3,), "uint8", (200, 300))
    colors = [-16776961, 0x00FF00FF, 0x0000FFFF]
    for names, is_rgb in ((["TRITC", "FITC", "DAPI"], False), (["C1", "C2", "C3"], True)):
        about = {"Channel": {"Name": names, "Color": colors}}
        source = open_slide(ome(tmp_path / "a.ome.tif", values, "CYX", **about))
        assert source.info.axes.is_rgb == is_rgb
        source.close()


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((9, 9), np.complex64), metadata=None)
    with pytest.raises(SlideError, match="complex numbers"):
        open_tiff(tmp_path / "a.tif")


def test_names_with_commas_among_others() -> None:
    names = ("DAPI, nuclear", "CD3,CD8", "CD8", "Ki 67")
    axes = Axes(tuple(Channel(name, (255, 0, 0), "uint8", (0, 1)) for name in names))
    path = Path("a.tif")
    assert channels_named(path, axes, "ki 67,DAPI, nuclear,CD3,CD8") == (3, 0, 1)
    assert channels_named(path, axes, "CD8, dapi, nuclear") == (2, 0)
    with pytest.raises(NoSuchChannelError, match=r'no channel "CD9": it has "DAPI, nuclear"'):
        channels_named(path, axes, "CD8,CD9")


@pytest.mark.parametrize("count", [1, 3])
def test_a_profile_changes_no_colors_of_channels(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.ome.tif"
    about = {"axes": "CYX", "Channel": {"Name": ["DAPI", "CD3", "CD8"][:count]}}
    values = stack((count,))
    tifffile.imwrite(path, values, photometric="minisblack", iccprofile=ADOBE, metadata=about)
    source = open_slide(path)
    shown = source.read_tile(0, 0, 0)
    said = "The slide's ICC profile is left out: channels have colors of their own."
    assert (said in source.info.notes) == (count > 1)
    if count > 1:
        np.testing.assert_array_equal(displayed(source.info, shown), shown)
    else:  # a picture in gray
        assert source.info.icc_profile == ADOBE
    source.close()
