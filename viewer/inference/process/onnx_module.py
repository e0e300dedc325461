"""A network in ONNX, run by onnxruntime (the extra `coverslip[onnx]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from viewer.inference.models.bundle import BundleError
from viewer.inference.process.outputs import joined
from viewer.inference.tasks.known import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.process.typed_onnxruntime import Session

_KINDS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_AXES = 4


class OnnxModule(nn.Module):
    """Fed (n, 3, h, w) normalized, as the model asks for it.

    The outputs that `outputs` names count, or the first.

    A fixed number of images at a time, channels last, 16-bit floats and 8-bit integers are what
    a model may ask for: it gets them.

    Raises
    ------
    BundleError
        onnxruntime is not here, cannot read the weights, or the model asks for something else.
    """

    def __init__(self, bundle: ModelBundle, device: torch.device) -> None:
        super().__init__()
        about = bundle.description
        self._session = onnx_session(bundle, device)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs)
            raise BundleError(
                f"{about.name} takes {len(inputs)} inputs ({names}): export it with one, the image."
            )
        self._input: str = inputs[0].name
        self._outputs = _outputs(about, [each.name for each in self._session.get_outputs()])
        self._kind = _kind(about, str(inputs[0].type))
        shape = [each if isinstance(each, int) else None for each in inputs[0].shape]
        self._is_channels_last = _is_channels_last(about, shape)
        self._most = shape[0]
        _check_side(about, shape[1:3] if self._is_channels_last else shape[2:])
        self._whole = 255 if about.input.scaling == "0-1" else 1
        place = (1, 3, 1, 1)
        self._mean = np.array(about.normalization.mean, np.float32).reshape(place)
        self._std = np.array(about.normalization.std, np.float32).reshape(place)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        images = self._as_asked(x.contiguous().cpu().numpy())
        parts: list[list[NDArray[Any]]] = []
        for batch, count in self._batches(images):
            answers = self._session.run(self._outputs, {self._input: batch})
            parts.append([np.asarray(each)[:count] for each in answers])
        whole = [np.concatenate(each).astype(np.float32) for each in zip(*parts, strict=True)]
        return torch.as_tensor(joined([self._as_expected(each) for each in whole]))

    def raw(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return all outputs for an input just as it is."""
        answers = self._session.run(None, {self._input: images.astype(self._kind)})
        return [np.asarray(each).astype(np.float32) for each in answers]

    def _as_expected(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an output with its channels first, and without sides of one pixel."""
        if self._is_channels_last and answers.ndim == _AXES:
            answers = np.ascontiguousarray(answers.transpose(0, 3, 1, 2))
        if answers.ndim == _AXES and answers.shape[2:] == (1, 1):
            answers = answers[..., 0, 0]
        return answers

    def _as_asked(self, images: NDArray[np.float32]) -> NDArray[Any]:
        if self._kind is np.uint8:
            images = np.rint((images * self._std + self._mean) * self._whole).clip(0, 255)
        if self._is_channels_last:
            images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        return images.astype(self._kind)

    def _batches(self, images: NDArray[Any]) -> Iterator[tuple[NDArray[Any], int]]:
        """Yield as many images as the model takes at a time, and how many of them are real."""
        most = self._most or len(images)
        for first in range(0, len(images), most):
            batch = images[first : first + most]
            missing = 0 if self._most is None else most - len(batch)
            yield np.pad(batch, ((0, missing), *[(0, 0)] * (batch.ndim - 1))), len(batch)


def onnx_runs_on(kind: str) -> bool:
    """Return whether the onnxruntime that is installed computes on a kind of device."""
    try:
        from viewer.inference.process.typed_onnxruntime import available_providers
    except ImportError:
        return True  # that it is missing is said where the model is loaded
    return _PROVIDERS.get(kind, "") in available_providers()


def onnx_session(bundle: ModelBundle, device: torch.device, file: str = "") -> Session:
    """Return a session of the weights, or of another file of a bundle.

    Raises
    ------
    BundleError
        onnxruntime is not here, or cannot read it.
    """
    about = bundle.description
    try:
        from viewer.inference.process.typed_onnxruntime import loaded
    except ImportError:
        raise BundleError(
            f"{about.name} is an ONNX model: install onnxruntime (pip install coverslip[onnx])."
        ) from None
    data = bundle.data_bytes()
    weights = data[file] if file else bundle.weights_path.read_bytes()
    own = () if about.words is None else about.words.files
    beside = {name: held for name, held in data.items() if name not in own}
    providers = [_PROVIDERS[kind] for kind in dict.fromkeys((device.type, "cpu"))]
    try:
        session = loaded(weights, beside, providers, torch.get_num_threads())
    except Exception as error:  # onnxruntime's errors have no common base
        first = str(error).splitlines()[0]
        if "external" in str(error).casefold():
            raise BundleError(
                f"{file or about.weights} of {about.name} keeps tensors in a file beside it: name "
                'the file and its checksum in model.json, "data": {"FILE": "SHA-256"}, or save the '
                "model as one file."
            ) from error
        what = f"{file} of {about.name} is" if file else f"The weights of {about.name} are"
        raise BundleError(f"{what} no ONNX model: {first}") from error
    if providers[0] not in session.get_providers():  # it only warns where a library is missing
        raise RuntimeError(f"onnxruntime could not start {device.type.upper()}")
    return session


def _outputs(about: ModelDescription, known: list[str]) -> list[str]:
    """Return the names of the outputs that count, which may be given by their place."""
    places = {str(place): name for place, name in enumerate(known)}
    wanted = [each if each in known else places.get(each, each) for each in about.outputs]
    if missing := [name for name in wanted if name not in known]:
        raise BundleError(
            f"{about.name} has no output {missing[0]}: its outputs are {', '.join(known)}."
        )
    has_parts = TASKS[about.task].is_map or about.decoder not in ("coverslip", "labels")
    if has_parts and not about.outputs and len(known) > 1:
        raise BundleError(
            f"{about.name} has several outputs ({', '.join(known)}): name those that count, in "
            "their order, as outputs in model.json."
        )
    return wanted or known[:1]


def _kind(about: ModelDescription, told: str) -> Any:
    kind = _KINDS.get(told)
    if kind is None:
        raise BundleError(
            f"{about.name} takes {told}: export it for images of float32, float16 or uint8."
        )
    if kind is np.uint8 and about.input.scaling in ("percentiles", "standard"):
        raise BundleError(
            f"{about.name} takes images of 8-bit integers, which cannot be scaled before."
        )
    if kind is np.uint8 and about.normalization != type(about.normalization)():
        raise BundleError(
            f"{about.name} takes images of 8-bit integers and normalizes them itself: leave "
            "normalization out of model.json."
        )
    return kind


def _is_channels_last(about: ModelDescription, shape: list[int | None]) -> bool:
    if len(shape) == _AXES and shape[1] in (3, None):
        return shape[1] is None and shape[3] == 3
    if len(shape) == _AXES and shape[3] == 3:
        return True
    text = " x ".join("any" if each is None else str(each) for each in shape)
    raise BundleError(
        f"{about.name} takes {text} numbers: export it for images n x 3 x h x w or n x h x w x 3."
    )


def _check_side(about: ModelDescription, sides: list[int | None]) -> None:
    name = "patch_px" if about.input.resize_px is None else "resize_px"
    fed_px = about.input.resize_px or about.patch_px
    fixed = [side for side in sides if side is not None and side != fed_px]
    if fixed and TASKS[about.task].is_square:
        raise BundleError(
            f"{about.name} takes images of {fixed[0]} px, and model.json says {name} {fed_px}: "
            "make them the same."
        )
