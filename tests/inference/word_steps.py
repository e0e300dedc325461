"""A small model with a tower for words, as the transformers library makes it, and a slide."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SIDE = 64
SLIDE_PX = 256
WORDS = ["<start>", "<end>", "<other>", "tumor", "stroma", "of", "the", "colon", "image"]
MEAN, STD = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)
SETTINGS = {
    "side": SIDE, "patch": 16, "width": 32, "depth": 2, "heads": 4, "hidden": 64,
    "words_width": 24, "words_depth": 3, "words_heads": 3, "words_hidden": 40,
    "tokens": len(WORDS), "most_tokens": 10, "length": 20,
}  # fmt: skip


@dataclass
class Towers:
    """A model's folder, and the same as transformers loads it."""

    folder: Path
    clip: Any
    tokenizer: Any

    def similarities(self, picture: NDArray[np.uint8], phrases: list[str]) -> NDArray[np.float32]:
        """As transformers tells them: (phrases,) cosine similarities."""
        pixels = (torch.from_numpy(picture.copy()).float() / 255 - torch.tensor(MEAN)) / (
            torch.tensor(STD)
        )
        said = self.tokenizer(phrases, padding=True, return_tensors="pt")
        with torch.inference_mode():
            given = self.clip(
                input_ids=said["input_ids"],
                attention_mask=said["attention_mask"],
                pixel_values=pixels.permute(2, 0, 1)[None],
            )
            return (given.logits_per_image[0] / self.clip.logit_scale.exp()).numpy()


def tokenizer_file(path: Path, words: list[str]) -> None:
    known = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(known, "<other>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(each, known[each]) for each in ("<start>", "<end>")]
    tokenizer.post_processor = processors.TemplateProcessing("<start> $A <end>", None, ends)
    tokenizer.save(str(path))


def tell(folder: Path, **changes: object) -> None:
    """Write model.json of the files of a folder."""
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    about = {
        "name": "Towers", "version": "1", "task": "embedding", "mpp_um": 0.5, "patch_px": SIDE,
        "normalization": {"mean": MEAN, "std": STD}, "format": "safetensors",
        "architecture": "clip", "settings": SETTINGS, "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "words": {"tokenizer": tokenizer.name},
        "data": {tokenizer.name: hashlib.sha256(tokenizer.read_bytes()).hexdigest()},
        "license": "MIT",
    } | changes  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))


def make_towers(folder: Path) -> Towers:
    """Write a model into a folder."""
    from transformers.models.clip.configuration_clip import CLIPConfig
    from transformers.models.clip.modeling_clip import CLIPModel
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

    torch.manual_seed(3)
    words = {
        "vocab_size": len(WORDS), "hidden_size": 24, "intermediate_size": 40,
        "num_hidden_layers": 3, "num_attention_heads": 3, "max_position_embeddings": 10,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    images = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": SIDE, "patch_size": 16,
    }  # fmt: skip
    clip = CLIPModel(CLIPConfig(text_config=words, vision_config=images, projection_dim=20)).eval()
    with torch.no_grad():
        for each in clip.parameters():  # as they are made, all images look alike
            each += 0.2 * torch.randn_like(each)
    clip.save_pretrained(folder)
    tokenizer_file(folder / "tokenizer.json", WORDS)
    tell(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    tokenizer.pad_token = WORDS[1]
    return Towers(folder, clip, tokenizer)


def stained_squares() -> NDArray[np.uint8]:
    """Pixels of squares, each in another color and grain."""
    random = np.random.default_rng(5)
    cells = SLIDE_PX // SIDE
    colors = random.integers(60, 200, (cells, cells, 3))
    pixels = np.kron(colors, np.ones((SIDE, SIDE, 1))) + random.normal(0, 25, (256, 256, 3))
    pixels[..., 1] *= 0.6
    return pixels.clip(0, 255).astype(np.uint8)


class _Images(torch.nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self._clip = clip

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self._clip.get_image_features(pixel_values=pixel_values).pooler_output


class _Phrases(torch.nn.Module):
    def __init__(self, clip: Any) -> None:
        super().__init__()
        self._clip = clip

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        given = self._clip.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
        return given.last_hidden_state, given.pooler_output


def export_images(towers: Towers, path: Path) -> Path:
    """Write the tower for images in ONNX."""
    return _export(
        _Images(towers.clip), path, {"pixel_values": torch.zeros(1, 3, SIDE, SIDE)},
        ["image_embeds"], {"pixel_values": {0: "n"}, "image_embeds": {0: "n"}},
    )  # fmt: skip


def export_words(towers: Towers, path: Path, tokens: int | None = None) -> Path:
    """Write the tower for words in ONNX: of a fixed number of tokens alone, or of any and a mask.

    Its vectors are the second output.
    """
    ids = torch.tensor([[0, 3, 4, *[1] * ((tokens or 4) - 3)]])
    given = {"input_ids": ids} if tokens else {"input_ids": ids, "attention_mask": ids * 0 + 1}
    axes = {name: {0: "n", 1: "t"} for name in (*given, "last_hidden_state")}
    axes |= {"text_embeds": {0: "n"}}
    names = ["last_hidden_state", "text_embeds"]
    return _export(_Phrases(towers.clip), path, given, names, None if tokens else axes)


def _export(
    module: torch.nn.Module, path: Path, given: dict[str, torch.Tensor], names: list[str],
    axes: dict[str, dict[int, str]] | None,
) -> Path:  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no other packages
        torch.onnx.export(
            module, tuple(given.values()), str(path), dynamo=False, input_names=list(given),
            output_names=names, dynamic_axes=axes,
        )  # fmt: skip
    return path


def tell_apart(folder: Path, tower: Path, **changes: object) -> None:
    """Write model.json of towers that are apart, that for words in the file `tower`."""
    tokenizer = folder / "tokenizer.json"
    files = (tokenizer, tower)
    about: dict[str, Any] = {
        "words": {"tokenizer": tokenizer.name, "weights": tower.name, "scale": 14.0},
        "data": {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files},
    }
    tell(folder, **(about | changes))


def in_onnx(images: Path) -> dict[str, object]:
    """Return what model.json says of a tower for images in ONNX."""
    return {
        "format": "onnx", "architecture": None, "settings": {}, "weights": images.name,
        "sha256": hashlib.sha256(images.read_bytes()).hexdigest(),
    }  # fmt: skip
