"""CLIP models by name: what their repositories on a hub do not say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write_bytes
from viewer.inference.layouts.transformers_clip import CONFIG, PICKLED, TOKENIZER, WEIGHTS
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.encoders import read_tensors
from viewer.limits import DESCRIPTION_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS
from viewer.typed.safetensors import save_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KnownClip(msgspec.Struct, frozen=True):
    """A CLIP on a hub of models.

    Attributes
    ----------
    repository
        Where its files are.
    template
        What a phrase is put into, in place of {}.
    """

    name: str
    repository: str
    license: str
    citation: str
    template: str = "{}"
    mpp_um: float = 0.5


KNOWN_CLIPS: Mapping[str, KnownClip] = {
    "plip": KnownClip(
        "PLIP", "vinid/plip", "not stated by its makers; meant for research",
        "Huang et al. 2023, doi:10.1038/s41591-023-02504-3", "an H&E image of {}",
    ),
    "clip-vit-b-32": KnownClip(
        "CLIP ViT-B/32", "openai/clip-vit-base-patch32", "MIT",
        "Radford et al. 2021, arXiv:2103.00020", "a photo of {}",
    ),
    "clip-vit-l-14": KnownClip(
        "CLIP ViT-L/14", "openai/clip-vit-large-patch14", "MIT",
        "Radford et al. 2021, arXiv:2103.00020", "a photo of {}",
    ),
}  # fmt: skip
"""By the name that the command line takes. Any other repository is fetched as clip:OWNER/NAME."""


def complete_clip(folder: Path, known: KnownClip | None) -> None:
    """Make what was fetched a folder that is read like any: no pickle, and what is known of it.

    Raises
    ------
    BundleError
        Its weights hold something else than tensors, or its config.json is none.
    """
    try:
        pickled = folder / PICKLED
        if pickled.is_file():
            weights = {name: each.contiguous() for name, each in read_tensors(pickled).items()}
            save_tensors({name: each.clone() for name, each in weights.items()}, folder / WEIGHTS)
            pickled.unlink()
        if known is not None:
            card = _with_names(read_regular(folder / CONFIG, DESCRIPTION_BYTES), known)
            atomic_write_bytes(folder / CONFIG, msgspec.json.encode(card))
    except DECODE_ERRORS as error:
        raise BundleError(f"{CONFIG} of {folder.name} is invalid: {error}.") from error
    except OSError as error:
        raise BundleError(f"The model cannot be kept ({reason_of(error)}).") from error


def _with_names(config: bytes, known: KnownClip) -> dict[str, object]:
    card = msgspec.json.decode(config, type=dict[str, object])
    return card | {
        "coverslip": {
            "name": known.name,
            "mpp_um": known.mpp_um,
            "license": known.license,
            "citation": known.citation,
            "words": {"tokenizer": TOKENIZER, "template": known.template},
            "about": f"Fetched from {known.repository}. For research use, not for diagnosis.",
        }
    }
