"""Simulated readers teach a predictor, which then proposes on slides that it has not seen."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import forked_programs
import msgspec
import numpy as np
import pytest
import torch
from agent_steps import bench
from behavior_steps import painted_tissue, write_slide
from model_server import Say, model_server
from safetensors.torch import load_file
from test_client import client

from viewer.agents.actions import Task
from viewer.agents.loop import AgentRun
from viewer.agents.policies.predictor import PredictorPolicy
from viewer.agents.trained_proposals import trained_proposer
from viewer.attention.evaluating import evaluate_predictor
from viewer.attention.fitting import TrainingOptions
from viewer.attention.predictor import Predictor, box_sizes_um, find_predictor
from viewer.attention.readings import BehaviorError, session_folders
from viewer.attention.simulating import simulate_session
from viewer.attention.training import train_predictor
from viewer.geometry import Box
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_check import try_model
from viewer.inference.models.model_library import BUNDLED, add_model
from viewer.inference.runs.running import run_model
from viewer.overlays.heatmap import HeatmapStyle, expected_heatmap
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.recording.behaviors import actions_of
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header, write_header
from viewer.recording.trace_loading import load_trace
from viewer.slides import open_slide
from viewer.slides.slide_key import slide_key

QUICK = TrainingOptions(epochs=25, patience=25, variants=2, seed=1)


@dataclass(frozen=True)
class Study:
    """Slides and the sessions of simulated readers of them."""

    slides: Path
    taught: Path
    held_back: Path
    model: Path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Five slides that teach, two that are held back, and the predictor."""
    folder = tmp_path_factory.mktemp("study")
    study = Study(folder / "slides", folder / "taught", folder / "held", folder / "model")
    study.slides.mkdir()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(folder / "home"))
        for number in range(7):
            path = write_slide(study.slides / f"{number}.tif", painted_tissue(number))
            source = open_slide(path)
            for reader in range(2):
                library = study.taught if number < 5 else study.held_back
                simulate_session(source, "drill", 10 * number + reader, library)
            source.close()
        train_predictor(session_folders([str(study.taught)]), study.model, QUICK, [study.slides])
    return study


def test_a_simulated_session_is_a_real_one_and_says_what_it_is(study: Study) -> None:
    for folder in study.taught.iterdir():
        header = read_header(folder)
        assert header.origin == "simulated"
        assert header.reader == "simulated:drill"
        assert verify(folder).bad_line is None


def test_the_same_seed_reads_the_same_way(tmp_path: Path, sample_slide: Path) -> None:
    source = open_slide(sample_slide)
    logs = [
        (simulate_session(source, "random", 3, tmp_path) / "events.jsonl").read_bytes()
        for _ in range(2)
    ]
    other = simulate_session(source, "random", 4, tmp_path) / "events.jsonl"
    source.close()
    assert logs[0] == logs[1] != other.read_bytes()


def test_the_predictor_beats_the_baselines_on_slides_held_back(study: Study) -> None:
    predictor = Predictor(load_bundle(study.model))
    told = evaluate_predictor(predictor, list(study.held_back.iterdir()), [study.slides])
    assert (told.slides, told.sessions) == (2, 4)
    ours = told.figures["predictor"]
    for baseline in ("centre", "tissue", "random"):
        for measure in ("NSS", "AUC-Judd", "CC", "KL"):
            assert told.ahead[baseline][measure].mean > 0, (baseline, measure)
    assert told.ahead["density"]["KL"].mean > 0
    assert ours["NSS"].low <= ours["NSS"].mean <= ours["NSS"].high
    assert ours["recall@10 IoU"].mean > told.figures["random"]["recall@10 IoU"].mean


def test_the_bundle_says_who_taught_it(study: Study) -> None:
    about = load_bundle(study.model).description
    assert about.origins == ("simulated",)
    assert "10 sessions of simulated readers (drill) over 5 slides" in about.about
    assert not study.model.with_name("model.training").exists()


def test_the_engine_answers_as_the_predictor_does(study: Study) -> None:
    bundle = load_bundle(study.model)
    try_model(bundle)
    path = study.slides / "5.tif"
    run = run_model(path, bundle)
    assert isinstance(run.found, PatchFeatureMap)
    source = open_slide(path)
    expected = Predictor(bundle).expected(source)
    source.close()
    told = np.exp(run.found.values.astype(np.float32))
    assert (np.isnan(told[..., 0]) == np.isnan(expected.shares[0])).all()
    shares = np.moveaxis(told, 2, 0) / np.nansum(told)
    np.testing.assert_allclose(shares, expected.shares, rtol=0.02, atol=1e-6)
    heatmap = expected_heatmap(run.found, HeatmapStyle())
    assert heatmap is not None
    assert np.nanmax(heatmap.values) == 1


def test_proposals_have_the_size_of_the_readers_own_boxes(study: Study) -> None:
    bundle = load_bundle(study.model)
    predictor = Predictor(bundle)
    source = open_slide(study.slides / "6.tif")
    found = predictor.proposals(source, k=6)
    source.close()
    assert 3 <= len(found) <= 6
    sizes = dict(zip(predictor.magnifications, box_sizes_um(bundle), strict=True))
    for each in found:
        assert each.box.width == pytest.approx(sizes[each.magnification][0], rel=1e-4)
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)


