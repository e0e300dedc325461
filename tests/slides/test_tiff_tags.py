"""What seldom tags say of colors and scale: L*a*b*, no photometric, opacity further on, turned."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from tiff_steps import assert_shows, on_white, opacity, picture

from viewer.slides import open_slide
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("in_this_process")

CIELAB, ICCLAB, ITULAB = 8, 9, 10


def lab_samples() -> NDArray[np.uint8]:
    """The picture as littleCMS makes L*a*b* of it: L* from 0 to 255, the colors about 128."""
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    made = ImageCms.applyTransform(Image.fromarray(picture()), to_lab)
    assert made is not None
    stored = np.asarray(made).copy()
    stored[..., 1:] ^= 128  # Pillow keeps the colors signed
    return stored


def stored_lab(lab: NDArray[np.uint8], photometric: int, bits: int) -> NDArray[Any]:
    colors = lab[..., 1:].astype(int) - 128
    lightness = lab[..., :1].astype(int)
    if photometric == ITULAB:
        ranges = np.array([170, 200]), np.array([85, 75])
        scaled = np.clip(np.rint((colors + ranges[1]) * 255 / ranges[0]), 0, 255)
        return np.concatenate([lightness, scaled], 2).astype(np.uint8)
    if bits == 8:
        signed = colors & 255 if photometric == CIELAB else colors + 128
        return np.concatenate([lightness, signed], 2).astype(np.uint8)
    if photometric == CIELAB:
        return np.concatenate([lightness * 257, (colors * 256) & 65535], 2).astype(np.uint16)
    return np.concatenate([lightness * 256, (colors + 128) * 256], 2).astype(np.uint16)


def _retagged(path: Path, code: int, value: int) -> None:
    """Write another number in the place of a tag's, which holds a SHORT."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].aspage().tags[code].overwrite(value)


@pytest.mark.parametrize("tile", [None, (128, 128)])
@pytest.mark.parametrize(
    ("photometric", "bits"),
    [(CIELAB, 8), (CIELAB, 16), (ICCLAB, 8), (ICCLAB, 16), (ITULAB, 8)],
)
def test_lab_is_shown_in_its_colors(
    tmp_path: Path, photometric: int, bits: int, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "lab.tif"
    stored = stored_lab(lab_samples(), photometric, bits)
    tifffile.imwrite(path, stored, photometric="rgb", tile=tile, compression="deflate")
    _retagged(path, 262, photometric)
    assert_shows(path, picture(), tolerance=10)  # of 8 bits a step in L* is up to 3 of sRGB


@pytest.mark.parametrize("kind", ["i2", "f2", "f4", "f8"])
def test_lab_in_numbers_of_its_own(tmp_path: Path, kind: str) -> None:
    """As libvips writes it: L* from 0 to 100, of signed samples to the largest of them."""
    lab = lab_samples().astype(np.float64)
    numbers = np.concatenate([lab[..., :1] * (100 / 255), lab[..., 1:] - 128], 2)
    if kind == "i2":
        numbers = np.rint(numbers * [32767 / 100, 256, 256])
    path = tmp_path / "lab.tif"

    def write(samples: NDArray[Any]) -> None:
        tifffile.imwrite(path, samples.astype(kind), photometric="rgb", compression="deflate")
        _retagged(path, 262, CIELAB)

    write(numbers)
    assert assert_shows(path, picture(), tolerance=10) == ()
    write(numbers * [0.5, 1, 1])
    with closing(open_slide(path)) as source:
        assert read_level(source, 0)[..., 1].max() < 140, "what is dark throughout stays dark"


def test_samples_of_which_nothing_is_said_are_color(tmp_path: Path) -> None:
    path = tmp_path / "untold.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", rowsperstrip=64)
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].aspage().tags[262].offset
    data = bytearray(path.read_bytes())
    data[at : at + 2] = struct.pack("<H", 263)  # another tag, of no meaning for its colors
    path.write_bytes(data)
    assert_shows(path, picture())


