"""OME-Zarr of every version and layout, against the arrays it was written from."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import zarr
from imagecodecs import numcodecs as known
from zarr.codecs import BloscCodec, GzipCodec
from zarr_steps import pyramid, write_image, zipped

from viewer.overlays.files.ome_zarr import write_ome_zarr
from viewer.processes.confinement.launching import confinement_gap
from viewer.slides import (
    DamagedSlideError,
    NoSuchImageError,
    SlideError,
    TileError,
    UnsupportedSlideError,
    open_slide,
)
from viewer.slides.composites import composite, first_displays
from viewer.slides.files.slide_folders import folder_kind
from viewer.slides.readers.ome_zarr.source import open_ome_zarr
from viewer.slides.region import read_level
from viewer.slides.tray import slides_in
from viewer.studies.finding import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.slides import SlideSource


@pytest.fixture(scope="module")
def picture(sample_slide: Path) -> NDArray[np.uint8]:
    """Return a field of stained tissue, (3, 600, 700)."""
    with closing(open_slide(sample_slide)) as source:
        whole = read_level(source, 0)
    return np.ascontiguousarray(np.moveaxis(whole[1200:1800, 800:1500], 2, 0))


@pytest.fixture(scope="module")
def cells() -> NDArray[np.uint16]:
    """Return two times, three channels and four planes, (2, 3, 4, 300, 400)."""
    rng = np.random.default_rng(1)
    return rng.integers(100, 4000, (2, 3, 4, 300, 400), dtype=np.uint16)


@pytest.fixture(scope="module")
def stained(tmp_path_factory: pytest.TempPathFactory, picture: NDArray[np.uint8]) -> Path:
    path = tmp_path_factory.mktemp("zarr") / "stained.zarr"
    write_image(path, pyramid(picture), "cyx", channels_per_chunk=3)
    return path


def is_picture(source: SlideSource, picture: NDArray[np.uint8]) -> None:
    shown = read_level(source, 0)
    assert np.array_equal(shown, np.moveaxis(picture, 0, 2))
    smaller = read_level(source, 1)
    assert np.array_equal(smaller, np.moveaxis(picture[:, ::2, ::2], 0, 2))
    assert source.info.axes.is_rgb
    assert source.info.optics.mpp_um == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6.dev1"])
def test_versions(tmp_path: Path, picture: NDArray[np.uint8], version: str) -> None:
    write_image(tmp_path / "a.zarr", pyramid(picture), "cyx", version=version)
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        is_picture(source, picture)
        assert source.info.properties["ome.version"] == version


@pytest.mark.parametrize(
    "options",
    [
        {"shards": (3, 256, 256), "chunk_px": 64, "channels_per_chunk": 3},
        {"chunk_px": 4096, "channels_per_chunk": 3},
        {"chunk_px": 100, "compressors": None},
        {"version": "0.4", "chunk_key_encoding": {"name": "v2", "separator": "."}},
    ],
    ids=["sharded", "one chunk", "odd chunks", "flat names"],
)
def test_layouts(tmp_path: Path, picture: NDArray[np.uint8], options: dict[str, Any]) -> None:
    write_image(tmp_path / "a.zarr", pyramid(picture, 2), "cyx", **options)
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        is_picture(source, picture)
        assert not source.info.notes


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_gray_is_shown_as_it_is_or_says_that_it_is_stretched(
    tmp_path: Path, picture: NDArray[np.uint8], dtype: str
) -> None:
    values = picture[1].astype(dtype)
    write_image(tmp_path / "a.zarr", pyramid(values, 2), "yx")
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        shown, info = read_level(source, 0)[..., 1], source.info
    if dtype == "uint8":
        assert np.array_equal(shown, values)
        assert (info.notes, info.display_range) == ((), None)
    else:
        assert info.display_range is not None
        low, high = info.display_range
        expected = np.clip((values.astype(float) - low) * 255 / (high - low), 0, 255)
        assert np.abs(shown - expected).max() <= 1
        kind = "16-bit" if dtype == "uint16" else "floating-point"
        assert info.notes == (f"Stretched for display: {kind} values from {low:g} to {high:g}.",)


@pytest.mark.parametrize("inside", ["", "stained.zarr/"], ids=["at the root", "in a folder"])
def test_archive(tmp_path: Path, stained: Path, picture: NDArray[np.uint8], inside: str) -> None:
    archive = zipped(stained, tmp_path / "stained.ome.zarr.zip", inside)
    with closing(open_slide(archive)) as source:
        is_picture(source, picture)
    assert slides_in(tmp_path) == [archive]


def test_bioformats2raw(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    root = tmp_path / "scan.zarr"
    group = zarr.open_group(str(root), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_image(root / "0", [picture[:, :50, :40]], "cyx", version="0.4")
    write_image(root / "1", pyramid(picture), "cyx", version="0.4")
    with closing(open_slide(root)) as source:
        is_picture(source, picture)
        assert source.info.image == 1
        sizes = [(entry.width_px, entry.height_px) for entry in source.info.images]
        assert sizes == [(40, 50), (700, 600)]
    with closing(open_slide(root, 0)) as small:
        assert small.levels[0].width_px == 40
        assert small.info.identity != identity_of(root)
    with pytest.raises(NoSuchImageError, match="no image 2: it holds 2 images"):
        open_slide(root, 2)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_fields_of_a_plate_are_images(
    tmp_path: Path, picture: NDArray[np.uint8], version: str
) -> None:
    """Two wells of two fields, one of which is not written yet; the well by itself is one, too."""
    root = tmp_path / "plate.zarr"
    is_old = version == "0.4"
    plate = zarr.open_group(str(root), mode="w", zarr_format=2 if is_old else 3)

    def describe(group: zarr.Group, about: dict[str, Any]) -> None:
        group.attrs.update(about if is_old else {"ome": {"version": version, **about}})

    wells = [{"path": f"A/{column}", "rowIndex": 0, "columnIndex": column} for column in (1, 2)]
    describe(plate, {"plate": {"wells": wells, "rows": [], "columns": []}})
    for well in ("A/1", "A/2"):
        group = plate.create_group(well)
        describe(group, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
        write_image(root / well / "0", [picture[:, :50, :40]], "cyx", version=version)
    write_image(root / "A/2/1", pyramid(picture), "cyx", version=version)
    with closing(open_slide(root)) as source:
        is_picture(source, picture)
        assert source.info.image == 2
        assert [entry.name for entry in source.info.images] == ["A/1/0", "A/2/0", "A/2/1"]
    with closing(open_slide(root, 0)) as source:
        np.testing.assert_array_equal(
            source.read_tile(0, 0, 0), np.moveaxis(picture[:, :50, :40], 0, 2)
        )
    with closing(open_slide(root / "A" / "2")) as source:
        assert [entry.name for entry in source.info.images] == ["0", "1"]
    for well in ("A/1", "A/2"):
        shutil.rmtree(root / well)
    with pytest.raises(UnsupportedSlideError, match="a plate of wells without an image in any"):
        open_slide(root)


def test_of_very_many_images_the_first_are_listed_which_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer.slides.ngff.images.MOST_IMAGES", 2)
    root = tmp_path / "scan.zarr"
    group = zarr.open_group(str(root), mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    series = zarr.open_group(str(root / "OME"), mode="w", zarr_format=3)
    series.attrs["ome"] = {"version": "0.5", "series": ["0", "1", "2", "3"]}
    for index in range(4):
        write_image(root / str(index), [np.ones((3, 40, 50), np.uint8)], "cyx")
    source = open_ome_zarr(root)
    assert source is not None
    with closing(source):
        assert len(source.info.images) == 2
        assert source.info.notes == ("Only the first 2 of its images are listed.",)


def test_channels_planes_and_times(tmp_path: Path, cells: NDArray[np.uint16]) -> None:
    channels = [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 100, "end": 3000}},
        {"label": "CD3", "color": "00ff00"},
        {"label": "CD3"},
    ]
    write_image(
        tmp_path / "a.zarr", pyramid(cells, 2), "tczyx", omero={"channels": channels},
        step={"z": 1.5, "t": 30.0}, dimension_names=("t", "c", "z", "y", "x"),
    )  # fmt: skip
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        axes = source.info.axes
        assert [channel.name for channel in axes.channels] == ["DAPI", "CD3", "CD3 (2)"]
        assert [channel.color for channel in axes.channels][:2] == [(0, 0, 255), (0, 255, 0)]
        assert axes.channels[0].value_range == (100.0, 3000.0)
        assert axes.channels[0].dtype == "uint16"
        assert (axes.z_count, axes.z_spacing_um) == (4, 1.5)
        assert (axes.t_count, axes.t_interval_s) == (2, 30.0)
        grid = source.levels[0]
        for z, t in ((0, 0), (3, 1)):
            values = source.read_channels(0, 2, 1, (2, 0), z, t)
            x, y = 2 * grid.tile_width_px, grid.tile_height_px
            assert np.array_equal(values, cells[t, [2, 0], z, y : y + 128, x : x + 128])
        assert source.read_tile(0, 0, 0).shape == (128, 128, 3)


def test_own_heatmaps(tmp_path: Path) -> None:
    scores = np.linspace(0, 1, 30 * 40 * 2, dtype=np.float32).reshape(30, 40, 2)
    scores[:4, :4] = np.nan
    write_ome_zarr(tmp_path / "scores.ome.zarr", scores, ["tumor", "stroma"], 112.0)
    with closing(open_slide(tmp_path / "scores.ome.zarr")) as source:
        assert [channel.name for channel in source.info.axes.channels] == ["tumor", "stroma"]
        assert source.info.optics.mpp_um == pytest.approx((112.0, 112.0))
        values = source.read_channels(0, 0, 0, (0, 1))
        assert np.array_equal(np.moveaxis(values, 0, 2), scores, equal_nan=True)


def test_what_a_zarr_is_called(tmp_path: Path, stained: Path, picture: NDArray[np.uint8]) -> None:
    copy = shutil.copytree(stained, tmp_path / "moved")
    assert folder_kind(copy) == "zarr"
    assert identity_of(copy) == identity_of(stained)
    other = picture.copy()
    other[:, 300, 300] ^= 255
    write_image(tmp_path / "other.zarr", pyramid(other), "cyx", channels_per_chunk=3)
    assert identity_of(tmp_path / "other.zarr") != identity_of(stained)
    assert slides_in(tmp_path) == [copy, tmp_path / "other.zarr"]


# What is missing, cut short, or of an unknown kind ----------------------------------------------


def test_a_chunk_that_was_lost_is_hatched(
    tmp_path: Path, stained: Path, picture: NDArray[np.uint8]
) -> None:
    path = shutil.copytree(stained, tmp_path / "a.zarr")
    (path / "0" / "c" / "0" / "1" / "2").unlink()
    with closing(open_slide(path)) as source:
        with pytest.raises(TileError, match="chunk 0/c/0/1/2 is missing"):
            source.read_tile(0, 2, 1)
        assert "have no file" in source.info.notes[0]
        good = source.read_tile(0, 1, 1)
        assert np.array_equal(good, np.moveaxis(picture[:, 128:256, 128:256], 0, 2))


@pytest.mark.skipif(confinement_gap() is not None, reason="nothing confines readers here")
def test_a_link_out_of_the_folder_is_not_followed(
    tmp_path: Path, stained: Path, sample_slide: Path
) -> None:
    path = shutil.copytree(stained, tmp_path / "a.zarr")
    chunk = path / "0" / "c" / "0" / "1" / "2"
    chunk.rename(tmp_path / "elsewhere")
    chunk.symlink_to(tmp_path / "elsewhere")
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="Permission denied"):
        source.read_tile(0, 2, 1)


def test_chunks_left_out_on_purpose_are_empty(tmp_path: Path, cells: NDArray[np.uint16]) -> None:
    field = cells[0, :2, 0].copy()
    field[0, 128:, 128:] = 0
    write_image(tmp_path / "a.zarr", pyramid(field), "cyx")
    assert not (tmp_path / "a.zarr" / "0" / "c" / "0" / "1" / "1").exists()
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        values = source.read_channels(0, 1, 1, (0, 1))
        assert np.array_equal(values, field[:, 128:256, 128:256])
        assert "empty where its other levels are empty too" in source.info.notes[0]


@pytest.mark.parametrize("stores_empty", [False, True])
def test_the_writer_tells_in_a_single_level_of_channels(
    tmp_path: Path, cells: NDArray[np.uint16], stores_empty: bool
) -> None:
    path, field = tmp_path / "a.zarr", cells[0, :2, 0].copy()
    field[0, :128] = 0
    write_image(path, [field], "cyx", config={"write_empty_chunks": stores_empty})
    missing = path / "0" / "c" / "0" / "0" / "1"
    assert missing.exists() == stores_empty
    missing.unlink(missing_ok=True)
    with closing(open_slide(path)) as source:
        assert "shown as empty, as the standard has it" in source.info.notes[0]
        if stores_empty:
            with pytest.raises(TileError, match="is missing"):
                source.read_channels(0, 1, 0, (0, 1))
        else:
            values = source.read_channels(0, 1, 0, (0, 1))
            assert np.array_equal(values, field[:, :128, 128:256])


def test_nothing_tells_in_a_single_level_of_a_picture(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    write_image(tmp_path / "a.zarr", [picture], "cyx", channels_per_chunk=3)
    (tmp_path / "a.zarr" / "0" / "c" / "0" / "0" / "0").unlink()
    with (
        closing(open_slide(tmp_path / "a.zarr")) as source,
        pytest.raises(TileError, match="is missing"),
    ):
        source.read_tile(0, 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"version": "0.5"},
        {"version": "0.4"},
        {"version": "0.4", "compressors": numcodecs.Zstd()},
        {"version": "0.5", "compressors": None},
        {"version": "0.4", "compressors": None},
        {"version": "0.5", "compressors": GzipCodec()},
        {"version": "0.5", "compressors": BloscCodec()},
        {"version": "0.5", "shards": (3, 256, 256)},
    ],
    ids=[
        "zstd",
        "usual of version 2",
        "zstd of version 2",
        "plain",
        "plain of version 2",
        "gzip",
        "blosc",
        "sharded",
    ],
)
@pytest.mark.parametrize("left", [0, -40])
def test_a_chunk_cut_short_is_hatched(
    tmp_path: Path, picture: NDArray[np.uint8], options: dict[str, Any], left: int
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [picture], "cyx", channels_per_chunk=3, **options)
    chunk = path / "0" / ("0/1/1" if options["version"] == "0.4" else "c/0/1/1")
    data = chunk.read_bytes()
    chunk.write_bytes(data[:left])
    side = 2 if "shards" in options else 1
    with closing(open_slide(path)) as source, pytest.raises(TileError, match="data is damaged"):
        source.read_tile(0, side, side)


def test_three_stains_of_8_bits_are_no_picture(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    window = {"start": 0, "end": 255}
    for names, is_rgb in ((["TRITC", "FITC", "DAPI"], False), (["0", "1", "2"], True)):
        told = [
            {"label": name, "color": color, "window": window}
            for name, color in zip(names, ("FF0000", "00FF00", "0000FF"), strict=True)
        ]
        write_image(tmp_path / "a.zarr", [picture], "cyx", omero={"channels": told})
        with closing(open_slide(tmp_path / "a.zarr")) as source:
            assert source.info.axes.is_rgb == is_rgb


@pytest.mark.parametrize(
    ("kind", "scale"), [("uint16", 257.0), ("uint16", 16.0), ("float32", 1 / 255)]
)
def test_colors_of_more_than_8_bits_keep_their_balance(
    tmp_path: Path, picture: NDArray[np.uint8], kind: str, scale: float
) -> None:
    path = tmp_path / "a.zarr"
    names: list[dict[str, Any]] = [{"label": name} for name in ("Red", "Green", "Blue")]
    dim = picture // np.array([1, 2, 3], np.uint8)[:, np.newaxis, np.newaxis]
    dim[0, 0, 0] = 255
    write_image(path, [(dim * scale).astype(kind)], "cyx", omero={"channels": names})
    with closing(open_slide(path)) as source:
        shown = read_level(source, 0).astype(int)
    assert np.abs(shown - np.moveaxis(dim, 0, 2)).max() <= 1


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("names", [("Red", "Green", "Blue", "Alpha"), "rgba"])
def test_a_picture_with_opacity(
    tmp_path: Path, picture: NDArray[np.uint8], kind: str, names: tuple[str, ...]
) -> None:
    """Of bytes it lies on white; of more bits the colors keep their balance, and opacity is off."""
    path = tmp_path / "a.zarr"
    alpha = np.full_like(picture[:1], 255)
    alpha[:, 300:] = 0
    values = np.concatenate([picture, alpha]).astype(kind)
    values *= 257 if kind == "uint16" else 1
    write_image(path, [values], "cyx", omero={"channels": [{"label": name} for name in names]})
    expected = np.moveaxis(picture, 0, 2).copy()
    with closing(open_slide(path)) as source:
        axes = source.info.axes
        assert axes.is_rgb == (kind == "uint8")
        assert axes.is_rgb or axes.first_shown == (0, 1, 2)
        if axes.is_rgb:
            expected[300:] = 255
            assert np.array_equal(source.read_channels(0, 0, 2, (2, 0)), [
                expected[256:384, :128, 2], expected[256:384, :128, 0],
            ])  # fmt: skip
        shown = read_level(source, 0).astype(int)
    assert np.abs(shown - expected).max() <= 1


@pytest.mark.parametrize("side_px", [1500, 5000])
def test_the_range_is_that_of_the_whole_image(tmp_path: Path, side_px: int) -> None:
    """What lies at the edges counts too, where the middle is empty."""
    path = tmp_path / "a.zarr"
    values = np.zeros((side_px, side_px), np.uint16)
    values[100:300, 100:300], values[-200:, -200:] = 5000, 20000
    write_image(path, [values], "yx", chunk_px=500)
    with closing(open_slide(path)) as source:
        assert source.info.display_range == (0, 20000)


def test_a_pixel_size_in_a_wrong_unit_is_doubted(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [picture], "cyx", um=0.25)
    file = path / "zarr.json"
    file.write_text(file.read_text().replace('"micrometer"', '"meter"'))
    with closing(open_slide(path)) as source:
        assert source.info.notes == (
            "Doubtful pixel size: 250,000 µm per pixel is coarser than any picture of a slide; "
            "check its unit before measuring.",
        )


def test_what_is_told_of_the_first_channels_is_kept(
    tmp_path: Path, cells: NDArray[np.uint16]
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [cells[0, :, 0]], "cyx", omero={"channels": [{"label": "DAPI"}]})
    with closing(open_slide(path)) as source:
        names = [channel.name for channel in source.info.axes.channels]
        assert names == ["DAPI", "Channel 2", "Channel 3"]


def test_what_omero_has_off_or_inverted_and_its_gray(
    tmp_path: Path, cells: NDArray[np.uint16]
) -> None:
    path = tmp_path / "a.zarr"
    told: list[dict[str, Any]] = [
        {"label": "DAPI", "active": False},
        {"label": "CD3", "active": True, "inverted": True},
        {"label": "CD8"},
    ]
    write_image(path, [cells[0, :, 0]], "cyx", omero={"channels": told})
    with closing(open_slide(path)) as source:
        assert source.info.axes.first_shown == (1, 2)
        assert source.info.notes == ("Shown as stored: the file asks for inverted values of CD3.",)
        values = source.read_channels(0, 0, 0, (1, 2))
        shown = [each for each in first_displays(source.info.axes) if each.shown]
        np.testing.assert_array_equal(source.read_tile(0, 0, 0), composite(values, shown))
    for each in told:
        each["active"] = False
    write_image(path, [cells[0, :, 0]], "cyx", omero={"channels": told})
    with closing(open_slide(path)) as source:
        assert source.info.axes.first_shown == (0, 1, 2)
    one = {"channels": [{"color": "808080"}], "rdefs": {"model": "greyscale"}}
    write_image(path, [cells[0, 0, 0]], "yx", omero=one)
    with closing(open_slide(path)) as source:
        assert source.info.axes.channels[0].color == (255, 255, 255)
        assert source.read_tile(0, 0, 0).max() > 250


def test_no_size_of_pixels_without_a_scale_or_a_unit_by_its_sign(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [picture], "cyx", um=0.25)
    file = path / "zarr.json"
    found = file.read_text().replace('"micrometer"', '"µm"')
    file.write_text(found)
    with closing(open_slide(path)) as source:
        assert source.info.optics.mpp_um == pytest.approx((0.25, 0.25))
    told = json.loads(found)
    del told["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    file.write_text(json.dumps(told))
    with closing(open_slide(path)) as source:
        assert source.info.optics.mpp_um is None


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_unknown_codec(tmp_path: Path, picture: NDArray[np.uint8], version: str) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [picture], "cyx", version=version)
    file = path / "0" / (".zarray" if version == "0.4" else "zarr.json")
    found = json.loads(file.read_text())
    if version == "0.4":
        found["compressor"] = {"id": "wavelet9"}
    else:
        found["codecs"][-1] = {"name": "wavelet9"}
    file.write_text(json.dumps(found))
    sentence = "^a.zarr is compressed with 'wavelet9', a codec that is unknown here"
    with pytest.raises(UnsupportedSlideError, match=sentence):
        open_slide(path)


@pytest.mark.parametrize("kind", ["rotation", "affine", "displacements"])
def test_other_transforms_are_refused_by_name(
    tmp_path: Path, picture: NDArray[np.uint8], kind: str
) -> None:
    more = [{"type": kind, kind: [[1.0]]}]
    write_image(tmp_path / "a.zarr", [picture], "cyx", version="0.6", transforms=more)
    with pytest.raises(UnsupportedSlideError, match=f"a transform of the type '{kind}'"):
        open_slide(tmp_path / "a.zarr")


def _without_level(path: Path) -> None:
    shutil.rmtree(path / "1")


def _cut_description(path: Path) -> None:
    (path / "0" / "zarr.json").write_bytes(b'{"shape": [3, 6')


def _no_image(path: Path) -> None:
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')


def _outside(path: Path) -> None:
    file = path / "zarr.json"
    file.write_text(file.read_text().replace('"path": "1"', '"path": "../../1"'))


def _enormous(path: Path) -> None:
    file = path / "0" / "zarr.json"
    found = json.loads(file.read_text())
    found["shape"] = [3, 10**15, 10**15]
    file.write_text(json.dumps(found))


def _of_many_channels(path: Path) -> None:
    for level in range(3):
        file = path / str(level) / "zarr.json"
        found = json.loads(file.read_text())
        found["shape"][0] = 10**9
        file.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_without_level, "lacks the array 1 of its image"),
        (_cut_description, "damaged description"),
        (_no_image, "is a Zarr without an image of OME-Zarr"),
        (_outside, "names an array outside of itself"),
        (_enormous, "says that it has 1,000,000,000,000,000 x"),
        (_of_many_channels, "has 1,000,000,000 channels"),
    ],
    ids=["no level", "cut description", "no image", "outside", "enormous", "many channels"],
)
def test_one_sentence(
    tmp_path: Path, stained: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    path = shutil.copytree(stained, tmp_path / "a.zarr")
    spoil(path)
    with pytest.raises(SlideError, match=f"^a.zarr {sentence}|^a.zarr has a {sentence}") as caught:
        open_slide(path)
    assert isinstance(caught.value, UnsupportedSlideError | DamagedSlideError)
    assert "\n" not in str(caught.value)


def test_levels_in_any_order(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = tmp_path / "a.zarr"
    levels = pyramid(picture)
    write_image(path, levels, "cyx")
    described = path / "zarr.json"
    told = json.loads(described.read_text())
    told["attributes"]["ome"]["multiscales"][0]["datasets"].reverse()
    described.write_text(json.dumps(told))
    with closing(open_slide(path)) as source:
        sizes = [(level.height_px, level.width_px) for level in source.levels]
        assert sizes == [level.shape[1:] for level in levels]
        assert source.info.optics.mpp_um == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("bits", [20, 23, 26])
def test_deep_jpeg_2000_is_shown_or_refused(tmp_path: Path, bits: int) -> None:
    numbers = np.random.default_rng(2).integers(0, 1 << bits, (200, 300), dtype=np.uint32)
    known.register_codecs(verbose=False)
    code = known.Jpeg2k(level=0, reversible=True, bitspersample=bits)
    write_image(tmp_path / "a.zarr", [numbers], "yx", version="0.4", compressors=code)
    with closing(open_slide(tmp_path / "a.zarr")) as source:
        if bits <= 23:
            assert np.array_equal(source.read_channels(0, 0, 0, (0,))[0], numbers[:128, :128])
            return
        with pytest.raises(TileError, match="it is JPEG 2000 of 26 bits per sample"):
            source.read_tile(0, 0, 0)


@pytest.mark.parametrize(
    ("dtype", "window", "shown"),
    [
        ("uint16", (0, 10**400), (0, 999)),
        ("uint16", (10.5, 1e30), (0, 999)),
        ("uint8", (0, 65535), (0, 255)),
        ("int16", (40_000, 50_000), (0, 999)),
        ("uint16", (0, 65535), (0, 65535)),
        ("uint8", (0, 256), (0, 256)),
        ("float32", (0, 1e30), (0, 1e30)),
    ],
)
def test_a_window_that_no_value_fills_is_not_used(
    tmp_path: Path, dtype: str, window: tuple[float, float], shown: tuple[float, float]
) -> None:
    values = (np.arange(60_000).reshape(200, 300) % 1000).astype(dtype)
    told = {"channels": [{"label": "DAPI", "window": {"start": window[0], "end": window[1]}}]}
    write_image(tmp_path / "a.zarr", [values], "yx", omero=told)
    source = open_ome_zarr(tmp_path / "a.zarr")
    assert source is not None
    with closing(source):
        (channel,) = source.info.axes.channels
        assert channel.value_range == pytest.approx(shown)


@pytest.mark.parametrize(
    ("unit", "mpp_um"), [("Micrometer", 0.5), ("micrometers", 0.5), ("MM", 500)]
)
def test_units_in_other_spellings(tmp_path: Path, unit: str, mpp_um: float) -> None:
    path = tmp_path / "a.zarr"
    write_image(path, [np.zeros((20, 30), np.uint8)], "yx", version="0.4")
    told = json.loads((path / ".zattrs").read_text())
    for axis in told["multiscales"][0]["axes"]:
        axis["unit"] = unit
    (path / ".zattrs").write_text(json.dumps(told))
    source = open_ome_zarr(path)
    assert source is not None
    with closing(source):
        assert source.info.optics.mpp_um == pytest.approx((mpp_um, mpp_um))


def test_colors_with_opacity(tmp_path: Path) -> None:
    told = {"channels": [{"label": "a", "color": "00FF00FF"}, {"label": "b", "color": "#FF000080"}]}
    write_image(tmp_path / "a.zarr", [np.zeros((2, 20, 30), np.uint16)], "cyx", omero=told)
    source = open_ome_zarr(tmp_path / "a.zarr")
    assert source is not None
    with closing(source):
        colors = [channel.color for channel in source.info.axes.channels]
        assert colors == [(0, 255, 0), (255, 0, 0)]
