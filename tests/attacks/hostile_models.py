"""TorchScripts that reach for the user's files, as a reviewer of Coverslip wrote them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from pathlib import Path


class WritesThroughMap(nn.Module):
    """Maps a file of the user's into memory and overwrites it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped = torch.from_file(self.path, True, 8, dtype=torch.uint8)
        mapped.fill_(65)
        return mapped[:2].float()[None].expand(x.shape[0], 2)


class Reads(nn.Module):
    """Answers with the bytes of a private file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        secret = torch.from_file(self.path, False, 2, dtype=torch.uint8).float()
        return secret[None, :2].expand(x.shape[0], 2)


class Saves(nn.Module):
    """Writes a file where the user keeps his own."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return torch.zeros(x.shape[0], 2)


class SavesAtLoad(nn.Module):
    """Writes a file as soon as it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self.path, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.ones(3), self.path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(x.shape[0], 2)


class WritesThenReads(nn.Module):
    """Writes a file when it is loaded and when it is asked, and answers with a private file."""

    def __init__(self, written: str, secret: str) -> None:
        super().__init__()
        self.written = written
        self.secret = secret

    @torch.jit.export
    def __getstate__(self) -> tuple[str, str, bool]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self.written, self.secret, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, str, bool]) -> None:
        self.written = state[0]
        self.secret = state[1]
        self.training = state[2]
        torch.save(torch.ones(3), self.written + ".load")

    def stolen(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.written)
        return torch.from_file(self.secret, False, 2, dtype=torch.uint8).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stolen(x)[None, :2].expand(x.shape[0], 2)


class OfBlocks(WritesThenReads):
    """The same as a network of pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] * 0 + self.stolen(x)[0]


class OfSlides(WritesThenReads):
    """The same as a slide model."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.stolen(x), x[None, :, 0]


class OfPoints(WritesThenReads):
    """The same as a model that outlines what is pointed at."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: torch.Tensor, points: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        return x[:, :1] * 0 + self.stolen(x)[0] + points.sum() * 0 + labels.sum() * 0


class AtLoad(WritesThenReads):
    """Does all of it when it is loaded already."""

    @torch.jit.export
    def __setstate__(self, state: tuple[str, str, bool]) -> None:
        self.written = state[0]
        self.secret = state[1]
        self.training = state[2]
        torch.save(torch.ones(3), self.written + ".load")
        torch.save(torch.from_file(self.secret, False, 2, dtype=torch.uint8), self.written)


class Endless(nn.Module):
    """Never returns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() > -1.0e30):
            x = x + 0
        return x


class Hungry(nn.Module):
    """Takes more memory with each step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = [torch.ones(1)]
        while len(held) < 100000:
            held.append(torch.ones(4000000) * float(len(held)))
        return x[:, :2, 0, 0] + held[0]


class Harmless(nn.Module):
    """What a laboratory would make: how bright a patch is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x.mean([1, 2, 3])
        return torch.stack([bright, 1 - bright], 1)


def make_model(folder: Path, module: nn.Module, name: str = "Foreign", **changes: object) -> Path:
    """A folder with model.json and the module as TorchScript, a classifier of small patches."""
    folder.mkdir(parents=True)
    weights = folder / "weights.pt"
    torch.jit.script(module).save(str(weights))
    return describe(folder, weights, name=name, format="torchscript", **changes)


def describe(folder: Path, weights: Path, **changes: object) -> Path:
    """Write the model.json of weights that lie in a folder."""
    about = {
        "name": "Foreign",
        "version": "1",
        "task": "classification",
        "mpp_um": 2.0,
        "patch_px": 64,
        "classes": [{"name": c, "colour": "#00aa00"} for c in ("A", "B")],
        "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "licence": "MIT",
    } | changes
    (folder / "model.json").write_text(json.dumps(about))
    return folder
