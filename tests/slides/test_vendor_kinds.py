"""CZI, iSyntax and VSI: through their libraries, against what was written."""

from __future__ import annotations

import importlib.util
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from viewer.folders import config_folder
from viewer.settings import Settings, save_settings
from viewer.slides import (
    DamagedSlideError,
    IncompleteSlideError,
    NoSuchImageError,
    SlideError,
    TileError,
    UnsupportedSlideError,
    open_slide,
)
from viewer.slides.readers.czi import open_czi
from viewer.slides.readers.vendor import open_vendor, open_with_fastslide
from viewer.slides.region import read_level
from viewer.studies.finding import identity_of

create_czi = pytest.importorskip(
    "pylibCZIrw.czi", reason="pylibCZIrw has no wheel for this Python"
).create_czi

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SIDE = 128


@pytest.fixture(scope="module")
def cells() -> NDArray[np.uint16]:
    """Return two channels of three planes, (2, 3, 256, 384)."""
    return np.random.default_rng(5).integers(0, 4000, (2, 3, 256, 384), dtype=np.uint16)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(6).integers(0, 255, (256, 384, 3), dtype=np.uint8)


def write_czi(
    path: Path, planes: dict[tuple[int, int], NDArray[np.generic]], scenes: int = 1
) -> Path:
    """Write tiles of planes by (channel, z); each scene lies at the right of the one before."""
    with create_czi(str(path), compression_options="zstd1:") as document:
        for scene in range(scenes):
            for (channel, z), plane in planes.items():
                height, width = plane.shape[0] // (scene + 1), plane.shape[1]
                for top in range(0, height, _SIDE):
                    for left in range(0, width, _SIDE):
                        tile = plane[top : top + _SIDE, left : left + _SIDE]
                        stored = tile[..., ::-1] if tile.ndim == 3 else tile
                        document.write(
                            np.ascontiguousarray(stored),
                            plane={"C": channel, "Z": z, "T": 0},
                            location=(1000 * scene + left, top),
                            scene=scene,
                        )
        document.write_metadata(
            "field", channel_names={0: "DAPI", 1: "CD8"}, scale_x=2.5e-7, scale_y=2.5e-7,
            scale_z=1.5e-6,
        )  # fmt: skip
    return path


def test_channels_and_planes_of_czi(tmp_path: Path, cells: NDArray[np.uint16]) -> None:
    planes = {(c, z): cells[c, z] for c in range(2) for z in range(3)}
    path = write_czi(tmp_path / "a.czi", planes)
    with closing(open_slide(path)) as source:
        axes = source.info.axes
        assert [channel.name for channel in axes.channels] == ["DAPI", "CD8"]
        assert axes.channels[0].dtype == "uint16"
        assert (axes.z_count, axes.z_spacing_um) == (3, pytest.approx(1.5))
        assert source.info.optics.mpp_um == pytest.approx((0.25, 0.25))
        for z in range(3):
            values = source.read_channels(0, 0, 0, (1, 0), z)
            assert np.array_equal(values, cells[[1, 0], z])


def test_a_trusted_folder_is_read_by_the_same_libraries(
    tmp_path: Path, cells: NDArray[np.uint16], picture: NDArray[np.uint8]
) -> None:
    save_settings(Settings(trusted_folders=[str(tmp_path)]), config_folder())
    path = write_czi(tmp_path / "a.czi", {(c, z): cells[c, z] for c in range(2) for z in range(3)})
    with closing(open_slide(path)) as source:
        assert source.info.reader == "libCZI"
        assert np.array_equal(source.read_channels(0, 0, 0, (1,), 2)[0], cells[1, 2])
    tifffile.imwrite(tmp_path / "a.vsi", picture, photometric="rgb")
    with pytest.raises(SlideError):  # a photograph of the glass, without the slide's own files
        open_slide(tmp_path / "a.vsi")


