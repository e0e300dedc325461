"""TIFFs whose tags contradict what they hold: right pixels, or a sentence."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from jpeg_builder import JpegCoding, marked
from test_tiff_jpeg_color import smooth
from test_tiff_tags import ICCLAB, lab_samples, stored_lab
from tiff_builder import GRAY, GRAY_INVERTED, RGB
from tiff_steps import (
    HEIGHT_PX,
    ROWS,
    WIDTH_PX,
    assert_shows,
    gray,
    picture,
    strip_tags,
    whole,
    write_tiff,
)

from viewer.slides import TileError, UnsupportedSlideError, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tiff_steps import Tags

pytestmark = pytest.mark.usefixtures("in_this_process")

CMYK = 5
JPEG, PACKBITS, NONE = 7, 32773, 1


def strips(image: NDArray[Any]) -> list[NDArray[Any]]:
    return [np.ascontiguousarray(image[top : top + ROWS]) for top in range(0, HEIGHT_PX, ROWS)]


def of_jpeg(path: Path, image: NDArray[np.uint8], coding: JpegCoding, about: Tags) -> Path:
    return write_tiff(path, about, [coding.coded(strip)[0] for strip in strips(image)])


@pytest.mark.parametrize(
    ("photometric", "samples", "space"),
    [(GRAY, 1, "YCbCr"), (GRAY_INVERTED, 1, "YCbCr"), (CMYK, 4, "YCbCr"), (RGB, 3, "CMYK")],
)
def test_a_jpeg_of_other_components_than_told_is_no_picture(
    tmp_path: Path, photometric: int, samples: int, space: str
) -> None:
    """Its red alone would be shown as gray, or its inks as light."""
    image = np.concatenate([smooth(), smooth()[..., :1]], 2) if space == "CMYK" else smooth()
    about = strip_tags(8, samples, photometric, JPEG)
    path = of_jpeg(tmp_path / "a.tif", image, JpegCoding(space, jfif=True), about)
    with (
        closing(open_slide(path)) as source,
        pytest.raises(TileError, match=rf"components is \d where .* of {samples}"),
    ):
        source.read_tile(0, 0, 0)


def test_gray_and_opaque_jpeg_under_the_tags_of_more_samples(tmp_path: Path) -> None:
    coding = JpegCoding("gray", jfif=True)
    path = of_jpeg(tmp_path / "gray.tif", smooth()[..., :1], coding, strip_tags(8, 3, RGB, JPEG))
    assert_shows(path, gray(smooth()[..., 0]), 3)
    about = strip_tags(8, 4, RGB, JPEG) | {338: ("H", (2,))}
    path = of_jpeg(tmp_path / "opaque.tif", smooth(), JpegCoding("YCbCr", jfif=True), about)
    assert_shows(path, smooth(), 4)


_PNG, _WEBP, _JPEG_2000, _JPEG_XL = 34933, 50001, 34712, 50002


def _coded(image: NDArray[Any], codec: int) -> bytes:
    image = np.ascontiguousarray(image)
    match codec:
        case 34933:
            return bytes(imagecodecs.png_encode(image))
        case 50001:
            return bytes(imagecodecs.webp_encode(image, lossless=True))
        case 34712:
            return bytes(imagecodecs.jpeg2k_encode(image, codecformat="j2k", reversible=True))
        case _:
            return bytes(imagecodecs.jpegxl_encode(image, lossless=True))


@pytest.mark.parametrize(
    ("codec", "bits", "samples", "image", "said"),
    [
        (_PNG, 8, 1, picture(), "components is 3 where the file tells of 1"),
        (_WEBP, 8, 1, picture(), "components is 3 where the file tells of 1"),
        (_JPEG_2000, 8, 1, picture(), "components is 3 where the file tells of 1"),
        (_JPEG_XL, 8, 3, np.dstack([picture(), picture()[..., :1]]), "is 4 where .* of 3"),
        (_PNG, 8, 3, picture().astype(np.uint16) * 256, "samples are uint16 where .* of uint8"),
        (_JPEG_2000, 8, 1, picture()[..., 0].astype(np.uint16) * 9, "are uint16 where .* uint8"),
    ],
)
def test_a_picture_of_other_samples_than_told_is_none(
    tmp_path: Path, codec: int, bits: int, samples: int, image: NDArray[Any], said: str
) -> None:
    """In strips its components were taken for pixels, and of 16 bits the lowest were shown."""
    about = strip_tags(bits, samples, RGB if samples == 3 else GRAY, codec)
    path = write_tiff(tmp_path / "a.tif", about, [_coded(part, codec) for part in strips(image)])
    with closing(open_slide(path)) as source, pytest.raises(TileError, match=said):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize("codec", [_PNG, _JPEG_2000, _JPEG_XL])
def test_fewer_bits_and_samples_than_told(tmp_path: Path, codec: int) -> None:
    values = picture()[..., 0]
    data = [_coded(part, codec) for part in strips(values)]
    path = write_tiff(tmp_path / "deep.tif", strip_tags(16, 1, GRAY, codec), data)
    with closing(open_slide(path)) as source:
        stored = source.read_channels(0, 0, 0, (0,))[0]
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, values[: stored.shape[0], : stored.shape[1]])
    path = write_tiff(tmp_path / "gray.tif", strip_tags(8, 3, RGB, codec), data)
    assert_shows(path, gray(values))
    about: Tags = strip_tags(16, 4, RGB, codec) | {338: ("H", (2,))}
    opaque = [_coded(part.astype(np.uint16) * 257, codec) for part in strips(picture())]
    assert_shows(write_tiff(tmp_path / "opaque.tif", about, opaque), picture(), 1)


@pytest.mark.parametrize("told", [8, 16])
def test_jpeg_of_12_bits_under_the_tag_of_others(tmp_path: Path, told: int) -> None:
    deep = smooth()[..., 0].astype(np.uint16) * 16
    data = [
        bytes(imagecodecs.jpeg8_encode(part, level=98, bitspersample=12)) for part in strips(deep)
    ]
    path = write_tiff(tmp_path / "a.tif", strip_tags(told, 1, GRAY, JPEG), data)
    with closing(open_slide(path)) as source:
        if told == 8:
            with pytest.raises(TileError, match="samples are uint16 where the file tells of uint8"):
                source.read_tile(0, 0, 0)
        else:
            stored = source.read_channels(0, 0, 0, (0,))[0].astype(int)
            assert np.abs(stored - deep[: stored.shape[0], : stored.shape[1]]).max() < 60


def test_lab_as_jpeg_is_not_taken_for_ycbcr(tmp_path: Path) -> None:
    stored = stored_lab(lab_samples(), ICCLAB, 8)
    options: dict[str, Any] = {"level": 98, "colorspace": "RGB", "outcolorspace": "RGB"}
    data = [marked(bytes(imagecodecs.jpeg8_encode(part, **options))) for part in strips(stored)]
    path = write_tiff(tmp_path / "a.tif", strip_tags(8, 3, ICCLAB, JPEG), data)
    with closing(open_slide(path)) as source:
        difference = np.abs(whole(source).astype(int) - picture())
    assert difference.mean() < 4  # edges of patches ring
    assert np.percentile(difference, 99) < 25


@pytest.mark.parametrize("compression", [NONE, PACKBITS])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_predictor_that_the_codec_does_not_have(
    tmp_path: Path, compression: int, bits: int
) -> None:
    image = picture() if bits == 8 else picture().astype(">u2") * 257
    about: Tags = strip_tags(bits, 3, RGB, compression) | {317: ("H", (2,))}
    data = [strip.tobytes() for strip in strips(image)]
    if compression == PACKBITS:
        data = [bytes(imagecodecs.packbits_encode(part)) for part in data]
    assert assert_shows(write_tiff(tmp_path / "a.tif", about, data), picture(), 0) == ()


@pytest.mark.parametrize(("bits", "kind"), [(12, 2), (4, 2), (24, 2), (40, 1), (8, 3)])
def test_samples_of_no_known_format_are_refused(tmp_path: Path, bits: int, kind: int) -> None:
    about: Tags = strip_tags(bits, 1, GRAY, NONE) | {339: ("H", (kind,))}
    path = write_tiff(tmp_path / "a.tif", about, [bytes(WIDTH_PX * ROWS * bits // 8)] * 3)
    said = rf"^a\.tif holds samples of {bits} bits that cannot be shown \(TIFF SampleFormat {kind}"
    with pytest.raises(UnsupportedSlideError, match=said):
        open_slide(path)


def _described(width: int, height: int, size: str) -> str:
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="3" SizeT="1" {size}>'
        '<Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/></Pixels></Image></OME>'
    )


@pytest.mark.parametrize(
    ("size_px", "size", "said"),
    [
        ((2 * WIDTH_PX, 2 * HEIGHT_PX), 'PhysicalSizeX="0.25"', "an image of 840 × 600 px"),
        ((HEIGHT_PX, WIDTH_PX), 'PhysicalSizeX="0.25"', "an image of 300 × 420 px"),
        ((WIDTH_PX, HEIGHT_PX), 'PhysicalSizeX="0.25"', ""),
        ((2 * WIDTH_PX, 2 * HEIGHT_PX), "", ""),
    ],
)
def test_a_pixel_size_that_the_xml_gives_for_another_size(
    tmp_path: Path, size_px: tuple[int, int], size: str, said: str
) -> None:
    """As it is left when a program makes the image smaller and keeps its description."""
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, picture(), photometric="rgb", description=_described(*size_px, size), metadata=None
    )
    notes = assert_shows(path, picture())
    assert [note.startswith("Doubtful pixel size") and said in note for note in notes] == (
        [True] if said else []
    )


@pytest.mark.parametrize(
    ("more", "is_read"),
    [
        ("<!-- R&D of \x01 M&amp;M&nbsp;s -->", True),
        ("<Description>R&D &#181;m</Description>", True),
        ("<Plane>", False),
        ("<!-- <!DOCTYPE OME> -->", False),
    ],
)
def test_xml_that_is_damaged_is_mended_or_said(tmp_path: Path, more: str, is_read: bool) -> None:
    path = tmp_path / "a.ome.tif"
    planes = np.stack([picture()[..., 0], picture()[..., 1]])
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="420" SizeY="300" '
        'SizeC="2" SizeZ="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="0.25">'
        '<Channel ID="C:0" Name="R&D"/><Channel ID="C:1" Name="CD8"/><TiffData/></Pixels>'
        f"{more}</Image></OME>"
    )
    if not is_read:
        xml = xml.replace("R&D", "R")
    tifffile.imwrite(
        path, planes, photometric="minisblack", metadata=None, description=xml.encode()
    )
    info = open_slide(path).info
    is_said = "Its OME-XML is damaged and not read" in " ".join(info.notes)
    assert is_said != is_read
    assert info.optics.mpp_um == ((0.25, 0.25) if is_read else None)
    if is_read:
        assert [channel.name for channel in info.axes.channels] == ["R&D", "CD8"]
        assert info.notes == ()


@pytest.mark.parametrize("channels", ["", '<Channel ID="a"/><Channel ID="b"/><Channel ID="c"/>'])
@pytest.mark.parametrize("order", ["XYCZT", "XYZCT"])
def test_planes_of_colors_that_the_xml_takes_for_channels(
    tmp_path: Path, channels: str, order: str
) -> None:
    """Three channels of one sample each by the XML, and two planes, in two directories of RGB."""
    path = tmp_path / "a.ome.tif"
    about = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint8" '
        f'SizeX="{WIDTH_PX}" SizeY="{HEIGHT_PX}" SizeZ="2" SizeC="3" SizeT="1">'
        f"{channels}<TiffData/></Pixels></Image></OME>"
    )
    planes = picture(), 255 - picture()
    with tifffile.TiffWriter(path) as out:
        for plane, text in zip(planes, (about, None), strict=True):
            out.write(plane, photometric="rgb", description=text, metadata=None)
    with closing(open_slide(path)) as source:
        assert (source.info.axes.z_count, source.info.notes) == (2, ())
        for z, plane in enumerate(planes):
            seen = source.read_channels(0, 0, 0, (0, 1, 2), z)
            right = np.moveaxis(plane, 2, 0)[:, : seen.shape[1], : seen.shape[2]]
            np.testing.assert_array_equal(seen, right)


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize(
    ("sizes", "shown", "said"),
    [
        ('SizeC="3" SizeZ="1" SizeT="1"', 3, ()),
        ('SizeC="0" SizeZ="1" SizeT="1"', 3, ("channels (SizeC): taken as 3.",)),
        ('SizeC="three"', 3, ("channels (SizeC): taken as 3.",)),
        ('SizeC="-3" SizeZ="x"', 3, ("(SizeZ): taken as 1.", "(SizeC): taken as 3.")),
        ("", 3, ("channels (SizeC): taken as 3.",)),
        ('SizeC="2"', 2, ("1 more page of this size", )),
        ('SizeC="1" SizeT="1"', 1, ("2 more pages of this size",)),
    ],
)  # fmt: skip
def test_counts_that_the_xml_does_not_give(
    tmp_path: Path, sizes: str, shown: int, said: tuple[str, ...], pages: int
) -> None:
    path = tmp_path / "a.ome.tif"
    channels = "".join(f'<Channel ID="Channel:0:{n}" Name="marker {n}"/>' for n in range(3))
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
        f'SizeX="{WIDTH_PX}" SizeY="{HEIGHT_PX}" {sizes}>{channels}<TiffData/></Pixels></Image>'
        "</OME>"
    )
    with tifffile.TiffWriter(path) as out:
        for index in range(pages):
            text = None if index else xml.encode()
            out.write(picture()[..., index], description=text, metadata=None)
    with closing(open_slide(path)) as source:
        notes = [note for note in source.info.notes if "The file tells of" not in note]
        if pages == 3:
            assert len(source.info.axes.channels) == shown
        said = said if pages == 3 else tuple(each for each in said if "taken" in each)
        assert len(notes) == len(said)
        assert all(words in note for words, note in zip(said, notes, strict=True))


def test_what_no_tag_says_is_not_guessed(tmp_path: Path) -> None:
    data = [strip.tobytes() for strip in strips(picture())]
    for left_out, said in ((258, "how many bits a sample"), (277, "how many samples a pixel")):
        about = strip_tags(8, 3, RGB, NONE)
        del about[left_out]
        path = write_tiff(tmp_path / f"{left_out}.tif", about, data)
        with pytest.raises(UnsupportedSlideError, match=rf"does not say {said} has"):
            open_slide(path)
    about = strip_tags(8, 3, RGB, NONE) | {322: ("H", (0,)), 323: ("H", (128,)), 324: ("I", ())}
    del about[273]
    with pytest.raises(UnsupportedSlideError, match="does not say how large its tiles are"):
        open_slide(write_tiff(tmp_path / "tiles.tif", about, data))
    about: Tags = strip_tags(8, 3, RGB, NONE) | {284: ("H", (3,))}
    with pytest.raises(UnsupportedSlideError, match="whether the colors of a pixel lie together"):
        open_slide(write_tiff(tmp_path / "planar.tif", about, data))


def test_a_strip_of_fewer_samples_is_said_in_plain_words(tmp_path: Path) -> None:
    data = [strip.tobytes() for strip in strips(picture())]
    data[-1] = data[-1][:1000]
    path = write_tiff(tmp_path / "a.tif", strip_tags(8, 3, RGB, NONE), data)
    with closing(open_slide(path)) as source, pytest.raises(TileError) as caught:
        source.read_tile(0, 0, source.levels[0].rows - 1)
    assert caught.value.reason == "its data is cut short"


def test_strips_of_no_rows_are_counted(tmp_path: Path) -> None:
    about: Tags = strip_tags(8, 3, RGB, NONE) | {278: ("H", (0,))}
    data = [strip.tobytes() for strip in strips(picture())]
    assert assert_shows(write_tiff(tmp_path / "a.tif", about, data), picture()) == ()


@pytest.mark.parametrize(
    ("photometric", "more", "said"),
    [
        (CMYK, {332: ("H", (2,))}, "inks other than those of CMYK, shown as if they were light"),
        (3, {}, "color table is missing"),
        (99, {}, r"unknown (TIFF photometric 99)"),
    ],
)
def test_samples_that_are_no_colors_are_said(
    tmp_path: Path, photometric: int, more: Tags, said: str
) -> None:
    about = strip_tags(8, 3, photometric, NONE) | more
    path = write_tiff(tmp_path / "a.tif", about, [strip.tobytes() for strip in strips(picture())])
    with closing(open_slide(path)) as source:
        assert len(source.info.axes.channels) == 3
        assert [said in note for note in source.info.notes] == [True]


@pytest.mark.parametrize("bits", [8, 16])
def test_three_inks_are_no_light(tmp_path: Path, bits: int) -> None:
    inks = 255 - picture() if bits == 8 else (255 - picture()).astype(">u2") * 257
    data = [strip.tobytes() for strip in strips(inks)]
    notes = assert_shows(
        write_tiff(tmp_path / "a.tif", strip_tags(bits, 3, CMYK, NONE), data), picture()
    )
    assert notes[0].endswith("its colors are an approximation.")


def test_a_color_that_is_missing_is_not_taken_for_none(tmp_path: Path) -> None:
    """The file stores red and blue of a tile, but not its green."""
    path = tmp_path / "a.tif"
    planes = np.moveaxis(picture(), 2, 0)
    options: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}
    tifffile.imwrite(path, planes, tile=(128, 128), compression="zlib", **options)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[0].aspage()
        counts = list(page.databytecounts)
        counts[len(counts) // 3] = 0
        page.tags["TileByteCounts"].overwrite(counts)
    with closing(open_slide(path)) as source:
        with pytest.raises(TileError, match="stores 2 of its 3 colors"):
            source.read_tile(0, 0, 0)
        np.testing.assert_array_equal(source.read_tile(0, 1, 0), picture()[:128, 128:256])


@pytest.mark.parametrize("names", [("Blue", "Green", "Red"), ("G", "R", "B")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colors_in_channels_of_another_order(
    tmp_path: Path, names: tuple[str, ...], dtype: str
) -> None:
    path = tmp_path / "a.ome.tif"
    scale = 1 if dtype == "uint8" else 257
    colors = {"r": picture()[..., 0], "g": picture()[..., 1], "b": picture()[..., 2]}
    planes = np.stack([colors[name[0].lower()] for name in names]).astype(dtype) * scale
    tifffile.imwrite(
        path, planes.astype(dtype), photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": list(names)}},
    )  # fmt: skip
    assert assert_shows(path, picture(), 1) == ()


def test_a_channel_is_shown_in_the_color_that_it_is_named_by(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    planes = np.random.default_rng(1).integers(0, 60_000, (2, 90, 80), dtype=np.uint16)
    names = {"axes": "CYX", "Channel": {"Name": ["Blue", "Red"]}}
    tifffile.imwrite(path, planes, photometric="minisblack", metadata=names)
    with closing(open_slide(path)) as source:
        colors = [channel.color for channel in source.info.axes.channels]
    assert colors == [(0, 0, 255), (255, 0, 0)]


def test_a_level_of_another_depth_is_no_level(tmp_path: Path) -> None:
    """Stretched as the full size is, it would be darker by half."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        deep = picture().astype(np.uint16)
        out.write(deep * 257, photometric="rgb", metadata=None)
        smaller = np.ascontiguousarray(deep[::2, ::2]) * 4
        out.write(smaller, photometric="rgb", bitspersample=10, subfiletype=1, metadata=None)
    with closing(open_slide(path)) as source:
        assert [entry.width_px for entry in source.info.images] == [WIDTH_PX, WIDTH_PX // 2]
