"""Sessions as trajectories: rows that the environment repeats, parted by patient and reader."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from cli_steps import coverslip as run_cli
from PIL import Image

import coverslip
from viewer.attention.simulating import PolicyParameters, simulate_session
from viewer.recording.export import ExportOptions, export_sessions
from viewer.recording.export.trajectories import SPLITS
from viewer.recording.export.trajectory_files import split_of
from viewer.slides import open_slide
from viewer.slides.known_slides import remember

SIZE_PX = (160, 100)
CORNERS = ("x0_px", "y0_px", "x1_px", "y1_px")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    """Sessions of two readers on the sample slide."""
    folder = tmp_path_factory.mktemp("trajectories")
    source = open_slide(sample_slide)
    for policy in ("drill", "random"):
        simulate_session(source, policy, 1, folder, PolicyParameters(spots=2))
    source.close()
    return folder


@pytest.fixture
def sessions(library: Path, sample_slide: Path) -> list[Path]:
    source = open_slide(sample_slide)
    remember(source.info.identity, sample_slide)
    source.close()
    return sorted(library.iterdir())


def table(sessions: list[Path], out: Path, **options: Any) -> Any:
    asked = ExportOptions(format="trajectories", observation_px=SIZE_PX, **options)
    manifest = export_sessions(sessions, out, asked)
    assert [each.problem for each in manifest.sessions] == [""] * len(sessions)
    assert set(manifest.files) == {"trajectories.parquet", "DATASHEET.md", "README.md"}
    return pandas.read_parquet(out / "trajectories.parquet")


def action_of(row: Any) -> dict[str, Any]:
    return {
        "kind": row.action_kind,
        "move": np.array([row.action_move_x, row.action_move_y]),
        "zoom": np.array([row.action_zoom]),
        "answer": 0,
    }


@pytest.mark.parametrize("least_dwell_s", [0.0, 0.5])
def test_the_environment_repeats_each_step(
    sessions: list[Path], tmp_path: Path, sample_slide: Path, least_dwell_s: float
) -> None:
    jpegs = table(sessions[:1], tmp_path, observations="jpeg", least_dwell_s=least_dwell_s)
    env = coverslip.SlideEnv([sample_slide], SIZE_PX)
    rows: list[Any] = list(jpegs.itertuples())
    image, info = env.reset(options={"field": [getattr(rows[0], name) for name in CORNERS]})
    for number, row in enumerate(rows):
        assert row.step == number
        assert info["field"] == pytest.approx([getattr(row, name) for name in CORNERS], abs=0.5)
        kept = np.asarray(Image.open(io.BytesIO(row.image))).astype(int)
        assert kept.shape == (SIZE_PX[1], SIZE_PX[0], 3)
        # Packing costs more in fields full of nuclei, and who reads first is drawn.
        assert np.abs(kept - image).mean() < 10
        image, _, is_over, _, info = env.step(action_of(row))
        after = [getattr(row, f"next_{name}") for name in CORNERS]
        assert info["field"] == pytest.approx(after, abs=0.5)
        assert is_over == row.done == (number + 1 == len(rows))
        assert row.dwell_s >= (least_dwell_s if number else 0)
    env.close()


def test_fields_are_those_that_were_recorded(sessions: list[Path], tmp_path: Path) -> None:
    steps = table(sessions, tmp_path)
    assert steps["image"].isna().all()
    for session in coverslip.load_sessions(sessions[0].parent):
        trace = session.trace()
        own = steps[steps["session"] == session.id]
        assert len(own) == len(trace)
        x = (own["x0_px"] + own["x1_px"]) / 2
        y = (own["y0_px"] + own["y1_px"]) / 2
        assert np.allclose(np.stack([x, y], 1), trace.centers, atol=0.5)
        assert own["dwell_s"].sum() == pytest.approx(trace.looked_s().sum())
        assert list(own["done"]) == [False] * (len(own) - 1) + [True]


def test_columns_and_datasheet_tell_what_they_hold(sessions: list[Path], tmp_path: Path) -> None:
    steps = table(sessions, tmp_path)
    schema = pyarrow.parquet.read_schema(tmp_path / "trajectories.parquet")
    sheet = (tmp_path / "DATASHEET.md").read_text()
    for column in schema:
        assert column.metadata[b"description"].decode() in sheet
    assert f"| steps | {len(steps)} | 0 | 0 |" in sheet
    assert "| readers | 1 | 0 | 1 |" in sheet
    assert "each slide counts as a patient of its own" in sheet
    assert "references: slide and field" in sheet
    assert f"{len(steps)} steps simulated" in sheet


def test_no_patient_is_in_two_splits(tmp_path: Path, sample_slide: Path) -> None:
    # Copies with a byte more at the end are other slides: their content keys differ.
    library, patients = tmp_path / "sessions", {}
    for number in range(6):
        slide = tmp_path / f"case-{number}.svs"
        shutil.copyfile(sample_slide, slide)
        with slide.open("ab") as file:
            file.write(bytes([number + 1]) * (number + 1))
        source = open_slide(slide)
        remember(source.info.identity, slide)
        parameters = PolicyParameters(spots=1)
        for policy in ("drill", "random") if number == 0 else ("drill",):
            simulate_session(source, policy, number, library, parameters)
        source.close()
        patients[slide.stem if number % 2 else slide.name] = f"MRN {number // 2}"
    steps = table(sorted(library.iterdir()), tmp_path / "out", patients=patients)
    by_slide = steps.groupby("slide")["patient"].unique()
    assert sorted(len(each) for each in by_slide) == [1] * 6
    assert steps["patient"].nunique() == 3
    assert not steps["patient"].str.contains("MRN").any()
    assert (steps.groupby("patient")["patient_split"].nunique() == 1).all()
    assert set(steps["patient_split"]) == set(SPLITS)
    assert (steps.groupby("reader")["reader_split"].nunique() == 1).all()


def test_splits_do_not_depend_on_the_order_and_hold_something_back() -> None:
    names = [f"reader-{number}" for number in range(20)]
    found = split_of(names)
    assert found == split_of(reversed(names))
    assert [list(found.values()).count(split) for split in SPLITS] == [14, 3, 3]
    assert sorted(split_of(["a", "b"]).values()) == ["test", "train"]
    assert split_of(["a"]) == {"a": "train"}
    assert sorted(split_of("abc").values()) == ["test", "train", "validation"]


def test_from_the_command_line(sessions: list[Path], tmp_path: Path) -> None:
    def export(*arguments: str) -> Any:
        asked = ("sessions", "export", str(sessions[0]), "--format", "trajectories")
        return run_cli(*asked, *arguments, folder=tmp_path)

    done = export("-o", "steps", "--observation-px", "64x40", "--least-dwell-s", "0.5")
    assert done.returncode == 0, done.stderr
    assert "No table of patients names 1 of 1 slide:" in done.stderr
    assert "(on the command line, --patients takes a table)" in done.stderr
    steps: Any = pandas.read_parquet(tmp_path / "steps" / "trajectories.parquet")
    assert set(steps["width_px"]) == {64}
    assert set(steps["height_px"]) == {40}
    (tmp_path / "none.csv").write_text("file,person\na,b\n")
    for arguments, sentence in (
        (("--observation-px", "large"), "is no size"),
        (("--observations", "sound"), "--observations takes reference or jpeg"),
        (("--patients", "none.csv"), "columns slide and patient"),
        (("--patients", "missing.csv"), "cannot be read"),
    ):
        refused = export("-o", "other", *arguments)
        assert refused.returncode == 2, refused.stdout
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
