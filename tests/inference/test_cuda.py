"""Models on a CUDA device: nearly the same answers as on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from viewer.geometry import Box
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import BUNDLED
from viewer.inference.process.network import Network
from viewer.inference.runs.running import run_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


def test_mixed_precision_answers_nearly_as_the_cpu() -> None:
    bundle = load_bundle(BUNDLED / "nuclei")
    rng = np.random.default_rng(0)
    side = bundle.description.patch_px
    pictures = [rng.integers(0, 255, (side, side, 3), np.uint8) for _ in range(2)]
    on_cpu = Network(bundle, torch.device("cpu")).answers(pictures)
    on_gpu = Network(bundle, torch.device("cuda")).answers(pictures)
    agree = (on_cpu[:, 0] > 0) == (on_gpu[:, 0] > 0)
    assert agree.mean() > 0.98


def test_the_same_nuclei_are_found(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(900, 900, 1900, 1900)
    bundle = load_bundle(BUNDLED / "nuclei")
    on_gpu = run_model(sample_slide, bundle, box, device="cuda")
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "other"))
    on_cpu = run_model(sample_slide, bundle, box, device="cpu")
    assert on_gpu.device.startswith("cuda")
    assert len(on_gpu.objects()) == pytest.approx(len(on_cpu.objects()), rel=0.03)
