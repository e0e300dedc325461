"""A bundle's weights as a network on a device, and what it says to a batch of pictures."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from viewer.inference.architectures.vision_transformer import VisionTransformer
from viewer.inference.errors import DeviceFullError, ModelFailedError, NotFiniteError
from viewer.inference.process.loading import first_line, load_module
from viewer.inference.process.onnx_module import OnnxModule, onnx_runs_on
from viewer.inference.process.outputs import named_outputs
from viewer.inference.steps.probing import check_answers
from viewer.inference.tasks.instances import takes_any_size
from viewer.inference.tasks.known import TASKS
from viewer.typed.torch import channels_last
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.process.words_messages import EncodedWords
    from viewer.slides.source import RgbImage


_CUDA_BATCH = 16
"""Blocks."""
_LEAST_SPAN = 1.0
"""Of the values (0 to 255) of a channel: one without contrast is not blown up."""
_PROBE_PX = 320
"""Side of noise for networks that take any size; one twice as large tells no more."""
_PALE = 128
"""Noise from here to white is as bright as tissue."""
NO_ROOM = (
    "The device has too little memory for a single field of this model: choose another device."
)


def has_answer(answers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for which of n images (n, ...) all numbers of the answer are finite."""
    return np.all(np.isfinite(answers).reshape(len(answers), -1), axis=1)


def choose_device(
    wanted: str = "auto", *, falls_back: bool = False, form: str = "safetensors"
) -> torch.device:
    """Return the device of a name, or the fastest that is here and that runs the weights' format.

    With `falls_back` a device that is not here is replaced by the CPU.

    Raises
    ------
    RuntimeError
        onnxruntime does not know the device; of torch's formats torch itself says so at first use.
    """
    if wanted == "auto":
        found = next((kind for kind in ("cuda", "mps") if _is_here(kind, form)), "cpu")
        return torch.device(found)
    device = torch.device(wanted)
    if _is_here(device.type, form):
        return device
    if falls_back:
        return torch.device("cpu")
    if form == "onnx" and not onnx_runs_on(device.type):
        raise RuntimeError(f"the installed onnxruntime has no {device.type.upper()}")
    return device


def _is_here(kind: str, form: str) -> bool:
    kinds = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    return kinds.get(kind, lambda: True)() and (form != "onnx" or onnx_runs_on(kind))