@pytest.mark.parametrize("kinds", [("unspecified", "unassalpha"), ("unassalpha", "unspecified")])
def test_opacity_may_be_any_of_the_samples_beside_the_colors(
    tmp_path: Path, kinds: tuple[str, str]
) -> None:
    path = tmp_path / "two.tif"
    other = np.full_like(opacity(), 77)
    extra = [opacity() if kind == "unassalpha" else other for kind in kinds]
    tifffile.imwrite(
        path, np.concatenate([picture(), *extra], 2), photometric="rgb", tile=(128, 128),
        extrasamples=kinds,
    )  # fmt: skip
    notes = assert_shows(path, on_white(picture(), opacity()))
    assert notes == ("One more sample is not shown.",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_pixel_size_is_turned_with_the_image(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.tif"
    tifffile.imwrite(
        path, picture(), photometric="rgb", tile=(128, 128), resolution=(20_000, 40_000),
        resolutionunit="CENTIMETER", extratags=[(274, "H", 1, orientation, True)],
    )  # fmt: skip
    source = open_slide(path)
    shown = source.info.optics.mpp_um
    source.close()
    assert shown == pytest.approx((0.5, 0.25) if orientation < 5 else (0.25, 0.5))


@pytest.mark.parametrize(
    "text",
    [
        "mpp 0.25",
        '{"MPP": "0,25"}',
        "<MPP>0.25</MPP>",
        "pixel size: 0.25 um",
        "Pixel Size (µm): .25",
        "PhysicalSizeX: 0.25 µm",
        "Resolution = 0.25 um/px",
        "microns per pixel = 0.25",
        "um_per_px=0.25",
        "MPP = 2.5e-1",
        "MPP = 250 nm",
        "MPP: 0.00025 mm|AppMag = 40",
        "PixelSize = 250 nanometers",
        "MPP = 0.25 x 40",
        "Macro MPP = 20|MPP = 0.25",
        "scanned at 0.25 um/px",
        "40x 0,25 µm/pixel (250 nm / px)",
        "0.25 microns per pixel 40x objective",
        "macro 8 um/px, MPP = 0.25",
        "source mpp=0.125, mpp=0.25",
        "MPP = 0.25, 40",
        "<iScan Magnification='40' ScanRes='0.25'/>",
        '<name>openslide.mpp-x</name>\n<value type="VipsRefString">0.25</value>',
        '<Attribute Name="DICOM_PIXEL_SPACING" >&quot;0.0005&quot; '
        '&quot;0.0005&quot;</Attribute><Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028">'
        "&quot;0.00025&quot; &quot;0.00025&quot;</Attribute>",
    ],
)
def test_the_pixel_size_stands_in_words_of_the_description(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, picture(), photometric="rgb", metadata=None, description=text.encode("utf-8")
    )
    assert open_slide(path).info.optics.mpp_um == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize(
    "text",
    [
        "MPP = 0.25|MPP-Y = 0.5",
        "MPP X = 0.25, MPP Y = 0.5",
        "MPP: 0.25 x 0.5",
        "MPP: 0.25×0.5",
        "MPP = (0.25, 0.5)",
        '{"mpp": [0.25,0.5]}',
        "Resolution = 250 x 500 nm",
        "PixelWidth = 0.25 um, PixelHeight = 0.5 um",
        "PixelSizeX=0.25 um; PixelSizeY=0.5 um",
        "Pixel Size X (um): 0.25, Pixel Size Y (um): 0.5",
        "PhysicalSizeX=0.25 um PhysicalSizeY=0.5 um",
    ],
)
def test_both_pixel_sizes_stand_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, picture(), photometric="rgb", metadata=None, description=text.encode("utf-8")
    )
    assert open_slide(path).info.optics.mpp_um == pytest.approx((0.25, 0.5))


@pytest.mark.parametrize(
    ("unit", "per_um"), [("Micron", 1), ("micrometres", 1), ("inches", 25_400)]
)
@pytest.mark.parametrize("down", ["", "nm"])
def test_units_of_imagej(tmp_path: Path, unit: str, per_um: float, down: str) -> None:
    path = tmp_path / "a.tif"
    units: dict[str, Any] = {"unit": unit, "zunit": "nm", "spacing": 750.0}
    units |= {"yunit": down} if down else {}
    planes = np.repeat(picture()[np.newaxis, ..., 0], 2, axis=0)
    across = per_um / 0.25
    tifffile.imwrite(
        path,
        planes,
        imagej=True,
        resolution=(across, 0.002 if down else across / 2),
        metadata={"axes": "ZYX", **units},
    )
    info = open_slide(path).info
    assert info.optics.mpp_um == pytest.approx((0.25, 0.5))
    assert info.axes.z_spacing_um == pytest.approx(0.75)


@pytest.mark.parametrize(("unit", "per_um"), [(2, 25_400), (3, 10_000), (4, 1_000), (5, 1)])
def test_units_of_resolution(tmp_path: Path, unit: int, per_um: float) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, picture(), metadata=None, resolution=(per_um * 4, per_um * 2), resolutionunit=unit
    )
    assert open_slide(path).info.optics.mpp_um == pytest.approx((0.25, 0.5))


