"""A network in ONNX, run by onnxruntime (the extra `coverslip[onnx]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from viewer.inference.bundle import BundleError

if TYPE_CHECKING:
    from viewer.inference.bundle import ModelBundle


class OnnxModule(nn.Module):
    """One input (n, 3, h, w), the first output counts.

    Raises
    ------
    BundleError
        onnxruntime is not here, or cannot read the weights.
    """

    def __init__(self, bundle: ModelBundle, device: torch.device) -> None:
        super().__init__()
        name = bundle.description.name
        try:
            import onnxruntime
        except ImportError:
            raise BundleError(
                f"{name} is an ONNX model: install onnxruntime (pip install coverslip[onnx])."
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
        known = onnxruntime.get_available_providers()
        providers = [each for each in wanted if each in known] + ["CPUExecutionProvider"]
        try:
            self._session: Any = onnxruntime.InferenceSession(
                bundle.weights_path.read_bytes(), options, providers=providers
            )
        except Exception as error:  # onnxruntime's errors have no common base
            first = str(error).splitlines()[0]
            raise BundleError(f"The weights of {name} are no ONNX model: {first}") from error
        self._input = self._session.get_inputs()[0].name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (answer, *_) = self._session.run(None, {self._input: x.contiguous().cpu().numpy()})
        return torch.from_numpy(answer)