def test_color_and_scenes_of_czi(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = write_czi(tmp_path / "a.czi", {(0, 0): picture}, scenes=2)
    with closing(open_slide(path)) as source:
        assert source.info.axes.is_rgb
        assert [(each.width_px, each.height_px) for each in source.info.images] == [
            (384, 256), (384, 128),
        ]  # fmt: skip
        assert np.array_equal(read_level(source, 0), picture)
    with closing(open_slide(path, 1)) as second:
        assert np.array_equal(read_level(second, 0), picture[:128])
        assert second.info.identity != identity_of(path)
    with pytest.raises(NoSuchImageError, match="no image 2"):
        open_slide(path, 2)


def test_a_plane_that_a_czi_lacks_is_hatched(tmp_path: Path, cells: NDArray[np.uint16]) -> None:
    planes = {(c, z): cells[c, z][..., np.newaxis] for c in range(2) for z in range(3)}
    del planes[1, 1]
    with closing(open_slide(write_czi(tmp_path / "hole.czi", planes))) as source:
        with pytest.raises(TileError, match="holds nothing of this plane"):
            source.read_channels(0, 0, 0, (1,), z=1)
        there = source.read_channels(0, 0, 0, (0,), z=1)[0]
        assert np.array_equal(there, cells[0, 1][: there.shape[0], : there.shape[1]])


def test_czi_cut_short(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = write_czi(tmp_path / "a.czi", {(0, 0): picture})
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(DamagedSlideError, match=r"^a\.czi is a CZI file that cannot be read"):
        open_slide(path)


def test_fastslide_gives_the_stored_values(
    tmp_path: Path, sample_slide: Path, cells: NDArray[np.uint16]
) -> None:
    with (
        closing(open_with_fastslide(sample_slide, None, "aperio")) as source,
        closing(open_slide(sample_slide)) as known,
    ):
        assert source.info.axes.is_rgb
        assert source.info.optics.mpp_um == pytest.approx((0.499, 0.499))
        ours = source.read_tile(0, 1, 1)
        level = read_level(known, 0)[512:1024, 512:1024]
        assert np.abs(ours.astype(int) - level).max() <= 2  # of JPEG decoders
        assert "label" in source.info.associated
        assert source.read_associated("label").shape == (463, 387, 3)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, cells.swapaxes(0, 1), ome=True, tile=(128, 128), compression="zlib",
        photometric="minisblack",
        metadata={"axes": "ZCYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25},
    )  # fmt: skip
    with closing(open_with_fastslide(path, None, "ome-tiff")) as source:
        assert len(source.info.axes.channels) == 2
        assert source.info.axes.z_count == 3
        assert np.array_equal(source.read_channels(0, 0, 0, (1, 0), 2), cells[[1, 0], 2])


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.isyntax").write_bytes(b"<DataObject>" + bytes(5000))
    with pytest.raises(DamagedSlideError, match=r"^a\.isyntax cannot be opened"):
        open_slide(tmp_path / "a.isyntax")
    tifffile.imwrite(tmp_path / "b.vsi", np.zeros((64, 64), np.uint8))
    with pytest.raises(IncompleteSlideError, match="copy its folder _b_"):
        open_slide(tmp_path / "b.vsi")
    data = tmp_path / "_b_" / "stack1"
    data.mkdir(parents=True)
    (data / "frame_t.ets").write_bytes(b"SIS\0" + bytes(500))
    # Never the photograph of the glass in the place of the slide.
    with pytest.raises(DamagedSlideError, match=r"^b\.vsi cannot be opened"):
        open_slide(tmp_path / "b.vsi")


def test_what_to_install(
    tmp_path: Path, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_czi(tmp_path / "a.czi", {(0, 0): picture})
    (tmp_path / "a.isyntax").write_bytes(b"<DataObject>")
    find = importlib.util.find_spec
    absent = ("pylibCZIrw", "fastslide")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find(name)
    )
    with pytest.raises(UnsupportedSlideError, match=r"pip install 'coverslip\[vendor\]'"):
        open_czi(path)
    with pytest.raises(UnsupportedSlideError, match=r"pip install 'coverslip\[vendor\]'"):
        open_vendor(tmp_path / "a.isyntax")