@pytest.mark.parametrize(
    "text",
    [
        "pixel size: 3",
        "Resolution = 300",
        "Resolution = 4 um^-1",
        "mpp" + 2_000 * " " + "1",
        "4 px/um",
        "0.5 x 0.25 um/px",
        "macro 8 um/px, scan 0.25 um/px",
        "300 um/px",
    ],
)
def test_other_numbers_are_no_pixel_size(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", metadata=None, description=text)
    assert open_slide(path).info.optics.mpp_um is None


@pytest.mark.parametrize(("unit", "value"), [("pt", 0.25 * 72 / 25_400), ("\\u00B5m", 0.25)])
def test_seldom_units_of_ome(tmp_path: Path, unit: str, value: float) -> None:
    path = tmp_path / "a.ome.tif"
    sizes = {f"PhysicalSize{axis}": value for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(path, picture(), photometric="rgb", metadata={"axes": "YXS", **sizes, **units})
    assert open_slide(path).info.optics.mpp_um == pytest.approx((0.25, 0.25))


def test_a_pixel_size_that_no_microscope_resolves_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    about = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    about |= {"PhysicalSizeXUnit": "pm", "PhysicalSizeYUnit": "pm"}
    tifffile.imwrite(path, picture(), photometric="rgb", metadata=about)
    assert open_slide(path).info.notes == (
        "Doubtful pixel size: 2.5e-07 µm per pixel is finer than any microscope resolves; check "
        "its unit before measuring.",
    )


@pytest.mark.parametrize("compression", ["deflate", "jpeg"])
def test_what_a_transparency_mask_leaves_out_is_clear_glass(
    tmp_path: Path, compression: str
) -> None:
    """As in geographic TIFFs, a mask behind each level."""
    path = tmp_path / "a.tif"
    mask = np.zeros(picture().shape[:2], bool)
    mask[:170, 30:] = True
    with tifffile.TiffWriter(path) as out:
        for step in (1, 2):
            reduced = int(step > 1)
            out.write(
                picture()[::step, ::step],
                photometric="rgb",
                tile=(128, 128),
                compression=compression,
                subfiletype=reduced,
            )
            out.write(
                mask[::step, ::step],
                photometric="mask",
                tile=(64, 64),
                compression="deflate",
                subfiletype=4 | reduced,
            )
    with tifffile.TiffFile(path) as tiff:
        expected = tiff.pages[0].aspage().asarray().copy()
    expected[~mask] = 255
    assert_shows(path, expected, 2)
    assert len(open_slide(path).levels) == 2


def test_a_mask_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        out.write(picture(), photometric="rgb", tile=(128, 128))
        mask = np.ones(picture().shape[:2], bool)
        out.write(mask, photometric="mask", compression="deflate", subfiletype=4)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[1].aspage().tags[259].overwrite(40_000)
    notes = assert_shows(path, picture())
    assert notes == ("Its transparency mask cannot be read and is not applied.",)
