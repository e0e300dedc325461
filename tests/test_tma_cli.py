"""`coverslip tma` as a laboratory's script runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_steps import coverslip
from tma_slides import ArrayPlan, write_array

from viewer.annotations.document import adding
from viewer.annotations.formats.exchange import read_annotations
from viewer.annotations.tma.cores import CASE_ID, grid_of, is_missing
from viewer.slides import open_slide


@pytest.fixture(scope="module")
def array(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tma") / "array.tif"
    write_array(path, ArrayPlan(turn_deg=5, missing=[(0, 0)]))
    return path


def test_cores_are_written_as_a_table_and_for_qupath(array: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("Core,Case ID\nA-2,P1\nQ-9,P2\n")
    done = coverslip("tma", str(array), "-o", "cores.csv", "--ids", str(ids), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "24 cores in 4 rows and 6 columns, 1 of them missing." in done.stderr
    assert "1 core is not on this slide and left out: Q-9." in done.stderr
    rows = list(csv.DictReader((tmp_path / "cores.csv").open(newline="")))
    assert [rows[0]["Core"], rows[0]["Missing"], rows[1]["Case ID"]] == ["A-1", "true", "P1"]
    assert float(rows[1]["Diameter um"]) == pytest.approx(120, rel=0.1)
    done = coverslip(
        "tma", str(array), "-o", "cores.geojson", "--row-labels", "4-1", "--label-order", "column",
        "--column-labels", "A-F", "--json", folder=tmp_path,
    )  # fmt: skip
    record = json.loads(done.stdout)
    assert (record["rows"], record["columns"], record["missing"]) == (4, 6, 1)
    assert (record["table"][0]["Core"], record["table"][0]["Missing"]) == ("A-4", True)
    cores = list(read_annotations(tmp_path / "cores.geojson", []))
    assert len(cores) == 24
    assert all(core.kind == "tmaCore" and core.is_ellipse for core in cores)
    assert [core.name for core in cores if is_missing(core)] == ["A-4"]


def test_cores_that_the_window_keeps_are_used(array: Path, tmp_path: Path) -> None:
    from viewer.annotations.storage.annotation_paths import annotations_path
    from viewer.annotations.storage.slide_file import open_annotations
    from viewer.annotations.storage.store import Stamped

    coverslip("tma", str(array), "-o", "cores.geojson", folder=tmp_path)
    cores = list(read_annotations(tmp_path / "cores.geojson", []))[:4]
    cores[0] = cores[0].noted(CASE_ID, "kept")
    source = open_slide(array)
    identity = source.info.identity
    source.close()
    opened = open_annotations(annotations_path(identity, array, beside=False))
    opened.store.write([Stamped.now(adding("Draw", cores))])
    opened.close()
    done = coverslip("tma", str(array), "--json", folder=tmp_path)
    assert "4 cores are kept with array.tif and used: --find finds them anew." in done.stderr
    assert json.loads(done.stdout)["table"][0]["Case ID"] == "kept"
    done = coverslip("tma", str(array), "--find", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["cores"] == 24


def test_what_cannot_be_is_one_sentence(array: Path, sample_slide: Path, tmp_path: Path) -> None:
    done = coverslip("tma", str(sample_slide), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("CMU-1-Small-Region.svs: no TMA cores were found")
    for words, why in (
        (("-o", "cores.txt"), "cores.txt can be no table of cores"),
        (("-o", "nowhere/cores.csv"), "There is no folder nowhere"),
        (("--row-labels", "A-3"), 'Labels of rows cannot be "A-3"'),
        (("--label-order", "up"), 'The order of labels cannot be "up"'),
        (("--ids", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--stains", "h-e"), "--set and --stains are of a model"),
        (("--columns", "90"), "do not fit the 90 columns asked for"),
        (("--diameter", "90000"), "A core cannot be 90000 µm across"),
        (("--row-labels", "B-A"), "Labels from B down do not reach so far"),
        (("--model", "tissue-quality"), "finds no objects to count"),
        (("--model", "nowhere"), "nowhere"),
        (("-o", "."), ". is a folder"),
    ):
        done = coverslip("tma", str(array), *words, folder=tmp_path)
        assert done.returncode == 2, (words, done.stderr)
        assert why in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    done = coverslip("tma", str(tmp_path / "nowhere.tif"), folder=tmp_path)
    assert done.returncode == 2
    unscaled = tmp_path / "unscaled.tif"
    tifffile.imwrite(unscaled, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    done = coverslip("tma", str(unscaled), "--model", "cells", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "unscaled.tif has no known pixel size: open it and choose Edit > Set pixel size "
        "(on the command line, --slide-mpp).\n"
    )


def test_a_model_counts_and_scores_in_each_core(tmp_path: Path) -> None:
    path = tmp_path / "array.tif"
    write_array(path, ArrayPlan(rows=2, columns=3, missing=[(1, 1)]))
    done = coverslip(
        "tma", str(path), "--model", "cells", "--stains", "h-dab", "--set",
        "requested_pixel_size_um=2",
        "-o", "cores.csv", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "cores.csv").open(newline="")))
    assert [row["Core"] for row in rows] == ["A-1", "A-2", "A-3", "B-1", "B-2", "B-3"]
    assert rows[4]["Missing"] == "true"
    assert rows[4]["Objects"] == ""
    assert all(float(row["Objects"]) >= 0 for row in rows[:3])
    assert "Objects: Negative" in rows[0]


def test_a_grid_of_kept_cores_has_no_holes_where_one_was_deleted(array: Path) -> None:
    source = open_slide(array)
    from viewer.annotations.tma.cores import cores_of
    from viewer.annotations.tma.dearraying import dearray
    from viewer.annotations.tma.labels import LabelScheme

    cores = cores_of(dearray(source), LabelScheme())
    source.close()
    grid = grid_of(cores[:7] + cores[8:])
    assert (grid.rows, grid.columns, len(grid)) == (4, 6, 23)
    assert (1, 1) not in grid.cores
