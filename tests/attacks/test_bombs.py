"""Files that are small on the disk and ask for more than a machine has: one sentence, exit code 2.

Each is tried through the command line, in a process whose memory is watched from outside.
"""

from __future__ import annotations

import gc
import shutil
import struct
import time
import tracemalloc
import zlib
from contextlib import closing
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
from bombs import (
    BITS,
    COMPRESSION,
    DEFLATE,
    HEIGHT,
    JPEG,
    PHOTOMETRIC,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_OFFSETS,
    STRIP_SIZES,
    WIDTH,
    claimed_png,
    endless,
    gzip_of,
    jpeg,
    long_texts,
    png,
    random_polygon,
    stacked_parts,
    tiff,
    tiff_of_directories,
    tiled_tiff,
    zip_of_zeros,
)
from layout_steps import make_wsinfer
from measured_runs import REPOSITORY, Outcome, coverslip

from viewer.annotations.sound_geometry import repaired
from viewer.geometry import Size
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import add_model, models_folder
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.recording.session import SessionError, read_header
from viewer.slides import TileError
from viewer.slides.derived.levels import with_fine_steps
from viewer.slides.opening_here import open_here

MOST_SMALL_MB = 400
MOST_MODEL_MB = 700
NUCLEI = REPOSITORY / "resources" / "models" / "nuclei"
LOOPS = {
    WIDTH: 100, HEIGHT: 100, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, SAMPLES: 1,
    STRIP_OFFSETS: -1, ROWS_PER_STRIP: 100, STRIP_SIZES: 10_000,
}  # fmt: skip


def assert_refused(outcome: Outcome, sentence: str, most_mb: float = MOST_SMALL_MB) -> None:
    assert outcome.code == 2, outcome
    assert outcome.is_one_sentence, outcome.err
    assert sentence in outcome.err
    assert outcome.peak_mb < most_mb


@pytest.mark.parametrize("command", ["info", "shot"])
@pytest.mark.parametrize(
    ("side_px", "tile_px", "compression"),
    [
        (2**31 - 1, 2**31 - 1, DEFLATE),
        (5000, 2**31 - 1, DEFLATE),
        (100_000, 100_000, JPEG),
    ],
)
def test_tiles_of_a_tiff_that_no_memory_holds(
    side_px: int, tile_px: int, compression: int, command: str, tmp_path: Path
) -> None:
    data = zlib.compress(bytes(1000))
    slide = tiled_tiff(tmp_path / "t.tif", side_px, tile_px, data, compression)
    more = ["-o", tmp_path / "out.png"] if command == "shot" else []
    assert_refused(coverslip(command, slide, *more), "too large to hold in memory")
    assert not (tmp_path / "out.png").exists(), "what cannot be read is not painted"


