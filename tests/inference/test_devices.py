"""Which device a model runs on where the one that was asked for is not here."""

from __future__ import annotations

import onnxruntime
import pytest
import torch

from viewer.inference.process.network import choose_device


def test_the_window_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cuda", falls_back=True).type == "cpu"
    assert choose_device("cuda:1", falls_back=True).type == "cpu"
    assert choose_device("cpu", falls_back=True).type == "cpu"
    assert choose_device("cuda").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cuda:1", falls_back=True) == torch.device("cuda:1")


def test_an_onnx_model_is_not_said_to_run_where_onnxruntime_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert choose_device("auto", form="onnx").type == "cpu"
    assert choose_device("cuda", falls_back=True, form="onnx").type == "cpu"
    with pytest.raises(RuntimeError, match="the installed onnxruntime has no CUDA"):
        choose_device("cuda", form="onnx")
    assert choose_device("auto").type == "cuda"
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    assert choose_device("auto", form="onnx").type == "cuda"
