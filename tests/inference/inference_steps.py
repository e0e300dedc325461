"""Small models made for tests, and a listener that waits."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from viewer.geometry import Box
from viewer.inference.field_features import FEATURES
from viewer.inference.models.bundle import ModelBundle, load_bundle
from viewer.inference.runs.engine import Engine
from viewer.inference.runs.plan import block_grid
from viewer.inference.runs.run_clock import Progress
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.objects import Objects
from viewer.slides import open_slide

if TYPE_CHECKING:
    from viewer.overlays.result_map import BlockResult

PATIENCE_S = 60.0


class Dark(nn.Module):
    """Takes what is dark for a nucleus: quick, and it finds some on any tissue."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dark = (0.6 - x.mean(1, keepdim=True)) * 20
        smooth = nn.functional.avg_pool2d(dark, 5, 1, 2)
        return torch.cat([smooth, smooth * 0 - 5, smooth], 1)


class Spacious(nn.Module):
    """Takes hundreds of megabytes for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.dark = Dark()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dark(x.repeat(1, 50, 1, 1))


class Raises(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(3, 7)


class Roomless(nn.Module):
    """Tells how bright pictures are, if there are no more of them than there is room for."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > self.most:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 18.13 GB)")
        bright = x.mean([1, 2, 3])
        return torch.stack([bright, 1 - bright], 1)


class SeesNoDark(nn.Module):
    """Tells how bright pictures are, and NaN of dark ones."""

    def __init__(self, darkest: float = 0.5) -> None:
        super().__init__()
        self.darkest = darkest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.mean([1, 2, 3])
        bright = torch.where(bright < self.darkest, bright * float("nan"), bright)
        return torch.stack([bright, 1 - bright], 1)


class Brightness(nn.Module):
    """Tells how bright images are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.mean([1, 2, 3])
        return torch.stack([bright, 1 - bright], 1)


class Nonsense(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(-x.abs() - 1)


class Narrow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2]


class Channels(nn.Module):
    """Gives back what it was fed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def make_bundle(folder: Path, module: nn.Module | None = None, /, **changes: object) -> Path:
    """A folder with a model; `changes` take the place of what model.json would say."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.pt"
    torch.jit.script(module or Dark()).save(str(weights))
    about = {
        "name": "Dark",
        "version": "1",
        "task": "instances",
        "mpp_um": 0.5,
        "patch_px": 256,
        "margin_px": 32,
        "classes": [{"name": "Dark", "colour": "#00aa00"}],
        "format": "torchscript",
        "weights": "weights.pt",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "licence": "MIT",
    } | changes
    kept = {name: value for name, value in about.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(kept))
    return folder


def dark_is_unlike(**changes: object) -> dict[str, object]:
    """`training` for model.json by which a field is unlike where its stain is strong."""
    strong = [0.0] * (FEATURES + 1)
    strong[0], strong[-1] = 20.0, 14.0  # of the logarithm of the density in red, about exp(-0.7)
    statistics: dict[str, object] = {
        "features": "field",
        "mean": [0.0] * FEATURES,
        "spread": [1.0] * FEATURES,
        "kinds": ["like", "dark"],
        "weights": [[0.0] * (FEATURES + 1), strong],
        "least": 0.5,
    }
    training: dict[str, object] = {"organs": ["liver"], "stains": ["H&E"], "mpp_um": [0.5, 0.5]}
    return training | {"statistics": statistics | changes}


class Heard:
    """Keeps what an engine tells."""

    def __init__(self) -> None:
        self.blocks: dict[BlockKey, Objects] = {}
        self.order: list[BlockKey] = []
        self.troubles: list[str] = []
        self.final: list[str] = []
        self.devices: list[str] = []
        self.progress = Progress(0, 0, 0.0, None, is_busy=False)
        self._changed = threading.Condition()

    def on_block(self, key: BlockKey, result: BlockResult) -> None:
        assert isinstance(result, Objects)
        with self._changed:
            self.blocks[key] = result
            self.order.append(key)
            self._changed.notify_all()

    def on_progress(self, progress: Progress) -> None:
        with self._changed:
            self.progress = progress
            self._changed.notify_all()

    def on_ready(self, device: str) -> None:
        with self._changed:
            self.devices.append(device)
            self._changed.notify_all()

    def on_trouble(self, sentence: str, *, is_final: bool) -> None:
        with self._changed:
            (self.final if is_final else self.troubles).append(sentence)
            self._changed.notify_all()

    def wait(self, until: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        end_s = time.monotonic() + patience_s
        with self._changed:
            while not until():
                assert time.monotonic() < end_s, f"waited in vain; troubles: {self.troubles}"
                self._changed.wait(0.2)

    def wait_for_run(self) -> None:
        self.wait(lambda: self.progress.total and self.progress.done == self.progress.total)


def engine_on(slide: Path, folder: Path, heard: Heard) -> tuple[Engine, BlockGrid, ModelBundle]:
    """An engine with a model on a slide of 0.5 um/px."""
    bundle = load_bundle(folder)
    source = open_slide(slide)
    mpp_um = source.info.optics.mean_mpp_um or 0.5
    grid = block_grid(source, bundle.description, mpp_um)
    identity = source.info.identity
    source.close()
    return Engine(slide, identity, grid, mpp_um, bundle, heard, "cpu"), grid, bundle


def whole(grid: BlockGrid) -> Box:
    return Box(0, 0, grid.slide.width, grid.slide.height)
