"""What an export is asked for."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads the annotations
from typing import Literal, get_args

import msgspec

from viewer.errors import CoverslipError

Format = Literal[
    "pathology-cot", "chat-jsonl", "parquet", "webdataset", "csv", "trajectories",
    "openai", "llava", "qwen-vl", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "trl",
]  # fmt: skip
FORMATS: tuple[Format, ...] = get_args(Format)
FINE_TUNING = FORMATS[6:]
"""Sets of examples in train and validation."""


class ExportError(CoverslipError):
    """An export that cannot be made; `str()` is one sentence: what is wrong and what to do."""


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions are exported.

    Attributes
    ----------
    mode
        "coverslip": `behaviors.actions_of`; "reference": the rules of the reference recorder.
    crop_px
        Longest side of an action's crop.
    detail_px
        Side of the square detail at an action's most-dwelt point.
    detail_magnification
        Of the detail; 40, where Pathology-CoT looks at cells.
    thumbnail_px
        Longest side of the thumbnails.
    jpeg_quality
        Of all pictures.
    images
        Of chat-jsonl and openai: "data-url" puts pictures into the lines, "file" beside them.
    images_per_example
        Of conversations: longer sessions become several conversations; 10 is what fine-tuning jobs
        of the OpenAI kind take in one.
    validation
        Of fine-tuning sets: the share of the slides that is held back.
    seed
        Draws these slides.
    shard_bytes
        Of webdataset: a shard is closed when it has grown to this.
    places
        Slides and folders of slides to look in, before where they were last open.
    reviewer
        Only rationales that this reviewer accepted; "" takes those of all, but none that another
        reviewer rejected.
    observations
        Of trajectories: "reference" names slide and field, "jpeg" holds the image, too.
    observation_px
        Of trajectories: width and height of what is observed.
    least_dwell_s
        Of trajectories: views that were looked at for less are passed over.
    patients
        Of trajectories: the patient of a slide, by its identity or the name of its file.
    jobs
        Sessions at once.
    """

    format: Format = "parquet"
    mode: Literal["coverslip", "reference"] = "coverslip"
    crop_px: int = 1024
    detail_px: int = 512
    detail_magnification: float = 40.0
    thumbnail_px: int = 1024
    jpeg_quality: int = 90
    images: Literal["data-url", "file"] = "data-url"
    images_per_example: int = 10
    validation: float = 0.2
    seed: int = 0
    shard_bytes: int = 256 << 20
    places: tuple[Path, ...] = ()
    reviewer: str = ""
    observations: Literal["reference", "jpeg"] = "reference"
    observation_px: tuple[int, int] = (512, 512)
    least_dwell_s: float = 0.0
    patients: dict[str, str] = {}
    jobs: int = 2

    @property
    def needs_pixels(self) -> bool:
        if self.format == "trajectories":
            return self.observations == "jpeg"
        return self.format not in ("parquet", "csv")

    @property
    def key(self) -> str:
        """Return whether what an interrupted export left can be gone on with."""
        options = msgspec.structs.asdict(self)
        if self.format not in FINE_TUNING:
            del options["validation"], options["seed"]
        if self.format != "trajectories":
            for name in ("observations", "observation_px", "least_dwell_s", "patients"):
                del options[name]
        if self.needs_pixels:
            options["colors"] = "displayed"  # parts with stored colors are not gone on with
        return msgspec.json.encode({**options, "places": None, "jobs": None}).decode()