@pytest.mark.parametrize(
    ("sizes_px", "sentences"),
    [
        ([(1000 - n % 900, 1000 - n // 900) for n in range(20_100)], ["20,000 direct", "256 lar"]),
        ([(5000 - n, 5000 - n) for n in range(300)], ["256 largest", "too many images of one"]),
        ([(10, 10)] * 20_001, ["first 20,000 directories"]),
        ([(10, 10)] * 20_000, []),
    ],
    ids=["of many shapes", "of one shape", "planes", "as many planes as are read"],
)
def test_directories_of_a_tiff_beyond_number(
    sizes_px: list[tuple[int, int]], sentences: list[str], tmp_path: Path
) -> None:
    slide = tiff_of_directories(tmp_path / "many.tif", sizes_px)
    before_s = time.process_time()
    with closing(open_here(slide)) as source:
        notes = " ".join(source.info.notes)
    assert time.process_time() - before_s < 20
    assert all(sentence in notes for sentence in sentences), notes
    assert bool(sentences) == ("left out" in notes)


@pytest.mark.parametrize("is_interlaced", [False, True])
def test_a_png_that_claims_gigabytes_of_pixels(is_interlaced: bool, tmp_path: Path) -> None:
    """It is read by rows, but interlaced it would be decoded as a whole."""
    path = claimed_png(tmp_path / "c.png", 40_000, is_interlaced=is_interlaced)
    outcome = coverslip("info", path)
    if is_interlaced:
        assert_refused(outcome, "too large to hold")
        return
    assert outcome.code == 0
    assert "PNG by rows" in outcome.out
    assert outcome.peak_mb < MOST_SMALL_MB
    shot = coverslip("shot", path, "-o", tmp_path / "out.png")
    assert shot.code == 1
    assert "hatched" in shot.err, "what is not there is not painted as clear glass"
    assert shot.peak_mb < MOST_SMALL_MB


@pytest.mark.slow
def test_a_png_of_a_few_kilobytes_and_gigabytes_of_pixels(tmp_path: Path) -> None:
    rows = coverslip("info", png(tmp_path / "rows.png", 40_000), timeout_s=100)
    assert rows.code == 0
    assert "PNG by rows" in rows.out
    assert rows.peak_mb < MOST_SMALL_MB
    gray = coverslip("info", png(tmp_path / "small.png", 19_900), timeout_s=100)
    assert gray.code == 0, "an image that memory does hold is opened"
    assert "PNG in memory" in gray.out
    assert gray.peak_mb < 700, "its pixels are held once: 400 MB"


@pytest.mark.parametrize("side_px", [17_000, 65_000])
@pytest.mark.parametrize("command", ["info", "shot"])
def test_a_jpeg_that_claims_more_than_it_holds(side_px: int, command: str, tmp_path: Path) -> None:
    more = ["-o", tmp_path / "out.png"] if command == "shot" else []
    outcome = coverslip(command, jpeg(tmp_path / "j.jpg", side_px), *more)
    assert_refused(outcome, "pixels for each of its bytes")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("next_at", [8, 0])
def test_directories_of_a_tiff_in_a_ring(next_at: int, tmp_path: Path) -> None:
    sub = {} if next_at else {330: 8}
    slide = tiff(tmp_path / "ring.tif", LOOPS | sub, bytes(10_000), next_at)
    outcome = coverslip("info", slide, timeout_s=40)
    assert outcome.code in (0, 2)
    assert "Traceback" not in outcome.err
    assert outcome.peak_mb < MOST_SMALL_MB


@pytest.mark.slow
def test_a_zip_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    bomb = zip_of_zeros(tmp_path / "m.zip", "model.json", 1 << 30, before=b'{"name": "x", ')
    assert bomb.stat().st_size < 2 << 20
    assert_refused(coverslip("models", "add", bomb), "too large to unpack", MOST_MODEL_MB)


@pytest.mark.slow
def test_weights_in_a_zip_that_pack_too_well(tmp_path: Path) -> None:
    bomb = zip_of_zeros(tmp_path / "m.zip", "weights.safetensors", 1 << 30)
    import zipfile

    with zipfile.ZipFile(bomb, "a") as archive:
        archive.write(NUCLEI / "model.json", "model.json")
    with pytest.raises(BundleError, match="times its size"):
        add_model(bomb)


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_pipe_or_device_in_place_of_a_models_file(what: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(NUCLEI, folder)
    (folder / name).unlink()
    endless(folder / name, what)
    outcome = coverslip("models", "check", folder)
    assert_refused(outcome, "pipe or device", MOST_MODEL_MB)


@pytest.mark.parametrize("what", ["pipe", "device"])
@pytest.mark.parametrize(
    ("command", "name"),
    [("info", "slide.svs"), ("annotations stats", "a.geojson"), ("sessions import", "log.csv")],
)
def test_a_pipe_or_device_in_place_of_a_file(
    command: str, name: str, what: str, tmp_path: Path
) -> None:
    path = endless(tmp_path / name, what)
    outcome = coverslip(*command.split(), path, timeout_s=40)
    assert_refused(outcome, "pipe")


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_pipe_or_device_in_place_of_a_session(what: str, tmp_path: Path) -> None:
    endless(tmp_path / "session.json", what)
    with pytest.raises(SessionError):
        read_header(tmp_path)


def test_an_outline_that_crosses_itself_a_million_times_costs_only_itself(tmp_path: Path) -> None:
    outcome = coverslip("annotations", "stats", random_polygon(tmp_path / "v.geojson", 3000))
    assert "cross one another" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.peak_mb < MOST_SMALL_MB


@pytest.mark.parametrize("kind", ["parts", "boxes", "holes"])
def test_thousands_of_parts_on_one_another_cost_only_their_outline(
    kind: str, tmp_path: Path
) -> None:
    path = stacked_parts(tmp_path / "many.geojson", kind)
    outcome = coverslip("annotations", "validate", path, timeout_s=30)
    assert outcome.code == 1
    why = "its parts lie on one another" if kind == "boxes" else "cross one another"
    assert why in outcome.out + outcome.err
    assert "1 annotation of QuPath GeoJSON can be used" in outcome.out
    assert outcome.peak_mb < 600


@pytest.mark.parametrize("suffix", [".geojson", ".csv", ".xml"])
def test_a_file_of_annotations_without_end_is_refused_by_its_size(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"sparse{suffix}"
    with path.open("wb") as file:
        file.truncate(1 << 38)
    outcome = coverslip("annotations", "validate", path, timeout_s=30)
    assert_refused(outcome, "is too large")


def test_a_region_of_several_parts_is_estimated_too() -> None:
    points = np.random.default_rng(0).uniform(0, 5000, (3000, 2))
    crossing = shapely.Polygon(points)
    for region in (shapely.MultiPolygon([crossing]), shapely.GeometryCollection([crossing])):
        with pytest.raises(ValueError, match="cross one another"):
            repaired(region)


def test_long_outlines_with_a_few_crossings_are_repaired() -> None:
    turn = np.linspace(0, 2 * np.pi, 100_000)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * 1e4
    ring[500], ring[900] = ring[900].copy(), ring[500].copy()
    broken = shapely.Polygon(ring)
    assert not broken.is_valid
    assert repaired(broken).area == pytest.approx(np.pi * 1e8, rel=1e-3)


@pytest.mark.slow
def test_a_parquet_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    rows = pa.table({"x": pa.array(np.zeros(1 << 20)), "y": pa.array(np.zeros(1 << 20))})
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(160):
            writer.write_table(rows)
    assert path.stat().st_size < 4 << 20
    with pytest.raises(ResultFileError, match="too large to open"):
        read_result_file(path, Size(1000, 1000), 0.5)


@pytest.mark.parametrize("is_said_to_be_shared", [True, False])
def test_a_parquet_of_one_long_text_many_times(tmp_path: Path, is_said_to_be_shared: bool) -> None:
    path = long_texts(tmp_path / "texts.parquet", is_said_to_be_shared=is_said_to_be_shared)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ResultFileError, match="too large to open"):
        read_result_file(path, Size(1000, 1000), 0.5)


def test_an_hdf5_that_claims_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("coords", (1 << 30, 2), "i8", chunks=(1 << 16, 2))
        file.create_dataset("attention_scores", (1 << 30, 1), "f4", chunks=(1 << 16, 1))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ResultFileError, match="too large to open"):
        read_result_file(path, Size(1000, 1000), 0.5)


@pytest.mark.parametrize(
    "kind",
    [pytest.param("spaces.geojson.gz", marks=pytest.mark.slow), "text.geojson.gz", "a.geojson.zip"],
)
def test_annotations_that_unpack_to_gigabytes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    begin = b'{"type": "FeatureCollection", "features": ['
    if kind.endswith(".zip"):
        zip_of_zeros(path, "a.geojson", 1 << 30, before=begin)
    else:
        letter, more = (b" ", b"") if "spaces" in kind else (b"a", b'{"type": "Feature", "id": "')
        gzip_of(path, letter, 1 << 30, before=begin + more)
    outcome = coverslip("annotations", "stats", path, timeout_s=40)
    assert_refused(outcome, "times its size")


def test_images_whose_decoders_take_many_times_their_pixels(tmp_path: Path) -> None:
    """A WebP is held four times while it is decoded: 16,383 x 16,383 px took 4.5 GB."""
    path = tmp_path / "w.webp"
    small = imagecodecs.webp_encode(np.zeros((64, 64, 3), np.uint8), lossless=True)
    data = bytearray(small)
    at = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, bits & ~0xFFFFFFF | 0x3FFF | 0x3FFF << 14)
    path.write_bytes(data)
    assert_refused(coverslip("info", path), "too large to hold in memory")


@pytest.mark.parametrize("side_px", [2**24, 2**30])
def test_a_slide_of_more_tiles_than_any_has(side_px: int, tmp_path: Path) -> None:
    slide = tiled_tiff(tmp_path / "t.tif", side_px, 256, bytes(64), 1)
    assert_refused(coverslip("shot", slide, "-o", tmp_path / "out.png"), "which cannot be")


def test_tiles_that_cannot_be_read_hold_no_memory(tmp_path: Path) -> None:
    """Each error held the picture that it was met in, gigabytes for a large flat slide."""
    slide = tiled_tiff(tmp_path / "t.tif", 8192, 256, bytes(64), 1)
    with closing(with_fine_steps(open_here(slide))) as source:
        gc.disable()
        tracemalloc.start()
        try:
            with pytest.raises(TileError):
                source.read_tile(len(source.levels) - 1, 0, 0)
            held_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert held_bytes < 8 << 20


def test_a_table_of_one_line_without_end(tmp_path: Path) -> None:
    """Each piece was joined to all before it: a gigabyte took hours."""
    table = tmp_path / "long.csv"
    with table.open("wb") as file:
        file.write(b"x,y,name\n1,2,")
        file.truncate(250 << 20)  # a larger one of holes is refused before it is read
    assert_refused(coverslip("annotations", "stats", table), "a line of it is longer than")


def test_images_of_an_ome_tiff_without_number_are_listed_in_linear_time(tmp_path: Path) -> None:
    """Each looked through the description of all: a thousand took 20 s."""
    image = (
        '<Image ID="I:{0}"><Pixels ID="P:{0}" DimensionOrder="XYCZT" Type="uint8" SizeX="64" '
        'SizeY="64" SizeC="1" SizeZ="1" SizeT="1"><Channel ID="C:{0}" SamplesPerPixel="1"/>'
        '<TiffData IFD="0"/></Pixels></Image>'
    )
    images = "".join(image.format(number) for number in range(2000))
    xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{images}</OME>'
    path, pixels = tmp_path / "a.ome.tif", np.zeros((64, 64), np.uint8)
    tifffile.imwrite(
        path, pixels, description=f'<?xml version="1.0"?>{xml}', metadata=None, tile=(16, 16)
    )
    before_s = time.process_time()
    open_here(path).close()
    assert time.process_time() - before_s < 5


@pytest.mark.parametrize("name", ["weights.safetensors", "README.md"])
def test_a_file_of_a_model_without_end_is_not_copied(name: str, tmp_path: Path) -> None:
    folder = make_wsinfer(tmp_path / "model") if name == "README.md" else tmp_path / "model"
    if name != "README.md":
        shutil.copytree(NUCLEI, folder)
    with (folder / name).open("ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(BundleError, match="too large"):
        add_model(folder)
    assert list(models_folder().iterdir()) == []


@pytest.mark.parametrize("suffix", [".vms", ".vmu"])
@pytest.mark.parametrize("begin", [b"", b"[Virtual Microscope Specimen]\n", b"File" * (1 << 14)])
def test_a_description_without_an_end_is_looked_at_once(
    suffix: str, begin: bytes, tmp_path: Path
) -> None:
    """The search for the files that it names took half a minute."""
    path = tmp_path / f"slide{suffix}"
    path.write_bytes(begin)
    with path.open("ab") as file:
        file.truncate(1 << 40)
    assert_refused(coverslip("info", path, timeout_s=10), "slide.vm")
