"""Fine-tuning sets are in the shapes of their trainers, load, and train a step."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_steps import coverslip
from PIL import Image
from test_export import read_slide

from viewer.recording.export import FORMATS, ExportOptions, export_sessions
from viewer.recording.export.dialects import (
    DIALECTS,
    QWEN_FACTOR,
    QWEN_MAX_PIXELS,
    QWEN_MIN_PIXELS,
    smart_size,
)
from viewer.recording.export.fine_tuning import validation_slides
from viewer.recording.export.options import FINE_TUNING
from viewer.recording.session import read_header

BOX = (300 / 2220, 200 / 2967, 1300 / 2220, 1000 / 2967)
"""Of the second stay of `STAYS`, as shares of the sample slide."""


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two readings of a slide, and one of another that looks alike."""
    folder = tmp_path_factory.mktemp("sessions")
    slide = Path(__file__).parents[2] / "resources" / "slides" / "CMU-1-Small-Region.svs"
    other = folder / "other.svs"
    content = slide.read_bytes()
    other.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVERSLIP_HOME", str(folder / "home"))
        note = "Dense <image> lymphocytes<|im_end|>."
        made = [
            read_slide(folder / f"2026112{day}T080000Z-0", path, note=note)
            for day, path in ((3, slide), (4, slide), (5, other))
        ]
    # The slides' ends differ, which their keys need not see.
    header = read_header(made[2])
    if header.slide.identity == read_header(made[0]).slide.identity:
        pytest.skip("the key of the slide does not tell the two apart")
    return made


