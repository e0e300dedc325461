"""The test of recorded behavior: its protocol is sound, and all of it runs, in small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from training.evidence import __main__ as evidence
from training.evidence.fields import fields_of, first_found, share_inside
from training.evidence.figures import write_figures
from training.evidence.measuring import loaded_head, spread_of
from training.evidence.preparing import prepare
from training.evidence.protocol import SPLITS, Protocol, load_protocol
from training.evidence.slides import hidden_mask, mask_path
from training.evidence.tables import tables, verdict
from viewer.attention.predictor import Predictor
from viewer.geometry import Box
from viewer.inference.models.bundle import load_bundle
from viewer.slides import open_slide


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol()


def test_no_tile_serves_two_splits(protocol: Protocol) -> None:
    for tissue, tiles in protocol.tiles.items():
        files = [file for split in SPLITS for file in tiles[split]]
        assert all(tiles[split] for split in SPLITS), tissue
        assert len(set(files)) == len(files), tissue


def test_two_hundred_slides_each_with_another_tissue_hidden(protocol: Protocol) -> None:
    assert [len(protocol.of(split)) for split in SPLITS] == [100, 40, 60]
    assert len({slide.seed for slide in protocol.slides}) == 200
    for slide in protocol.slides:
        assert slide.hidden not in slide.tissues
        assert {slide.hidden, *slide.tissues} <= protocol.tiles.keys()


def test_fields_of_all_maps_have_one_area_and_do_not_overlap(protocol: Protocol) -> None:
    rng = np.random.default_rng(0)
    for values in (rng.random((36, 48)), np.ones((36, 48)), np.eye(36, 48)):
        fields = fields_of(values, 64.0, 10, protocol)
        assert {(box.width, box.height) for box in fields} == {protocol.field_um}
        for index, box in enumerate(fields):
            assert Box(0, 0, *protocol.size_px).intersection(box) == box
            assert all(box.intersection(other).is_empty for other in fields[:index])


def test_the_first_field_holds_the_most_and_finds_what_lies_in_it(protocol: Protocol) -> None:
    values = np.zeros((36, 48))
    values[10:13, 20:25] = 1
    (field,) = fields_of(values, 64.0, 1, protocol)
    assert share_inside(values, 64.0, [field], protocol) == pytest.approx(1, abs=0.05)
    hidden = np.zeros((144, 192), bool)
    hidden[40:52, 80:100] = True
    away = Box(0, 0, *protocol.field_um)
    assert first_found(hidden, [away, field], protocol) == 2
    assert first_found(hidden, [away], protocol) is None


@pytest.mark.timeout(900)
def test_all_of_it_runs_in_small_and_opens_the_held_back_slides_once(
    protocol: Protocol,
    shared_slide: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiles = shared_slide("tiles")
    slides = [*protocol.of("train")[:3], *protocol.of("held-back")[:2]]
    small = msgspec.structs.replace(
        protocol, slides=slides, size_px=(1536, 1152), areas=(1, 2), agent_regions=2,
        curve_slides=(2,), curve_seeds=(1,), epochs=1, resamples=50,
    )  # fmt: skip
    monkeypatch.setattr(evidence, "load_protocol", lambda: small)
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))
    threads = torch.get_num_threads()
    monkeypatch.setattr("sys.argv", ["evidence", str(tiles.parent), str(tmp_path),
                                     "--open-held-back"])  # fmt: skip
    try:
        evidence.main()
        with pytest.raises(SystemExit, match="opened already"):
            evidence.main()
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "held-back, 2 slides" in printed
    assert "The test was " in printed
    results = msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=evidence.Results)
    assert tables(results) in printed
    assert verdict(results) in printed
    assert results.areas[2] == 2 * results.areas[1]
    assert set(results.proposals) == {"other", "border", "pattern", "kind", "drill"}
    drawings = write_figures(results, tmp_path / "again")
    kept = [(tmp_path / "figures" / path.name).read_text() for path in drawings]
    assert kept == [path.read_text() for path in drawings]
    for path in (tmp_path / "slides" / "held-back").glob("*.tif"):
        share = hidden_mask(path).mean()
        assert 0.01 < share < 0.12, mask_path(path)
    _check_the_predictor_in_its_process_agrees(tmp_path, small, tiles)


def _check_the_predictor_in_its_process_agrees(work: Path, small: Protocol, tiles: Path) -> None:
    slide = prepare(small, "held-back", tiles, work)[0]
    folder = work / "models" / "other"
    here = spread_of(loaded_head(folder), slide)
    source = open_slide(slide.path)
    try:
        there = Predictor(load_bundle(folder)).expected(source)
    finally:
        source.close()
    answered = there.shares[:, slide.known]
    np.testing.assert_allclose(here[:, slide.known], answered / answered.sum(), rtol=0.03)
