"""Scores of tiles in the shapes that CLAM and TRIDENT write them, and files that are broken."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from viewer.geometry import Size
from viewer.overlays.files.foreign_table import read_binary_table
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.overlays.patch_feature_map import PatchFeatureMap

if TYPE_CHECKING:
    from pathlib import Path

PACKED = ("parquet", "geoparquet")
SLIDE = Size(4000, 4000)
PLACES = np.array([[x, y] for y in (0, 256) for x in (0, 256, 512)])
SCORES = np.arange(18).reshape(3, 6) / 100


def write(path: Path, scores: np.ndarray | None = None, **attributes: float) -> Path:
    with h5py.File(path, "w") as file:
        coords = file.create_dataset("coords", data=PLACES)
        coords.attrs.update(attributes)
        if scores is not None:
            file.create_dataset("attention_scores", data=scores)
    return path


def _patches(path: Path) -> PatchFeatureMap:
    file = read_result_file(path, SLIDE, 0.5)
    assert isinstance(file.found, PatchFeatureMap)
    return file.found


@pytest.mark.parametrize("shape", [(3, 6), (1, 3, 6), (3, 6, 1)])
def test_heads_are_rows_or_columns(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for scores in (SCORES.reshape(shape), SCORES.T):
        table = read_binary_table(write(tmp_path / "a.h5", scores))
        for head in range(3):
            assert table.column(f"Attention {head + 1}").tolist() == SCORES[head].tolist()


@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6), (1, 1, 6)])
def test_one_head_of_any_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    table = read_binary_table(write(tmp_path / "a.h5", SCORES[0].reshape(shape)))
    assert table.column("Attention").tolist() == SCORES[0].tolist()


def test_the_side_of_a_tile_is_told_by_the_coordinates(tmp_path: Path) -> None:
    assert _patches(write(tmp_path / "a.h5", patch_size_level0=512)).cell == 512
    path = write(tmp_path / "a.h5", SCORES[0], patch_size=224, downsample=2)
    assert _patches(path).cell == 448


def test_scores_that_fit_no_tiles_say_so(tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="scores of 4 x 5 for 6 tiles"):
        read_result_file(write(tmp_path / "a.h5", np.zeros((4, 5))), SLIDE, 0.5)


def test_tables_with_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("x;y;score\r\n0;0;0,5\r\n256;0;0,25\r\n".encode("utf-16"))
    assert read_result_file(path, SLIDE, 0.5).colors[0][0] == "score"


@pytest.mark.parametrize("side", ["0", "-5", "nan", "1e300"])
def test_tiles_without_a_side_end_at_once(tmp_path: Path, side: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x,y,size,score\n0,0,{side},0.5\n")
    with pytest.raises(ResultFileError):
        read_result_file(path, SLIDE, 0.5)


@pytest.mark.parametrize(
    "end", ["h5", "csv", "geojson", *(pytest.param(end, marks=pytest.mark.slow) for end in PACKED)]
)
def test_broken_files_give_one_sentence_of_ours(tmp_path: Path, end: str) -> None:
    whole = write(tmp_path / "whole.h5", SCORES).read_bytes()
    if end == "csv":
        whole = b"x,y,score\n" + b"\n".join(b"%d,%d,0.5" % (n, n) for n in range(200))
    elif end.endswith("parquet"):
        table = pa.table({"x": PLACES[:, 0], "y": PLACES[:, 1], "score": SCORES[0]})
        pq.write_table(table, tmp_path / "whole.parquet")
        whole = (tmp_path / "whole.parquet").read_bytes()
    elif end == "geojson":
        whole = b'{"type": "FeatureCollection", "features": [{"type": "Feature"}]}'
    chance = random.Random(1)
    path = tmp_path / f"a.{end}"
    for number in range(40):
        spoilt = bytearray(whole)
        for _ in range(4):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        path.write_bytes(spoilt[: chance.randrange(1, len(spoilt))] if number % 2 else spoilt)
        try:
            read_result_file(path, SLIDE, 0.5)
        except ResultFileError as error:
            said = str(error)
            assert said.startswith(path.name)
            assert "object" not in said
            assert "errno" not in said.lower()


def test_of_two_classes_the_one_that_is_looked_for_is_shown_first(tmp_path: Path) -> None:
    path = tmp_path / "wsinfer.csv"
    path.write_text(
        "minx,miny,width,height,prob_Other,prob_Tumor\n0,0,175,175,0.9,0.1\n175,0,175,175,0.2,0.8\n"
    )
    file = read_result_file(path, SLIDE, 0.5)
    assert [name for name, _ in file.colors] == ["prob_Tumor", "prob_Other"]
    assert isinstance(file.found, PatchFeatureMap)
    assert file.found.given_scores(0).tolist() == pytest.approx([0.1, 0.8])
