"""A bundle's weights as a network on a device, and what it says to a batch of pictures."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from viewer.inference.errors import DeviceFullError, ModelFailedError
from viewer.inference.heads import head_complaint
from viewer.inference.loading import first_line, load_module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.bundle import Head, ModelBundle
    from viewer.slides.source import RgbImage


_CUDA_BATCH = 16
"""Blocks."""
_PALE = 128
"""Noise from here to white is as bright as tissue."""
NO_ROOM = (
    "The device has too little memory for a single field of this model: choose another device."
)


def has_answer(answers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for which of n images (n, ...) all numbers of the answer are finite."""
    return np.all(np.isfinite(answers).reshape(len(answers), -1), axis=1)


def choose_device(wanted: str = "auto") -> torch.device:
    """The device by name, or the fastest that is here."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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
        self._module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stubs lack it
        about = bundle.description
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(about.normalization.mean).view(shape).to(device) * 255
        self._factor = 1 / (torch.tensor(about.normalization.std).view(shape).to(device) * 255)
        self._patch_px, self._stride_px = about.patch_px, about.stride
        self._task, self._classes = about.task, len(about.classes)
        self._head: Head = about.head

    @property
    def batch(self) -> int:
        """How many blocks at a time suit the device."""
        return _CUDA_BATCH if self.device.type == "cuda" else 1

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
            raise ModelFailedError(
                f"The model {self._name} answered with numbers that are not finite."
            )
        if self._task == "classification" and (complaint := head_complaint(self._head, answers)):
            raise ModelFailedError(f"The model {self._name} {complaint}.")

    def _probes(self) -> list[RgbImage]:
        """Two images of noise where the head is to be seen, dark and pale, else one."""
        noise = np.random.default_rng(0)
        shape = (self._patch_px, self._patch_px, 3)
        darkest = (0, _PALE) if self._task == "classification" else (0,)
        return [noise.integers(each, 256, shape, np.uint8) for each in darkest]

    def answers(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """What the model says of n pictures, uint8 (height, width, 3).

        Returns
        -------
        Logits (n, 3, height, width) of instances, logits (n, classes), embeddings (n, d), or
        attention (n, classes, rows, columns) for each place that the patch fits. NaN and infinity
        are no answers (`has_answer`).

        Raises
        ------
        ModelFailedError
            The model raised, or gave another shape.
        DeviceFullError
            The batch is too large for the device.
        """
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        is_cuda = self.device.type == "cuda"
        if is_cuda:
            batch = batch.pin_memory()
        mixed = torch.autocast("cuda", dtype=torch.bfloat16) if is_cuda else nullcontext()
        try:
            with torch.inference_mode(), mixed:
                batch = batch.to(self.device, non_blocking=True).float()
                batch = ((batch - self._mean) * self._factor).contiguous(
                    memory_format=torch.channels_last
                )
                logits = self._module(batch)
        except Exception as error:  # a model may raise anything
            if _is_device_full(error):
                raise DeviceFullError(first_line(error)) from error
            raise ModelFailedError(f"The model {self._name} failed: {first_line(error)}") from error
        self._check(logits, len(pictures), *pictures[0].shape[:2])
        return logits.float().cpu().numpy()

    def _places(self, side_px: int) -> int:
        """How many patches lie along a side, a stride apart."""
        return (side_px - self._patch_px) // self._stride_px + 1

    def free_memory(self) -> None:
        """Gives back what the device keeps for later."""
        match self.device.type:
            case "cuda":
                torch.cuda.empty_cache()
            case "mps":
                torch.mps.empty_cache()
            case _:
                pass

    def _check(self, answer: object, count: int, height_px: int, width_px: int) -> None:
        expected: dict[str, tuple[int | str, ...]] = {
            "instances": (count, 3, height_px, width_px),
            "classification": (count, self._classes),
            "embedding": (count, "any"),
            "attention": (count, self._classes, self._places(height_px), self._places(width_px)),
        }
        wanted = expected[self._task]
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else ()
        fits = len(shape) == len(wanted) and all(
            is_ == should or should == "any" for is_, should in zip(shape, wanted, strict=True)
        )
        if not isinstance(answer, torch.Tensor) or not fits:
            said = shape or type(answer).__name__
            raise ModelFailedError(
                f"The model {self._name} answered with {said} where {wanted} was expected."
            )


_FULL = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate")
"""As CUDA and MPS, the CPU on Linux and on Windows, and ONNX say it; scripts tell only the text."""


def _is_device_full(error: Exception) -> bool:
    reason = str(error).lower()
    is_memory_error = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return is_memory_error or any(words in reason for words in _FULL)
