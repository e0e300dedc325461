"""Slides that differ, and projects of them."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

FORM = {
    "id": "grading",
    "title": "Grading",
    "questions": [
        {"id": "pattern", "text": "Primary pattern", "kind": "choice",
         "options": ["3", "4", "5"], "required": True},
        {"id": "features", "text": "Features", "kind": "multi",
         "options": ["cribriform", "perineural"]},
        {"id": "share", "text": "Tumor", "kind": "number", "low": 0, "high": 100, "unit": "%"},
        {"id": "conclusion", "text": "Conclusion", "kind": "text", "is_diagnosis": True},
    ],
}  # fmt: skip


def make_slide(path: Path, seed: int) -> Path:
    """A small picture that no other seed gives, as a slide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_picture(path.suffix, seed))
    return path


@cache
def _picture(suffix: str, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(120, 255, (96, 128, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, Image.registered_extensions()[suffix])
    return file.getvalue()


def write_forms(path: Path, *forms: object) -> Path:
    path.write_text(json.dumps({"forms": forms}, indent=2))
    return path
