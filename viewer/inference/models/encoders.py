"""Encoders of other laboratories by name: fetched once on the user's order, offline afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch

from viewer.egress import EgressError, check_egress
from viewer.files.unfinished import unfinished_folder
from viewer.inference.architectures.vit_names import renamed
from viewer.inference.models.bundle import BundleError, file_sha256
from viewer.inference.models.description import Normalization
from viewer.inference.models.encoder_download import EncoderRequest, hub_url
from viewer.inference.models.model_library import add_model, models_folder
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper
from viewer.typed.safetensors import load_tensors, save_tensors
from viewer.untyped import is_mapping, mapping_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from viewer.inference.models.bundle import ModelBundle

_IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BIOPTIMUS = Normalization((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
_HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_HIBOU = Normalization((0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816))
_GIANT_14 = {"patch": 14, "width": 1536, "depth": 40, "heads": 24, "hidden": 8192, "gated": 1}


class KnownEncoder(msgspec.Struct, frozen=True):
    """An encoder on a hub of models.

    Attributes
    ----------
    repository
        Where its weights are.
    settings
        Of `VisionTransformer`, as the model's card tells them.
    is_gated
        Whether its makers ask for an agreement, and so for a token.
    """

    name: str
    repository: str
    settings: dict[str, int]
    normalization: Normalization
    license: str
    citation: str
    is_gated: bool = True
    mpp_um: float = 0.5


KNOWN_ENCODERS: Mapping[str, KnownEncoder] = {
    "phikon-v2": KnownEncoder(
        "Phikon-v2", "owkin/phikon-v2", {}, _IMAGENET,
        "Owkin non-commercial", "Filiot et al. 2024, arXiv:2409.09173", is_gated=False,
    ),
    "uni": KnownEncoder(
        "UNI", "MahmoodLab/UNI", {}, _IMAGENET,
        "CC BY-NC-ND 4.0", "Chen et al. 2024, doi:10.1038/s41591-024-02857-3",
    ),
    "uni2-h": KnownEncoder(
        "UNI2-h", "MahmoodLab/UNI2-h",
        _GIANT_14 | {"depth": 24, "registers": 8, "class_position": 0}, _IMAGENET,
        "CC BY-NC-ND 4.0", "Chen et al. 2024, doi:10.1038/s41591-024-02857-3",
    ),
    "virchow2": KnownEncoder(
        "Virchow2", "paige-ai/Virchow2",
        {"patch": 14, "width": 1280, "depth": 32, "hidden": 6832, "gated": 1, "registers": 4,
         "class_position": 0, "mean_too": 1}, _IMAGENET,
        "CC BY-NC-ND 4.0", "Zimmermann et al. 2024, arXiv:2408.00738",
    ),
    "prov-gigapath": KnownEncoder(
        "Prov-GigaPath", "prov-gigapath/prov-gigapath",
        _GIANT_14 | {"patch": 16}, _IMAGENET,
        "Prov-GigaPath license, for research", "Xu et al. 2024, doi:10.1038/s41586-024-07441-w",
    ),
    "h-optimus-0": KnownEncoder(
        "H-optimus-0", "bioptimus/H-optimus-0",
        _GIANT_14 | {"registers": 4, "class_position": 0}, _BIOPTIMUS,
        "Apache-2.0", "Saillard et al. 2024, H-optimus-0",
    ),
    "hibou-l": KnownEncoder(
        "Hibou-L", "histai/hibou-L",
        {"patch": 14, "hidden": 5464, "gated": 1, "registers": 4}, _HIBOU,
        "Apache-2.0", "Nechaev et al. 2024, arXiv:2406.05074",
    ),
    "midnight-12k": KnownEncoder(
        "Midnight-12k", "kaiko-ai/midnight", _GIANT_14 | {"mean_too": 1},
        _HALF, "MIT", "Karasikov et al. 2025, arXiv:2504.05186", is_gated=False,
    ),
}  # fmt: skip
"""By the name that the command line takes. Figures are those of each model's card."""


def fetch_encoder(known: KnownEncoder, token: str | None = None, merge: int = 0) -> ModelBundle:
    """Download an encoder, turn it into a model of our own, and add it to the library.

    Parameters
    ----------
    token
        The user's own for gated encoders; it is used for this download and not kept.
    merge
        Patches to merge in each block (token merging); 0 for the encoder as it was published.

    Raises
    ------
    BundleError
        One sentence says what is wrong and what to do.
    """
    with unfinished_folder(models_folder()) as folder:
        path = _downloaded(known, token, folder / "hub")
        weights = renamed(read_tensors(path))
        target = folder / "bundle"
        target.mkdir()
        save_tensors(weights, target / "weights.safetensors")
        (target / "model.json").write_bytes(_description(known, target, merge))
        return add_model(target)


def _downloaded(known: KnownEncoder, token: str | None, folder: Path) -> Path:
    """Have the helper fetch the weights, as it alone reaches the network. Raises BundleError."""
    try:
        check_egress(hub_url(), carries_key=token is not None)
        request = EncoderRequest(known.name, known.repository, token, str(folder))
        answer = helper().start("viewer.inference.models.encoder_download:download", request).wait()
    except (EgressError, HelperEndedError, HelperFailedError) as error:
        raise BundleError(str(error)) from None
    return Path(msgspec.msgpack.decode(answer, type=str))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the weights of a file, of which nothing but tensors is taken. Raises BundleError."""
    try:
        if path.suffix == ".safetensors":
            return load_tensors(path)
        held: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loaders raise whatever their parsers do
        raise BundleError(f"{path.name} holds no weights ({type(error).__name__}).") from error
    weights = {
        str(name): value
        for name, value in mapping_of(held).items()
        if isinstance(value, torch.Tensor)
    }
    if not is_mapping(held) or len(weights) < len(held):
        raise BundleError(f"{path.name} holds something else than weights.")
    return weights


def _description(known: KnownEncoder, folder: Path, merge: int) -> bytes:
    settings = known.settings | ({"merge": merge} if merge else {})
    card: dict[str, object] = {
        "name": f"{known.name}, {merge} merged" if merge else known.name,
        "version": "1",
        "task": "embedding",
        "mpp_um": known.mpp_um,
        "patch_px": known.settings.get("side", 224),
        "normalisation": known.normalization,
        "format": "safetensors",
        "architecture": "vision-transformer",
        "settings": settings,
        "weights": "weights.safetensors",
        "sha256": file_sha256(folder / "weights.safetensors"),
        "licence": known.license,
        "citation": known.citation,
        "about": f"Encoder fetched from {known.repository}. For research use, not for diagnosis.",
    }
    return msgspec.json.format(msgspec.json.encode(card), indent=2)
