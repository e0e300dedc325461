"""Networks that safetensors can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.architectures.clip import Clip
from viewer.inference.architectures.nuclei_unet import NucleiUNet
from viewer.inference.architectures.pixel_classifier import PixelClassifier
from viewer.inference.architectures.pixels import Pixels
from viewer.inference.architectures.tissue_encoder import TissueClassifier, TissueEncoder
from viewer.inference.architectures.tissue_quality import TissueQuality
from viewer.inference.architectures.vision_transformer import VisionTransformer
from viewer.inference.architectures.where_to_look import WhereToLook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "clip": Clip,
    "nuclei-unet": NucleiUNet,
    "pixel-classifier": PixelClassifier,
    "pixels": Pixels,
    "tissue-encoder": TissueEncoder,
    "tissue-classifier": TissueClassifier,
    "tissue-quality": TissueQuality,
    "vision-transformer": VisionTransformer,
    "where-to-look": WhereToLook,
}
