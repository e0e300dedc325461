"""Levels of a TIFF wherever they stand, other images beside, and how large a pixel is."""

from __future__ import annotations

import time
from contextlib import closing
from html import escape
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from tiff_steps import assert_shows, gray, picture, whole

from viewer.slides import NoSuchImageError, SlideError, UnsupportedSlideError, open_slide
from viewer.slides.opening_here import open_here

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import RgbImage

pytestmark = pytest.mark.usefixtures("in_this_process")

TILED: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb", "compression": "deflate"}


def large() -> RgbImage:
    return np.asarray(Image.fromarray(picture()).resize((1280, 960), Image.Resampling.BICUBIC))


def reduced(factor: int, resample: Image.Resampling = Image.Resampling.BOX) -> RgbImage:
    size = (1280 // factor, 960 // factor)
    return np.asarray(Image.fromarray(large()).resize(size, resample))


def stored_levels(path: Path) -> list[tuple[int, int]]:
    """Sizes of the levels that are not made by the viewer."""
    source = open_slide(path)
    sizes = [(g.width_px, g.height_px) for g in source.levels if g.stored_tiles_per_tile == 1]
    source.close()
    return sizes


SIZES = [(1280, 960), (640, 480), (320, 240)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("flagged", [False, True])
def test_pages_in_any_order(tmp_path: Path, order: tuple[int, ...], flagged: bool) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for level in order:
            kind = 1 if flagged and level else 0
            out.write(reduced(1 << level), subfiletype=kind, metadata=None, **TILED)
    assert stored_levels(path) == SIZES
    assert_shows(path, large())
    source = open_slide(path)
    np.testing.assert_array_equal(whole(source, 1), reduced(2))
    assert source.info.notes == ()
    source.close()


@pytest.mark.parametrize(
    "resample", [Image.Resampling.NEAREST, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
)
def test_levels_made_in_any_way(tmp_path: Path, resample: Image.Resampling) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        for level in range(3):
            out.write(reduced(1 << level, resample), metadata=None, **TILED)
    assert stored_levels(path) == SIZES


def test_sub_ifds_and_ome_series(tmp_path: Path) -> None:
    below, series = tmp_path / "below.ome.tif", tmp_path / "series.ome.tif"
    with tifffile.TiffWriter(below, ome=True) as out:
        out.write(large(), subifds=2, metadata={"axes": "YXS"}, **TILED)
        for level in (1, 2):
            out.write(reduced(1 << level), subfiletype=1, **TILED)
    with tifffile.TiffWriter(series, ome=True) as out:
        for level in (2, 0, 1):
            out.write(reduced(1 << level), metadata={"axes": "YXS"}, **TILED)
    for path in (below, series):
        assert stored_levels(path) == SIZES
        assert_shows(path, large())


def test_a_smaller_image_of_something_else_is_no_level(tmp_path: Path) -> None:
    other = np.ascontiguousarray(255 - reduced(2)[::-1])
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    for name, metadata in (("plain.tif", None), ("two.ome.tif", {})):
        path = tmp_path / name
        with tifffile.TiffWriter(path, ome=name.endswith(".ome.tif")) as out:
            out.write(other, metadata=metadata, **TILED)
            out.write(large(), metadata=metadata, **TILED)
            out.write(noise, metadata=metadata, **TILED)
        assert stored_levels(path)[0] == (1280, 960)
        source = open_slide(path)
        assert [(e.width_px, e.height_px) for e in source.info.images] == [
            (640, 480),
            (1280, 960),
            (320, 240),
        ]
        assert source.info.image == 1
        source.close()
        first = open_slide(path, image=0)
        np.testing.assert_array_equal(whole(first), other)
        assert first.info.image == 0
        assert first.info.identity != source.info.identity
        first.close()
        last = open_slide(path, image=2)
        np.testing.assert_array_equal(whole(last), noise)
        last.close()
        for image in (3, -1):
            with pytest.raises(NoSuchImageError, match="3 images, numbered 0 to 2"):
                open_slide(path, image=image)


def test_named_images_are_shown_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    label = np.full((90, 200, 3), (10, 200, 30), np.uint8)
    with tifffile.TiffWriter(path, ome=True) as out:
        out.write(label, metadata={"Name": "Label Image"}, photometric="rgb")
        out.write(large(), metadata={"Name": "slide"}, **TILED)
    source = open_slide(path)
    assert source.info.associated == ("label",)
    np.testing.assert_array_equal(source.read_associated("label"), label)
    assert [entry.name for entry in source.info.images] == ["Label Image", "slide"]
    with pytest.raises(SlideError):
        source.read_associated("macro")
    source.close()


def test_pages_that_are_named_in_their_description(tmp_path: Path) -> None:
    path = tmp_path / "a.qptiff"
    label = np.full((90, 200, 3), (10, 200, 30), np.uint8)
    with tifffile.TiffWriter(path) as out:
        out.write(large(), metadata=None, **TILED)
        out.write(reduced(4), metadata=None, photometric="rgb")
        text = "<QPI><ImageType>Label</ImageType></QPI>"
        out.write(label, metadata=None, photometric="rgb", description=text)
    source = open_slide(path)
    assert source.info.associated == ("label",)
    np.testing.assert_array_equal(source.read_associated("label"), label)
    assert stored_levels(path) == [(1280, 960), (320, 240)]
    source.close()


def test_a_qptiff_of_stains(tmp_path: Path) -> None:
    """As it is laid out: the channels of each level, with a thumbnail in color between them."""
    path, stains = tmp_path / "a.qptiff", ("DAPI", "Opal 520 & more")
    with tifffile.TiffWriter(path) as out:
        for level, kind in ((large(), "FullResolution"), (reduced(2), "ReducedResolution")):
            for channel, name in enumerate(stains):
                text = (
                    "<PerkinElmer-QPI-ImageDescription>"
                    f"<ImageType>{kind}</ImageType><Name>{escape(name)}</Name>"
                    f"<Color>{255 * channel},0,255</Color><Objective>20x</Objective>"
                    "</PerkinElmer-QPI-ImageDescription>"
                )
                out.write(
                    level[..., channel], photometric="minisblack", tile=(128, 128), metadata=None,
                    description=text, resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
                )  # fmt: skip
            if kind == "FullResolution":
                text = "<PerkinElmer-QPI-ImageDescription><ImageType>Thumbnail</ImageType>"
                out.write(reduced(4), metadata=None, photometric="rgb", description=text)
    with closing(open_slide(path)) as source:
        axes, optics = source.info.axes, source.info.optics
        assert [each.name for each in axes.channels] == list(stains)
        assert [each.color for each in axes.channels] == [(0, 0, 255), (255, 0, 255)]
        assert (optics.mpp_um, optics.objective_power) == ((0.5, 0.5), 20)
        assert [(each.width_px, each.height_px) for each in source.levels][:2] == SIZES[:2]
        for index, level in enumerate((large(), reduced(2))):
            values = source.read_channels(index, 1, 1, (1, 0))
            right = np.moveaxis(level[128:256, 128:256, [1, 0]], 2, 0)
            np.testing.assert_array_equal(values, right)


def test_a_macro_of_the_shape_of_the_slide_is_no_level(tmp_path: Path) -> None:
    """Scanners flag it as a smaller image, as they do levels."""
    path = tmp_path / "a.tif"
    macro = np.ascontiguousarray(255 - reduced(8)[:, ::-1])
    with tifffile.TiffWriter(path) as out:
        out.write(large(), metadata=None, description="Scanner\n1280x960", **TILED)
        out.write(reduced(2), metadata=None, subfiletype=1, description="Scanner", **TILED)
        out.write(macro, metadata=None, subfiletype=9, description="Scanner\nmacro 160x120")
    assert stored_levels(path) == [(1280, 960), (640, 480)]
    source = open_slide(path)
    assert source.info.associated == ("macro",)
    np.testing.assert_array_equal(source.read_associated("macro"), macro)
    source.close()


def test_the_image_that_the_xml_tells_of_comes_before_others_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0" Name="slide"><Pixels ID="P" DimensionOrder="XYCZT" Type="uint8" '
        'SizeX="420" SizeY="300" SizeZ="1" SizeC="3" SizeT="1"><Channel ID="C:0" '
        'SamplesPerPixel="3"/><TiffData IFD="1" PlaneCount="1"/></Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(path) as out:
        out.write(255 - picture(), photometric="rgb", description=xml, metadata=None)
        out.write(picture(), photometric="rgb", metadata=None)
    (note,) = assert_shows(path, picture())
    assert note.startswith("The file holds 1 more page of this size than its OME-XML tells of")
    with closing(open_slide(path)) as source:
        assert [entry.name for entry in source.info.images] == ["", "slide"]
        assert (source.info.image, source.info.part) == (1, "")


def test_planes_in_the_order_of_the_xml(tmp_path: Path) -> None:
    """TiffData may put the first plane last in the file."""
    planes = [picture()[..., channel] for channel in (2, 1, 0)]
    names = ("Red", "Green", "Blue")
    channels = "".join(f'<Channel ID="C:{i}" Name="{name}"/>' for i, name in enumerate(names))
    places = "".join(f'<TiffData IFD="{2 - c}" FirstC="{c}" PlaneCount="1"/>' for c in range(3))
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0" Name="x"><Pixels ID="P" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="420" SizeY="300" SizeZ="1" SizeC="3" SizeT="1">{channels}{places}'
        "</Pixels></Image></OME>"
    )
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as out:
        for index, plane in enumerate(planes):
            out.write(
                plane,
                photometric="minisblack",
                tile=(128, 128),
                metadata=None,
                description=xml if index == 0 else None,
            )
    assert assert_shows(path, picture()) == ()


def test_color_in_channels_has_levels_too(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    options: dict[str, Any] = {**TILED, "photometric": "minisblack"}
    names = {"axes": "CYX", "Channel": {"Name": ["R", "G", "B"]}}
    with tifffile.TiffWriter(path, ome=True) as out:
        out.write(np.moveaxis(large(), 2, 0), subifds=1, metadata=names, **options)
        out.write(np.moveaxis(reduced(2), 2, 0), subfiletype=1, **options)
    assert stored_levels(path)[:2] == SIZES[:2]
    source = open_slide(path)
    np.testing.assert_array_equal(whole(source, 0), large())
    np.testing.assert_array_equal(whole(source, 1), reduced(2))
    source.close()


def test_color_in_channels_of_16_bits_and_with_opacity(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    alpha = np.full((300, 420, 1), 255, np.uint8)
    alpha[200:] = 0
    rgba = np.concatenate([picture(), alpha], 2).astype(np.uint16) * 257
    names = {"axes": "CYX", "Channel": {"Name": ["Red", "Green", "Blue", "Alpha"]}}
    tifffile.imwrite(path, np.moveaxis(rgba, 2, 0), photometric="minisblack", metadata=names)
    expected = picture()
    expected[200:] = 255
    assert assert_shows(path, expected, 1) == ()


def test_imagej_keeps_color_in_channels_and_its_range(tmp_path: Path) -> None:
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.moveaxis(picture(), 2, 0), imagej=True, metadata={"axes": "CYX"})
    assert_shows(path, picture())
    deep = picture()[..., 0].astype(np.uint16) * 10
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, deep, imagej=True, metadata={"min": 100.0, "max": 2100.0})
    expected = np.clip((deep.astype(float) - 100) * 255 / 2000, 0, 255)
    assert_shows(path, gray(np.rint(expected).astype(np.uint8)), 1)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_level_beside_a_huge_strip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    """The strip is looked at twice: for whether both show the same, and to be shown."""
    monkeypatch.setattr("viewer.slides.readers.tiff.rows.LARGE_STRIP_BYTES", 1 << 20)
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None, "compression": compression}
    with tifffile.TiffWriter(path) as out:
        out.write(reduced(2), **options)
        out.write(large(), rowsperstrip=960, **options)
    assert stored_levels(path)[:2] == SIZES[:2]
    assert_shows(path, large())


def test_levels_are_turned_as_the_finest_is(tmp_path: Path) -> None:
    """Some writers give the orientation with the first page alone."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        tag = (274, "H", 1, 6, True)
        out.write(large(), subifds=1, metadata=None, extratags=[tag], **TILED)
        out.write(reduced(2), subfiletype=1, metadata=None, **TILED)
    source = open_slide(path)
    np.testing.assert_array_equal(whole(source, 0), np.rot90(large(), -1))
    np.testing.assert_array_equal(whole(source, 1), np.rot90(reduced(2), -1))
    source.close()


def mpp_um(path: Path) -> tuple[float, float] | None:
    source = open_slide(path)
    source.close()
    return source.info.optics.mpp_um


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0.25, "µm"),
        (250.0, "nm"),
        (0.00025, "mm"),
        (2.5e-5, "cm"),
        (2.5e-7, "m"),
        (250_000.0, "pm"),
        (2500.0, "Å"),
        (0.25 / 25_400, "in"),
        (0.25 / 25.4, "thou"),
    ],
)
def test_units_of_ome_xml(tmp_path: Path, value: float, unit: str) -> None:
    path = tmp_path / "a.ome.tif"
    about: dict[str, Any] = {"axes": "YXS"}
    for axis in "XY":
        about |= {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(path, picture(), photometric="rgb", metadata=about)
    assert mpp_um(path) == pytest.approx((0.25, 0.25), rel=1e-4)


def test_a_unit_that_is_no_length_leaves_it_to_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    about = {"axes": "YXS", "PhysicalSizeX": 3, "PhysicalSizeXUnit": "pixel"}
    tifffile.imwrite(
        path, picture(), photometric="rgb", metadata=about, resolution=(2e4, 2e4), resolutionunit=3
    )
    assert mpp_um(path) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("unit", "per_unit", "expected"),
    [
        (3, 40_000, 0.25),
        (2, 101_600, 0.25),
        (3, 1000, None),
        (2, 300, None),
        (1, 40_000, None),
        (3, 4_294_967_295, None),
    ],
)
def test_resolution_tags(tmp_path: Path, unit: int, per_unit: int, expected: float | None) -> None:
    path = tmp_path / "a.tif"
    resolution = (per_unit, per_unit)
    tifffile.imwrite(path, picture(), photometric="rgb", resolution=resolution, resolutionunit=unit)
    found = mpp_um(path)
    assert found == (None if expected is None else pytest.approx((expected, expected)))


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [("micron", 4.0), ("um", 4.0), ("\\u00B5m", 4.0), ("mm", 4000.0), ("nm", 0.004)],
)
def test_units_of_imagej(tmp_path: Path, unit: str, per_unit: float) -> None:
    path = tmp_path / "a.tif"
    resolution = (per_unit, per_unit)
    tifffile.imwrite(
        path, picture()[..., 0], imagej=True, resolution=resolution, metadata={"unit": unit}
    )
    assert mpp_um(path) == pytest.approx((0.25, 0.25), rel=1e-3)


@pytest.mark.parametrize(
    ("text", "size_um", "power"),
    [
        ("Scanner Image |AppMag = 40|MPP = 0.257", 0.257, 40),
        ("MPP=0,5;AppMag=20x", 0.5, 20),
        ('{"mpp": 0.25, "objective_power": 40}', 0.25, 40),
        ("mpp-x: 0.3\nmpp-y: 0.3\nMagnification: 40", 0.3, 40),
        ("anything else", None, None),
        ("MPP = 0|AppMag = x", None, None),
    ],
)
def test_the_description_tells(
    tmp_path: Path, text: str, size_um: float | None, power: float | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", description=text, metadata=None)
    source = open_slide(path)
    source.close()
    assert source.info.optics.mpp_um == (None if size_um is None else (size_um, size_um))
    assert source.info.optics.objective_power == power
    assert source.info.notes == ()


@pytest.mark.parametrize(
    ("text", "dots_per_cm", "expected"),
    [
        ("AppMag = 40", 40_000, ""),
        ("AppMag = 40", 4_000, "Doubtful pixel size: 2.5 µm per pixel"),
        ("AppMag = 40|MPP = 0.0257", 0, "Doubtful pixel size: 0.0257 µm per pixel"),
        ("AppMag = 40", 28.35, "Pixel size unknown: 353 µm per pixel"),
        ("", 4_000, ""),
    ],
)
def test_a_size_that_the_objective_does_not_allow(
    tmp_path: Path, text: str, dots_per_cm: float, expected: str
) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"resolution": (dots_per_cm, dots_per_cm), "resolutionunit": 3}
    tifffile.imwrite(
        path,
        picture(),
        photometric="rgb",
        description=text,
        metadata=None,
        **(options if dots_per_cm else {}),
    )
    source = open_slide(path)
    source.close()
    assert len(source.info.notes) == (1 if expected else 0)
    assert all(note.startswith(expected) for note in source.info.notes)


def test_a_size_that_the_objective_does_not_allow_in_a_scan_of_a_vendor(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    about = "Aperio Image Library v10\r\n1280x960 |AppMag = 40|MPP = 2.5"
    tifffile.imwrite(
        path, large(), photometric="rgb", tile=(256, 256), compression="jpeg",
        subsampling=(1, 1), description=about, metadata=None,
    )  # fmt: skip
    with closing(open_slide(path)) as source:
        assert source.info.vendor == "aperio"
        (note,) = source.info.notes
    assert note.startswith("Doubtful pixel size: 2.5 µm per pixel do not go with a 40x objective")


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{}">'
)


def test_of_an_image_in_several_files_what_this_one_holds_is_shown(tmp_path: Path) -> None:
    """Channel and plane 1 of two: the others lie in a file that is missing."""
    path = tmp_path / "b.ome.tif"
    places = [
        f'<TiffData FirstC="{place}" FirstZ="{place}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for place, name in enumerate(("a.ome.tif", "b.ome.tif"))
    ]
    about = (
        OME.format("urn:uuid:b.ome.tif")
        + '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeC="2" '
        'SizeX="1280" SizeY="960" SizeZ="2" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.25">'
        '<Channel ID="Channel:0:0" Name="A"/><Channel ID="Channel:0:1" Name="B"/>'
        + "".join(places)
        + "</Pixels></Image></OME>"
    )
    values = large()[..., 1].copy()
    tifffile.imwrite(path, values, tile=(256, 256), description=about, metadata=None)
    with closing(open_slide(path)) as source:
        assert [channel.name for channel in source.info.axes.channels] == ["B"]
        assert (source.info.axes.z_count, source.info.optics.mpp_um) == (1, (0.25, 0.25))
        assert source.info.notes == (
            "More of this image lies in a.ome.tif, which is missing: copy it to the same folder.",
        )
        np.testing.assert_array_equal(source.read_channels(0, 0, 0, (0,))[0], values[:256, :256])


def test_a_part_that_is_described_in_another_file_says_so(tmp_path: Path) -> None:
    about = OME.format("urn:uuid:a") + (
        '<BinaryOnly MetadataFile="all &amp; more.companion.ome" UUID="urn:uuid:c"/></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, large(), photometric="rgb", description=about, metadata=None)
    (note,) = assert_shows(path, large())
    assert "described in all & more.companion.ome, which is not read" in note
    whole_image = tmp_path / "all & more.companion.ome"
    whole_image.write_text(OME.format("urn:uuid:c") + "</OME>")
    with pytest.raises(UnsupportedSlideError, match=r"open the \.ome\.tif that it belongs to"):
        open_slide(whole_image)


def test_thousands_of_described_images_open_without_holding_each_against_all(
    tmp_path: Path,
) -> None:
    """Half are of one size, half of hundreds of sizes; pairs are millions."""
    sizes = [(40, 40)] * 2000 + [(20 + n % 45, 20 + n // 45) for n in range(2000)]
    described = "".join(
        f'<Image Name="{n}"><Pixels DimensionOrder="XYCZT" Type="uint8" SizeC="1" SizeZ="1" '
        f'SizeT="1" SizeX="{width}" SizeY="{height}"><Channel Name="A"/><TiffData IFD="{n}"/>'
        "</Pixels></Image>"
        for n, (width, height) in enumerate(sizes)
    )
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as tiff:
        for n, (width, height) in enumerate(sizes):
            about = None if n else OME.format("urn:uuid:a") + f"{described}</OME>"
            tiff.write(
                np.full((height, width), n % 200, np.uint8), description=about, metadata=None,
                contiguous=False,
            )  # fmt: skip
    before_s = time.process_time()
    with closing(open_here(path)) as source:
        assert len(source.info.images) > 3000
    assert time.process_time() - before_s < 12


@pytest.mark.parametrize("is_ome", [False, True], ids=["plain", "OME"])
def test_all_levels_of_one_channel_in_sub_directories(tmp_path: Path, is_ome: bool) -> None:
    values = np.random.default_rng(4).integers(0, 60_000, (400, 480), dtype=np.uint16)
    path = tmp_path / ("a.ome.tif" if is_ome else "a.tif")
    with tifffile.TiffWriter(path, ome=is_ome) as writer:
        described = {"axes": "YX"} if is_ome else None
        writer.write(values, subifds=3, tile=(64, 64), metadata=described)
        for k in (2, 4, 8):
            smaller = np.ascontiguousarray(values[::k, ::k])
            writer.write(smaller, subfiletype=1, tile=(64, 64), metadata=None)
    with closing(open_slide(path)) as source:
        assert [level.width_px for level in source.levels] == [480, 240, 120, 60]
        for index, k in enumerate((1, 2, 4, 8)):
            stored = source.read_channels(index, 0, 0, (0,))
            height, width = stored.shape[1:]
            assert np.array_equal(stored[0], values[::k, ::k][:height, :width])


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        (("sRGB", "sRGB"), ""),
        (("sRGB", ""), ""),
        (("", ""), ""),
        (("sRGB", "LAB"), "another color profile than the full size"),
        (("", "sRGB"), "Only a smaller level has a color profile"),
    ],
)
def test_color_profiles_of_levels(tmp_path: Path, profiles: tuple[str, str], said: str) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for k, name in zip((1, 2), profiles, strict=True):
            made = ImageCms.ImageCmsProfile(ImageCms.createProfile(name)) if name else None  # pyright: ignore[reportArgumentType]
            values = np.ascontiguousarray(picture()[::k, ::k])
            profile = made.tobytes() if made else None
            writer.write(
                values, photometric="rgb", iccprofile=profile, metadata=None, subfiletype=k - 1
            )
    source = open_here(path)
    source.close()
    found = [note for note in source.info.notes if "color profile" in note]
    assert [said in note for note in found] == ([True] if said else [])
