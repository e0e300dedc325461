"""Which reader a file goes to, and what is said where the best one cannot read it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from tiff_steps import assert_shows, picture, whole

from viewer.slides import IncompleteSlideError, UnsupportedSlideError, open_slide
from viewer.slides.known_slides import open_known
from viewer.slides.tray import slides_in

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_APERIO = "Aperio Image Library v11.2.1\r\n420x300 (128x128) |AppMag = 20|MPP = 0.5"


def _write_aperio(
    path: Path, pixels: NDArray[Any], compression: str, photometric: str = "rgb", **options: Any
) -> None:
    """Write pixels of 420 x 300 in tiles, with the description that Aperio's scanners write."""
    options |= {"tile": (128, 128), "compression": compression, "metadata": None}
    tifffile.imwrite(path, pixels, photometric=photometric, description=_APERIO, **options)


def test_a_vendors_slide_in_a_codec_that_openslide_lacks(tmp_path: Path) -> None:
    """It is read all the same, and said how."""
    path = tmp_path / "lzma.svs"
    _write_aperio(path, picture(), "lzma")
    (note,) = assert_shows(path, picture())
    assert note.startswith("Read as a plain TIFF file: lzma.svs is a TIFF of tiles that Open")
    assert "34925" in note


@pytest.mark.parametrize("compression", ["lzw", "jpeg"])
@pytest.mark.parametrize("orientation", [4, 6])
def test_a_vendors_slide_that_is_turned(tmp_path: Path, compression: str, orientation: int) -> None:
    """OpenSlide ignores that, or mirrors each of its tiles by itself."""
    path = tmp_path / "turned.svs"
    _write_aperio(path, picture(), compression, extratags=[(274, "H", 1, orientation, True)])
    turned = picture()[::-1] if orientation == 4 else np.rot90(picture(), -1)
    with closing(open_slide(path)) as source:
        difference = np.abs(whole(source).astype(int) - turned)
        assert difference.max() == 0 if compression == "lzw" else difference.mean() < 3
        assert source.info.optics.mpp_um == (0.5, 0.5)
        assert source.info.optics.objective_power == 20


def test_a_vendors_slide_of_16_bits_is_not_black(tmp_path: Path) -> None:
    path = tmp_path / "deep.svs"
    values = np.multiply.outer(np.arange(300), np.arange(420)).astype(np.uint16) // 40
    _write_aperio(path, values, "lzw", photometric="minisblack")
    with closing(open_slide(path)) as source:
        grid = source.levels[0]
        rows = [
            [source.read_channels(0, x, y, (0,))[0] for x in range(grid.columns)]
            for y in range(grid.rows)
        ]
        np.testing.assert_array_equal(np.block(rows), values)
        assert whole(source).max() == 255


def test_plain_tiff_is_not_openslides(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", tile=(128, 128))
    source = open_slide(path)
    assert source.info.reader == "direct TIFF"
    source.close()


def test_a_vsi_without_its_folder_names_it(tmp_path: Path) -> None:
    """The file itself is a TIFF: the photograph of the glass with its label."""
    path = tmp_path / "Slide 7.vsi"
    tifffile.imwrite(path, picture(), photometric="rgb")
    with pytest.raises(IncompleteSlideError, match="copy its folder _Slide 7_"):
        open_slide(path)
    (tmp_path / "_Slide 7_").mkdir()
    with pytest.raises(IncompleteSlideError, match="copy its folder _Slide 7_"):
        open_slide(path)
    assert slides_in(tmp_path) == [path]


@pytest.mark.parametrize(
    ("folder", "others", "renamed"),
    [
        ("_slide 7_", (), "_slide 7_"),
        ("_Slide 6_", (), "_Slide 6_"),
        ("_Slide 6_", ("Slide 6.vsi",), None),
        ("_Slide 7", (), None),
    ],
)
def test_a_vsi_whose_folder_has_another_name_says_which_it_may_be(
    tmp_path: Path, folder: str, others: tuple[str, ...], renamed: str | None
) -> None:
    path = tmp_path / "Slide 7.vsi"
    data = tmp_path / folder / "stack10001" / "frame_t.ets"
    data.parent.mkdir(parents=True)
    data.write_bytes(b"SIS\0" + bytes(300))
    for name in (path.name, *others):
        tifffile.imwrite(tmp_path / name, picture(), photometric="rgb")
    says = f"{renamed}, rename that to _Slide 7_" if renamed else "copy its folder _Slide 7_"
    with pytest.raises(IncompleteSlideError, match=says):
        open_slide(path)
    with pytest.raises(UnsupportedSlideError, match=r"data of a VSI slide, .* open the \.vsi"):
        open_slide(data)


def test_another_image_is_found_by_its_identity(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    small = np.full((100, 150, 3), 90, np.uint8)
    with tifffile.TiffWriter(path, ome=True) as out:
        out.write(picture(), photometric="rgb", metadata={"Name": "a"})
        out.write(small, photometric="rgb", metadata={"Name": "b"})
    second = open_slide(path, image=1)
    identity = second.info.identity
    second.close()
    found = open_known(identity, (path,))
    assert found is not None
    np.testing.assert_array_equal(whole(found), small)
    found.close()
