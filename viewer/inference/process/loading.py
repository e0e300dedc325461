"""A bundle's weights as a torch module; nothing is unpickled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from viewer.inference.architectures import ARCHITECTURES
from viewer.inference.architectures.nuclei_unet import NucleiUNet
from viewer.inference.architectures.slide_models import SLIDE_ARCHITECTURES
from viewer.inference.architectures.vision_transformer import VisionTransformer
from viewer.inference.models.bundle import BundleError, check_weights
from viewer.inference.process.onnx_module import OnnxModule
from viewer.inference.tasks.instances import feature_maps
from viewer.inference.tasks.known import TASKS
from viewer.typed.safetensors import load_tensors
from viewer.typed.torch import load_script

if TYPE_CHECKING:
    import torch

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.description import ModelDescription


def load_module(bundle: ModelBundle, device: torch.device) -> torch.nn.Module:
    """Return the module on a device, ready to be fed.

    Raises
    ------
    BundleError
        The weights do not fit what model.json says.
    """
    check_weights(bundle)
    about = bundle.description
    match about.format:
        case "onnx":
            return OnnxModule(bundle, device)
        case "torchscript":
            module = _load_script(bundle)
        case "safetensors":
            module = _load_tensors(bundle)
    return module.eval().to(device)


_SCRIPT_FAILED = "The following operation failed in the TorchScript interpreter"


def first_line(error: Exception) -> str:
    """Return what an error of a model says, short enough for a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith(_SCRIPT_FAILED):
        lines = lines[-1:]  # after the place in its program comes what went wrong
    return (" ".join(lines[:2]) if lines else type(error).__name__)[:300]


def _load_script(bundle: ModelBundle) -> torch.nn.Module:
    try:
        return load_script(bundle.weights_path)
    except Exception as error:  # the loader raises whatever its parser does
        about = bundle.description
        raise BundleError(
            f"{about.weights} of {about.name} is no TorchScript: {first_line(error)}"
        ) from error


def _load_tensors(bundle: ModelBundle) -> torch.nn.Module:
    about = bundle.description
    module = _empty(about)
    if isinstance(module, NucleiUNet):
        module.gives_features = feature_maps(about) > 0
    try:
        module.load_state_dict(load_tensors(bundle.weights_path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise BundleError(
            f"The weights of {about.name} do not fit {about.architecture}: {_misfit(error)}"
        ) from error
    return module


_OTHER_SIZE = re.compile(
    r"size mismatch for (\S+):.*?Size\(\[([\d, ]*)\]\).*?Size\(\[([\d, ]*)\]\)", re.DOTALL
)
_NAMES = re.compile(r'(Missing|Unexpected) key\(s\) in state_dict: "(.+?)"')


def _misfit(error: Exception) -> str:
    """Return how weights differ from an architecture, of torch's own account of it."""
    if found := _OTHER_SIZE.search(str(error)):
        name, own, wanted = found[1], *(each.replace(", ", " x ") for each in found.groups()[1:])
        return (
            f"{name} holds {own} numbers where {wanted} are expected: settings in model.json are "
            "not those of the weights."
        )
    if found := _NAMES.search(str(error)):
        verb = "lack" if found[1] == "Missing" else "hold, beside what is expected,"
        return (
            f"they {verb} {found[2]}: architecture or settings in model.json are not those of the "
            "weights."
        )
    return first_line(error)


def _empty(about: ModelDescription) -> torch.nn.Module:
    """Return the architecture without its weights."""
    known = SLIDE_ARCHITECTURES if TASKS[about.task].asks_for == "slide" else ARCHITECTURES
    architecture = known.get(about.architecture or "")
    if architecture is None:
        raise BundleError(
            f'{about.name} names the architecture "{about.architecture}"; known are '
            f"{', '.join(known)}."
        )
    sizes = () if about.encoder is None else (about.encoder.length, len(about.classes))
    settings = about.settings
    if TASKS[about.task].explains == "tile" and architecture is VisionTransformer:
        settings = {"classes": len(about.classes)} | settings
    try:
        return architecture(*sizes, **settings)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise BundleError(
            f"{about.name} has settings that {about.architecture} does not take: "
            f"{first_line(error)}"
        ) from error
