"""Hostile tokenizer.json of models that take words: one sentence, and no process without end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from cli_steps import coverslip
from word_steps import make_towers, tell

from viewer.errors import CoverslipError
from viewer.inference.models.bundle import load_bundle
from viewer.inference.process.loading import load_module
from viewer.inference.process.words import WordsTower

if TYPE_CHECKING:
    from pathlib import Path

PHRASE = "a" * 40


def tokenizer(**changes: object) -> bytes:
    about: dict[str, Any] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "<other>": 1}, "unk_token": "<other>"},
    }  # fmt: skip
    return json.dumps(about | changes).encode()


def split_by(pattern: str) -> bytes:
    found = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    return tokenizer(pre_tokenizer=found | {"invert": False})


def model(about: dict[str, object]) -> bytes:
    return tokenizer(model=about)


NESTED = '{"type":"Sequence","normalizers":[' * 5000 + '{"type":"NFC"}' + "]}" * 5000
DOUBLING = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
REFUSED = {
    "deep": b'{"a":' * 100_000,
    "nested": tokenizer().replace(b'"normalizer": null', b'"normalizer": ' + NESTED.encode()),
    "exploding": split_by("(a|a)*b|((a+)+)+$|(.*)*c"),
    "no expression": split_by("("),
    "no such token": tokenizer(
        post_processor={
            "type": "TemplateProcessing", "pair": [], "special_tokens": {},
            "single": [{"SpecialToken": {"id": "[NO]", "type_id": 0}}],
        }
    ),
    "no map": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "no words": model({"type": "WordLevel", "vocab": {}, "unk_token": "none"}),
    "negative": model({"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}),
    "beyond the network": model(
        {"type": "WordLevel", "vocab": {"a": 2**32 - 1, "b": 7}, "unk_token": "a"}
    ),
    "unknown pieces": model({"type": "BPE", "vocab": {"a": 0}, "merges": ["a c"]}),
    "no unknown token": model({"type": "Unigram", "unk_id": None, "vocab": [["b", -1e308]]}),
    "pickle": b"\x80\x04cos\nsystem\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_towers(tmp_path_factory.mktemp("towers")).folder


@pytest.fixture(scope="module")
def network(folder: Path) -> torch.nn.Module:
    return load_module(load_bundle(folder), torch.device("cpu"))


def describe(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    tell(folder)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_tokenizer_is_refused(name: str, folder: Path, network: torch.nn.Module) -> None:
    describe(folder, REFUSED[name])
    with pytest.raises(CoverslipError) as told:
        WordsTower(load_bundle(folder), network).encoded([PHRASE])
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.slow
def test_a_tokenizer_that_multiplies_its_text_is_ended(
    folder: Path, real_children: None, sample_slide: Path
) -> None:
    """Each of forty steps doubles the text: a terabyte, were it not for the limit of memory."""
    describe(folder, tokenizer(normalizer={"type": "Sequence", "normalizers": [DOUBLING] * 40}))
    limit = {"COVERSLIP_MODEL_MEMORY_GIB": "1.5"}
    done = coverslip(
        "run", folder, sample_slide, "--region", "0,0,300,300", "--words", PHRASE, **limit
    )
    assert done.returncode == 2
    assert "more than 1.5 GiB of memory" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