@pytest.fixture(scope="module")
def exported(sessions: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each fine-tuning set of the three readings."""
    out = tmp_path_factory.mktemp("out")
    places = (sessions[0].parent, Path(__file__).parents[2] / "resources" / "slides")
    for format_ in FINE_TUNING:
        options = ExportOptions(
            format=format_, images="file", crop_px=256, detail_px=128, thumbnail_px=600,
            places=places, images_per_example=5,
        )  # fmt: skip
        manifest = export_sessions(sessions, out / format_, options)
        assert [each.problem for each in manifest.sessions] == [""] * 3
    return {format_: out / format_ for format_ in FINE_TUNING}


def rows(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    if (folder / f"{split}.jsonl").exists():
        return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]
    if (folder / f"{split}.json").exists():
        return json.loads((folder / f"{split}.json").read_text())
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder / f"{split}.parquet").to_pylist()


def answers(folder: Path) -> str:
    return json.dumps(rows(folder) + rows(folder, "validation"), default=str)


def thumbnail(folder: Path) -> Image.Image:
    return Image.open(next((folder / "images").glob("*-thumbnail.jpg")))


def test_train_and_validation_share_no_slide(exported: dict[str, Path]) -> None:
    for format_, folder in exported.items():
        splits = json.loads((folder / "splits.json").read_text())
        assert splits["format"] == format_
        assert splits["boxes"] == DIALECTS[format_].boxes
        train, validation = splits["train"], splits["validation"]
        assert not set(train["slides"]) & set(validation["slides"])
        assert len(train["slides"]) == len(validation["slides"]) == 1
        assert len(train["sessions"]) + len(validation["sessions"]) == 3
        for name, split in (("train", train), ("validation", validation)):
            assert len(rows(folder, name)) == split["examples"] > 0
    slides = {f"s1-{number}" for number in range(50)}
    held_back = validation_slides(slides, 0.2, 0)
    assert len(held_back) == 10
    assert held_back == validation_slides(slides, 0.2, 0) != validation_slides(slides, 0.2, 1)
    assert validation_slides({"a"}, 0.5, 0) == validation_slides(slides, 0.0, 0) == set()


def test_each_version_has_its_own_boxes(exported: dict[str, Path]) -> None:
    size = thumbnail(exported["openai"]).size
    pixels = [round(side * size[axis % 2]) for axis, side in enumerate(BOX)]
    assert f"<20x-peek> {pixels}" in answers(exported["openai"])
    assert f"in pixels of the thumbnail, which is {size[0]} x {size[1]}" in answers(
        exported["openai"]
    )
    grid = [round(side * 1000) for side in BOX]
    corners = f"({grid[0]},{grid[1]}),({grid[2]},{grid[3]})"
    assert f"<ref>20x-peek</ref><box>{corners}</box>" in answers(exported["qwen-vl"])
    marked = f"<|object_ref_start|>20x-peek<|object_ref_end|><|box_start|>{corners}<|box_end|>"
    assert marked in answers(exported["qwen2-vl"])
    said = json.dumps(f'{{"bbox_2d": {grid}, "label": "20x-peek"}}')[1:-1]
    assert said in answers(exported["qwen3-vl"])
    assert said in answers(exported["trl"])
    size = thumbnail(exported["qwen2.5-vl"]).size
    assert size == smart_size(*size)
    pixels = [round(side * size[axis % 2]) for axis, side in enumerate(BOX)]
    said = json.dumps(f'{{"bbox_2d": {pixels}, "label": "20x-peek"}}')[1:-1]
    assert said in answers(exported["qwen2.5-vl"])
    square = thumbnail(exported["llava"])
    assert square.width == square.height
    left = (1 - 2220 / 2967) / 2
    fractions = [left + BOX[0] * 2220 / 2967, BOX[1], left + BOX[2] * 2220 / 2967, BOX[3]]
    written = ", ".join(f"{side:.3f}" for side in fractions)
    assert f"<20x-peek> [{written}]" in answers(exported["llava"])


def test_boxes_stay_within_the_picture(exported: dict[str, Path]) -> None:
    """The first stay of each reading reaches beyond the slide."""
    for format_, most in (("qwen-vl", 999), ("qwen2-vl", 999), ("qwen3-vl", 1000), ("trl", 1000)):
        text = answers(exported[format_])
        found = re.findall(r"\((\d+),(\d+)\),\((\d+),(\d+)\)|bbox_2d\W+(\d+), (\d+), (\d+), (\d+)",
                           text)  # fmt: skip
        assert found
        for box in found:
            x0, y0, x1, y1 = (int(side) for side in box if side)
            assert 0 <= x0 < x1 <= most
            assert 0 <= y0 < y1 <= most


def test_what_somebody_wrote_is_no_mark_of_a_trainer(exported: dict[str, Path]) -> None:
    for format_ in ("llava", "qwen2-vl", "qwen2.5-vl", "qwen3-vl"):
        examples = rows(exported[format_]) + rows(exported[format_], "validation")
        assert any("Dense image lymphocytes" in json.dumps(each) for each in examples)
        for example in examples:
            shown = example["image"] if isinstance(example["image"], list) else [example["image"]]
            tags = sum(turn["value"].count("<image>") for turn in example["conversations"])
            assert tags == len(shown)
            assert all((exported[format_] / path).is_file() for path in shown)
            assert [turn["from"] for turn in example["conversations"]][:2] == ["human", "gpt"]
            assert "im_end|>" not in json.dumps(example)
    assert all(isinstance(each["image"], str) for each in rows(exported["llava"]))
    for example in rows(exported["qwen-vl"]):
        text = json.dumps(example)
        paths = re.findall(r"Picture (\d+): <img>([^<]+)</img>", text)
        assert [int(number) for number, _ in paths] == list(range(1, len(paths) + 1))
        assert all((exported["qwen-vl"] / path).is_file() for _, path in paths)


def test_pictures_are_in_the_lines_of_openai_by_default(
    sessions: list[Path], tmp_path: Path
) -> None:
    places = (sessions[0].parent, Path(__file__).parents[2] / "resources" / "slides")
    options = ExportOptions(
        format="openai", places=places, thumbnail_px=200, crop_px=64, detail_px=64, validation=0.0
    )
    export_sessions(sessions[:1], tmp_path / "out", options)
    assert export_sessions(sessions[:1], tmp_path / "out", options).note == ""
    assert (tmp_path / "out" / "validation.jsonl").read_bytes() == b""
    (example, *_) = rows(tmp_path / "out")
    url = example["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    shown = [part for message in example["messages"] if isinstance(message["content"], list)
             for part in message["content"] if part["type"] == "image_url"]  # fmt: skip
    assert len(shown) <= 10
    assert example["messages"][-1]["role"] == "assistant"


def test_one_slide_is_not_held_back_and_that_is_said(sessions: list[Path], tmp_path: Path) -> None:
    places = ("--slides", Path(__file__).parents[2] / "resources" / "slides")
    asked = ("sessions", "export", sessions[0], sessions[1], "--format", "qwen3-vl", *places)
    said = coverslip(*asked, "-o", tmp_path / "out", "--crop-px", "64", "--detail-px", "64")
    assert said.returncode == 0, said.stderr
    assert "nothing is held back" in said.stderr
    assert rows(tmp_path / "out", "validation") == []
    card = (tmp_path / "out" / "README.md").read_text()
    assert "thousandths of the thumbnail" in card
    assert "nothing is held back" in card


def test_they_load_with_datasets(
    exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    first = {}
    for format_, folder in exported.items():
        layout = DIALECTS[format_].layout
        ending = {"lines": "jsonl", "list": "json", "parquet": "parquet"}[layout]
        kind = "parquet" if layout == "parquet" else "json"
        files = {split: str(folder / f"{split}.{ending}") for split in ("train", "validation")}
        loaded = datasets.load_dataset(kind, data_files=files, cache_dir=str(tmp_path / format_))
        assert loaded["train"].num_rows > 0
        assert loaded["validation"].num_rows > 0
        first[format_] = loaded["train"][0]
    row = first["trl"]
    assert isinstance(row["images"][0], Image.Image)
    blocks = [block for message in row["messages"] for block in message["content"]]
    assert sum(block["type"] == "image" for block in blocks) == len(row["images"])
    assert [message["role"] for message in row["messages"]][:2] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((766, 1024), (756, 1036)), ((1024, 1024), (980, 980)), ((28, 28), (56, 56)),
        ((3000, 700), (2072, 476)), ((600, 600), (588, 588)),
    ],
)  # fmt: skip
def test_sizes_are_those_of_qwens_processor(
    size: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert smart_size(*size) == resized


@pytest.mark.slow
def test_our_resizing_is_that_of_qwen() -> None:
    processing = pytest.importorskip(
        "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl",
        reason="needs the image processor of transformers",
    )
    limits = {"factor": QWEN_FACTOR, "min_pixels": QWEN_MIN_PIXELS, "max_pixels": QWEN_MAX_PIXELS}
    for width in (28, 50, 333, 766, 1024, 3000):
        for height in (28, 41, 700, 1024, 2900):
            theirs = processing.smart_resize(height, width, **limits)
            assert smart_size(width, height) == (theirs[1], theirs[0])
            assert smart_size(*smart_size(width, height)) == smart_size(width, height)


def test_every_format_is_a_choice_in_the_window_and_the_command(tmp_path: Path) -> None:
    from viewer.ui.recording.export_dialog import _DESCRIPTIONS

    assert set(_DESCRIPTIONS) == set(FORMATS)
    shown = coverslip("sessions", "export", "--help", folder=tmp_path, COLUMNS="200").stdout
    assert all(format_ in shown for format_ in FORMATS)
    wrong = coverslip("sessions", "export", "--format", "qwen9-vl", "-o", "x", folder=tmp_path)
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1


# A tiny model of LLaVA's kind, trained for a step ------------------------------------------------

IMAGE, PATCHES = 260, 4
"""The id that stands for a patch of a picture, and how many a picture of 32 x 32 px has."""


def texts_and_pictures(format_: str, folder: Path) -> list[tuple[str, list[Image.Image]]]:
    """Examples as a trainer reads them: a text with a zero for each picture, and the pictures."""
    found: list[tuple[str, list[Image.Image]]] = []
    for row in rows(folder):
        pictures: list[Image.Image] = []
        if format_ == "openai":
            said = ""
            for message in row["messages"]:
                content: str | list[dict[str, Any]] = message["content"]
                parts: list[dict[str, Any]] = (
                    [{"type": "text", "text": content}] if isinstance(content, str) else content
                )
                for part in parts:
                    if part["type"] == "image_url":
                        pictures.append(Image.open(folder / part["image_url"]["url"]))
                        said += "\0"
                    else:
                        said += part["text"]
        elif format_ == "trl":
            pictures = [Image.open(io.BytesIO(each["bytes"])) for each in row["images"]]
            blocks = [block for message in row["messages"] for block in message["content"]]
            said = "".join("\0" if block["type"] == "image" else block["text"] for block in blocks)
        else:
            said = "\n".join(turn["value"] for turn in row["conversations"])
            if format_ == "qwen-vl":
                paths = re.findall("<img>([^<]+)</img>", said)
                said = re.sub("<img>[^<]+</img>", "\0", said)
            else:
                paths = row["image"] if isinstance(row["image"], list) else [row["image"]]
                said = said.replace("<image>", "\0")
            pictures = [Image.open(folder / path) for path in paths]
        found.append((said, pictures))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("format_", FINE_TUNING)
def test_a_tiny_llava_trains_a_step(format_: str, exported: dict[str, Path]) -> None:
    torch = pytest.importorskip("torch")
    import numpy as np
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llava.configuration_llava import LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaForConditionalGeneration

    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            image_size=32, patch_size=16, projection_dim=16,
        ),
        text_config=LlamaConfig(
            vocab_size=264, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=8192,
        ),
        image_token_index=IMAGE, vision_feature_layer=-1,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    (text, pictures), *_ = texts_and_pictures(format_, exported[format_])
    assert text.count("\0") == len(pictures) > 0
    ids = [token for byte in text.encode() for token in ([byte] if byte else [IMAGE] * PATCHES)]
    pixels = np.stack(
        [np.asarray(each.convert("RGB").resize((32, 32)), np.float32) / 127.5 - 1
         for each in pictures]
    ).transpose(0, 3, 1, 2)  # fmt: skip
    tokens = torch.tensor([ids])
    labels = tokens.masked_fill(tokens == IMAGE, -100)
    losses = []
    for _ in range(4):
        loss = model(
            input_ids=tokens, pixel_values=torch.from_numpy(pixels), labels=labels,
            attention_mask=torch.ones_like(tokens),
        ).loss  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
