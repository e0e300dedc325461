"""CLIP models of the transformers library: config.json beside model.safetensors and tokenizer.json.

As `CLIPModel.save_pretrained` writes them, and as hubs hold them. What config.json has no place
for, such as the pixel size, is read from "coverslip" in it, by the names of model.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.inference.layouts.reading import (
    bundle_of,
    card_files,
    model_name,
    read_json,
    stated_license,
)
from viewer.inference.models.bundle import BundleError, file_sha256
from viewer.inference.models.model_check import try_model
from viewer.limits import open_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle

NAME = "CLIP of transformers"
CONFIG, WEIGHTS, PICKLED = "config.json", "model.safetensors", "pytorch_model.bin"
TOKENIZER, PIXELS = "tokenizer.json", "preprocessor_config.json"
_MARKS = (b'"CLIPModel"', b'"clip"')
_HEAD_BYTES = 1 << 16
_MPP_UM = 0.5
_OWN = ("format", "architecture", "settings", "weights", "sha256", "data", "schema_version")
_SIZES = {
    "image_size": "side", "patch_size": "patch", "hidden_size": "width",
    "num_hidden_layers": "depth", "num_attention_heads": "heads", "intermediate_size": "hidden",
}  # fmt: skip
"""Of the tower for images: their names, and those of settings."""
_WORD_SIZES = {
    "hidden_size": "words_width", "num_hidden_layers": "words_depth",
    "num_attention_heads": "words_heads", "intermediate_size": "words_hidden",
    "vocab_size": "tokens", "max_position_embeddings": "most_tokens",
}  # fmt: skip
_QUICK = {"quick_gelu": 1, "gelu": 0}
_IMAGE_PX = 224
"""Where config.json says none, as the library has it."""


class Config(msgspec.Struct, frozen=True):
    """What config.json says."""

    text_config: dict[str, object] | None = None
    vision_config: dict[str, object] | None = None
    text_config_dict: dict[str, object] | None = None
    vision_config_dict: dict[str, object] | None = None
    projection_dim: int = 512
    coverslip: dict[str, object] = {}


class Pixels(msgspec.Struct, frozen=True):
    """What preprocessor_config.json says of the values of pixels; CLIP's own where it says none."""

    image_mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)


def recognizes(path: Path) -> bool:
    """Return whether a folder holds the description of a CLIP."""
    try:
        with open_regular(path / CONFIG) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return any(mark in head for mark in _MARKS)


def described(path: Path) -> ModelBundle:
    """Describe a folder by its config.json. Raises BundleError."""
    config = read_json(path / CONFIG, Config)
    if ours := [key for key in config.coverslip if key in _OWN]:
        raise BundleError(f"{path.name}/{CONFIG} says {ours[0]} under coverslip: leave it out.")
    _check_files(path)
    pixels = read_json(path / PIXELS, Pixels) if (path / PIXELS).is_file() else Pixels()
    settings = _settings(config, f"{path.name}/{CONFIG}")
    about = "" if "mpp_um" in config.coverslip else f" Its pixel size is taken to be {_MPP_UM} um."
    return bundle_of(
        path / WEIGHTS,
        {
            "name": model_name(path),
            "task": "embedding",
            "mpp_um": _MPP_UM,
            "patch_px": settings.get("side", _IMAGE_PX),
            "normalization": {"mean": pixels.image_mean, "std": pixels.image_std},
            "format": "safetensors",
            "architecture": "clip",
            "settings": settings,
            "words": {"tokenizer": TOKENIZER},
            "data": {TOKENIZER: file_sha256(path / TOKENIZER)},
            "license": stated_license(path),
            "about": f"CLIP model of the transformers library.{about} For research use, not for "
            "diagnosis.",
            **config.coverslip,
        },
    )


def cards(path: Path) -> Sequence[Path]:
    """Return the readme and license in the folder."""
    return card_files(path)


def prove(path: Path, bundle: ModelBundle) -> None:  # noqa: ARG001
    """Feed both towers once: their vectors have to be of one length."""
    try_model(bundle)


def _check_files(path: Path) -> None:
    if not (path / WEIGHTS).is_file():
        is_pickled = (path / PICKLED).is_file()
        raise BundleError(
            f"{path.name} lacks {WEIGHTS}: "
            + (
                f"its {PICKLED} would have to be unpickled. Save it with safetensors, or let "
                "coverslip models fetch clip:OWNER/NAME take the numbers out of it."
                if is_pickled
                else "copy the whole folder again."
            )
        )
    if not (path / TOKENIZER).is_file():
        raise BundleError(
            f"{path.name} lacks {TOKENIZER}, which cuts words for it: save the tokenizer of the "
            "model beside it (AutoTokenizer.from_pretrained(...).save_pretrained(...))."
        )


def _settings(config: Config, name: str) -> dict[str, int]:
    """Return the sizes of both towers that config.json states. Raises BundleError."""
    images = (config.vision_config or {}) | (config.vision_config_dict or {})
    words = (config.text_config or {}) | (config.text_config_dict or {})
    kinds = {str(each.get("hidden_act", "quick_gelu")) for each in (images, words)}
    if len(kinds) > 1 or not kinds <= set(_QUICK):
        raise BundleError(
            f"{name} asks for the activation {' and '.join(sorted(kinds))}: known are "
            f"{' and '.join(_QUICK)}, the same in both towers."
        )
    found = {ours: images[theirs] for theirs, ours in _SIZES.items() if theirs in images}
    found |= {ours: words[theirs] for theirs, ours in _WORD_SIZES.items() if theirs in words}
    sizes = {key: value for key, value in found.items() if type(value) is int and value >= 1}
    if wrong := [key for key in found if key not in sizes]:
        raise BundleError(f"{name} says {found[wrong[0]]} where a size is needed ({wrong[0]}).")
    return sizes | {"length": config.projection_dim, "quick": _QUICK[kinds.pop()]}