class Network:
    """A model ready to be fed.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says.
    """

    def __init__(self, bundle: ModelBundle, device: torch.device) -> None:
        self._name = bundle.description.name
        self.device = device
        module = load_module(bundle, device)
        self._module = channels_last(module)
        about = bundle.description
        shape = (1, 3, 1, 1)
        self._about = about
        self._norm_mean = torch.tensor(about.normalization.mean).view(shape).to(device)
        self._norm_std = torch.tensor(about.normalization.std).view(shape).to(device)
        self.forget_ranges()
        self._kind = TASKS[about.task]
        # ONNX gives what is named by itself.
        self._named = () if about.format == "onnx" else about.outputs
        self._with_words = bundle if about.words is not None else None

    @property
    def module(self) -> torch.nn.Module:
        """Return the network itself, which takes what `normalized` gives."""
        return self._module

    def normalized(self, batch: torch.Tensor) -> torch.Tensor:
        """Return pictures (n, 3, height, width) of 0 to 255 as the network takes them."""
        fed = ((batch - self._mean) * self._factor).contiguous(memory_format=torch.channels_last)
        return fed.flip(1) if self._about.input.channels == "bgr" else fed

    @property
    def batch(self) -> int:
        """Return how many blocks at a time suit the device; windows are a batch of their own."""
        return _CUDA_BATCH if self.device.type == "cuda" and not self._kind.overlaps else 1

    def set_ranges(self, ranges: Sequence[tuple[float, float]]) -> None:
        """Feed from now on by the low and high value of each channel of a slide (0 to 255)."""
        shape = self._norm_mean.shape
        low, high = (
            torch.tensor(each).view(shape).to(self.device) for each in zip(*ranges, strict=True)
        )
        span = (high - low).clamp(min=_LEAST_SPAN)
        self._mean, self._factor = low + self._norm_mean * span, 1 / (self._norm_std * span)

    def forget_ranges(self) -> None:
        """Feed from now on by the whole range of values, as at first."""
        whole = 1 if self._about.input.scaling == "0-255" else 255
        self._mean, self._factor = self._norm_mean * whole, 1 / (self._norm_std * whole)

    def warm_up(self) -> None:
        """Feed noise, so that the first real image is not the slow one, and see what comes back.

        Raises
        ------
        ModelFailedError
            The model does not work, or gives no finite number for any of it.
        """
        try:
            answers = self.answers(self._probes())
        except DeviceFullError:
            raise ModelFailedError(NO_ROOM) from None
        answers = answers[has_answer(answers)]
        if not len(answers):
            raise NotFiniteError(self._name)
        check_answers(self._about, answers)

    def try_words(self) -> None:
        """Encode a word, of a model that takes words. Raises as `encoded_words` does."""
        if self._with_words is not None:
            self.encoded_words(["tissue"])

    def _probes(self) -> list[RgbImage]:
        """Return two images of noise where the head is to be seen, dark and pale, else one."""
        noise = np.random.default_rng(0)
        side = self._about.patch_px
        if takes_any_size(self._about) and _PROBE_PX <= side <= 2 * _PROBE_PX:
            side = _PROBE_PX  # glass in the middle of a field waits for it
        shape = (side, side, 3)
        darkest = (0, _PALE) if self._kind.has_head else (0,)
        return [noise.integers(each, 256, shape, np.uint8) for each in darkest]

    def answers(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Return what the model says of n pictures, uint8 (height, width, 3).

        Returns
        -------
        What `TaskKind.shape` says, such as logits (n, classes). NaN and infinity are no answers
        (`has_answer`).

        Raises
        ------
        ModelFailedError
            The model raised, or gave another shape.
        DeviceFullError
            The batch is too large for the device.
        """
        batch = torch.as_tensor(np.stack(self._fed(pictures))).permute(0, 3, 1, 2)
        is_cuda = self.device.type == "cuda"
        if is_cuda:
            batch = batch.pin_memory()
        is_mixed = is_cuda and self._about.decoder != "labels"  # which are exact numbers
        mixed = torch.autocast("cuda", dtype=torch.bfloat16) if is_mixed else nullcontext()
        try:
            with torch.inference_mode(), mixed:
                batch = batch.to(self.device, non_blocking=True).float()
                logits = named_outputs(self._module(self.normalized(batch)), self._named)
        except ModelFailedError:
            raise
        except Exception as error:  # a model may raise anything
            if _is_device_full(error):
                raise DeviceFullError(first_line(error)) from error
            raise ModelFailedError(f"The model {self._name} failed: {first_line(error)}") from error
        if isinstance(logits, torch.Tensor) and logits.ndim == 3 and self._about.head == "indices":
            logits = logits.unsqueeze(1)
        answer = self._check(logits, len(pictures), *pictures[0].shape[:2])
        return answer.float().cpu().numpy()

    def integrated_gradients(
        self, picture: RgbImage, index: int, steps: int
    ) -> NDArray[np.float32] | None:
        """Return how much each pixel (height, width) speaks for a class; None without gradients.

        The gradients of its number are integrated on the way from a picture of the mean color.
        """
        if self._about.format == "onnx":
            return None
        (fed,) = self._fed([picture])
        whole = torch.as_tensor(np.ascontiguousarray(fed)).permute(2, 0, 1)[None].float()
        plain = whole.mean((2, 3), keepdim=True).expand_as(whole)
        shares = (torch.arange(steps) + 0.5).view(-1, 1, 1, 1) / steps
        way = (plain + (whole - plain) * shares).to(self.device)
        way = ((way - self._mean) * self._factor).requires_grad_()
        try:
            given = way.flip(1) if self._about.input.channels == "bgr" else way
            answers = named_outputs(self._module(given), self._named)
            assert isinstance(answers, torch.Tensor)
            (slopes,) = torch.autograd.grad(answers[:, index].sum(), way)
        except (RuntimeError, AssertionError):
            return None
        span = (whole - plain).to(self.device) * self._factor
        found = (slopes.mean(0, keepdim=True) * span).sum(1)[0].float().cpu().numpy()
        if found.shape != picture.shape[:2]:
            size = picture.shape[1::-1]
            found = np.asarray(Image.fromarray(found).resize(size, Image.Resampling.BOX))
        return found if np.isfinite(found).all() else None

    def roll_out(self, picture: RgbImage) -> NDArray[np.float32] | None:
        """Return how much each patch of a picture is attended to, (1 + heads, rows, columns).

        The first is the roll-out of all heads. None where the network does not give its attention.
        """
        if not isinstance(self._module, VisionTransformer) or self._module.merge:
            return None
        batch = torch.as_tensor(np.stack(self._fed([picture]))).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found = self._module.roll_out(self.normalized(batch.to(self.device).float()))
        answer = found.float().cpu().numpy()
        return answer if np.isfinite(answer).all() else None

    def encoded_words(self, phrases: Sequence[str]) -> EncodedWords:
        """Return the vectors of phrases, of a model that takes words.

        Raises
        ------
        BundleError
            Its tokenizer cannot be used.
        ModelFailedError
            It gives nothing for the words.
        """
        from viewer.inference.process.words import WordsTower

        assert self._with_words is not None
        assert self._about.words is not None
        length = None
        if self._about.words.weights:
            length = self.answers(self._probes()[:1]).shape[1]
        return WordsTower(self._with_words, self._module).encoded(phrases, length)

    def raw(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return all outputs of the network for an input just as it is.

        Raises
        ------
        ModelFailedError
            The model raised.
        """
        try:
            with torch.inference_mode():
                if isinstance(self._module, OnnxModule):
                    return self._module.raw(images)
                answer: object = self._module(torch.as_tensor(images).to(self.device))
        except Exception as error:  # a model may raise anything
            raise ModelFailedError(f"The model {self._name} failed: {first_line(error)}") from error
        parts = list(answer.values()) if is_mapping(answer) else answer
        found = parts if is_sequence(parts) else [parts]
        tensors = [each for each in found if isinstance(each, torch.Tensor)]
        return [each.float().cpu().numpy() for each in tensors]

    def _fed(self, pictures: Sequence[RgbImage]) -> Sequence[RgbImage]:
        """Return the pictures at the size that the model takes."""
        asked = self._about.input
        if asked.resize_px is None:
            return pictures
        side, by = (asked.resize_px, asked.resize_px), Image.Resampling[asked.resize_by.upper()]
        return [np.asarray(Image.fromarray(each).resize(side, by)) for each in pictures]

    def free_memory(self) -> None:
        """Give back what the device keeps for later."""
        match self.device.type:
            case "cuda":
                torch.cuda.empty_cache()
            case "mps":
                torch.mps.empty_cache()
            case _:
                pass

    def _check(self, answer: object, count: int, height_px: int, width_px: int) -> torch.Tensor:
        wanted = self._kind.shape(self._about, count, height_px, width_px)
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else ()
        fits = len(shape) == len(wanted) and all(
            is_ == should or isinstance(should, str)
            for is_, should in zip(shape, wanted, strict=True)
        )
        if not isinstance(answer, torch.Tensor) or not fits:
            raise ModelFailedError(
                f"The model {self._name} answered with {shape or _in_words(answer)} where {wanted} "
                f"was expected{self._kind.shape_advice(self._about, shape, wanted)}."
            )
        return answer


def _in_words(answer: object) -> str:
    if is_mapping(answer):
        return f"outputs named {', '.join(map(str, answer))}"
    if is_sequence(answer):
        return f"{len(answer)} outputs"
    return type(answer).__name__


_FULL = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate")
"""As CUDA and MPS, the CPU on Linux and on Windows, and ONNX say it; scripts tell only the text."""


def _is_device_full(error: Exception) -> bool:
    reason = str(error).lower()
    is_memory_error = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return is_memory_error or any(words in reason for words in _FULL)