def test_a_predictor_is_found_among_the_models(study: Study) -> None:
    add_model(study.model)
    assert find_predictor("where to look").bundle.name == "Where to look"
    with pytest.raises(BundleError, match="no predictor"):
        find_predictor("nobody")
    with pytest.raises(BundleError, match="does not tell where to look"):
        Predictor(load_bundle(BUNDLED / "nuclei"))


def test_people_and_programs_are_not_mixed_unasked(study: Study, tmp_path: Path) -> None:
    folders = sorted(study.taught.iterdir())
    person = tmp_path / "person"
    person.mkdir()
    header = msgspec.structs.replace(read_header(folders[0]), origin="recorded", reader="R1")
    write_header(person, header)
    (person / "events.jsonl").write_bytes((folders[0] / "events.jsonl").read_bytes())
    with pytest.raises(BehaviorError, match=r"1 of readers and .* not mixed"):
        train_predictor([person, *folders], tmp_path / "model", QUICK, [study.slides])
    assert not (tmp_path / "model").exists()
    mixed = TrainingOptions(epochs=1, variants=1, may_mix=True)
    trained = train_predictor([person, *folders], tmp_path / "model", mixed, [study.slides])
    assert trained.bundle.description.origins == ("recorded", "simulated")


def test_what_cannot_be_trained_on_is_told(study: Study, tmp_path: Path) -> None:
    with pytest.raises(BehaviorError, match="no sessions"):
        train_predictor([], tmp_path / "model", QUICK)
    with pytest.raises(BehaviorError, match="was not found"):
        train_predictor(sorted(study.taught.iterdir()), tmp_path / "model", QUICK)
    one = [study.slides / "0.tif"]
    with pytest.raises(BehaviorError, match="one slide alone"):
        train_predictor(sorted(study.taught.iterdir()), tmp_path / "model", QUICK, one)
    with pytest.raises(BehaviorError, match="holds a model already"):
        train_predictor(sorted(study.taught.iterdir()), study.model, QUICK, [study.slides])


def test_a_training_that_was_killed_ends_as_if_it_had_not_been(
    study: Study, tmp_path: Path
) -> None:
    out, slides = tmp_path / "model", [study.slides / f"{number}.tif" for number in range(2)]
    names = {slide_key(path) for path in slides}
    folders = [each for each in study.taught.iterdir() if read_header(each).slide.identity in names]
    command = [
        sys.executable, "-c", "from viewer.cli import main; main()", "train", "behavior",
        *map(str, folders), "--slides", str(study.slides), "-o", str(out), "--epochs", "15",
        "--patience", "25", "--seed", "1", "--threads", "1",
    ]  # fmt: skip
    along = ("viewer.attention.training", "torch._dynamo")
    training = forked_programs.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, along=along
    )
    checkpoint = tmp_path / "model.training" / "checkpoint.safetensors"
    until_s = time.monotonic() + 100
    while not checkpoint.exists():
        assert training.poll() is None
        assert time.monotonic() < until_s
        time.sleep(0.02)
    training.send_signal(signal.SIGKILL)
    training.wait()
    assert not out.exists()
    done = forked_programs.run([*command, "--json"], capture_output=True, check=True, along=along)
    told = msgspec.json.decode(done.stdout)
    assert 0 < told["taken_up_at"] < told["epochs"] == 15
    whole = tmp_path / "whole"
    options = TrainingOptions(epochs=15, patience=25, seed=1)
    train_predictor(session_folders([*map(str, folders)]), whole, options, [study.slides])
    resumed = load_file(out / "weights.safetensors")
    for name, value in load_file(whole / "weights.safetensors").items():
        assert torch.equal(value, resumed[name]), name


def test_an_agent_goes_where_the_predictor_says_and_its_walk_replays(
    study: Study, tmp_path: Path
) -> None:
    add_model(study.model)
    proposer = trained_proposer("where to look")
    slide = study.slides / "6.tif"
    script = [
        Say("Tissue."),
        Say('{"label": "Dense", "text": "Many nuclei."}'),
        Say('{"label": "Loose", "text": "Few nuclei."}'),
        Say('{"text": "It is painted.", "claims": [{"text": "Dense", "region": 1}]}'),
    ]
    with model_server(script) as server, bench(slide, tmp_path) as at:
        wanted = proposer.propose(at.microscope.source, at.microscope.optics, 2)
        policy = PredictorPolicy(client(server, at.session), proposer, regions=2)
        outcome = AgentRun(policy, at.microscope, at.tools, Task("What is it?")).run()
        session = at.session
    assert outcome.failure == ""
    assert [visit.magnification for visit in outcome.visits] == pytest.approx(
        [each.magnification for each in wanted]
    )
    middles = [each.box.center for each in wanted]
    looked_at = [Box(*action.box).center for action in actions_of(load_trace(session))]
    gone_to = [Box(*visit.box).center for visit in outcome.visits]
    np.testing.assert_allclose(gone_to, middles, atol=0.2)
    np.testing.assert_allclose(looked_at[-2:], middles, atol=0.2)
    assert read_header(session).origin == "agent"
