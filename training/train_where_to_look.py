"""Proves and trains the predictor of where to look: python -m training.train_where_to_look DATA.

No readers' sessions are at hand, so simulated readers read slides that are put together from the
tiles of Osteosarcoma-UT and CRC-VAL-HE-7K, at 1 um/px. Tiles of slides that are held back are in
none that teaches; the sample slide is held back, too. Each policy gets a predictor of its own, and
each is measured on all policies. That of the drill at density is shipped.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
from PIL import Image

from training.data_folders import folder_with
from viewer.attention.evaluating import evaluate_predictor
from viewer.attention.fitting import TrainingOptions
from viewer.attention.predictor import Predictor
from viewer.attention.simulating import POLICIES, PolicyParameters, simulate_session
from viewer.attention.training import train_predictor
from viewer.inference.models.bundle import MODEL_FILE, load_bundle
from viewer.inference.models.bundle_writing import WEIGHTS
from viewer.inference.models.model_library import BUNDLED
from viewer.slides import open_slide

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from viewer.attention.evaluating import Evaluation

TAUGHT, HELD_BACK = 16, 6
ROWS, COLUMNS, SIDE_PX = 3, 4, 1024
READERS = 2
SAMPLE = Path(__file__).parents[1] / "resources" / "slides" / "CMU-1-Small-Region.svs"
LICENSE = (
    "MIT; trained on simulated readers of Osteosarcoma-UT (CC BY 3.0) and CRC-VAL-HE-7K "
    "(CC BY 4.0); encoder trained on BBBC038 (CC0)"
)
OPTIONS = TrainingOptions(seed=1, variants=3, license=LICENSE)
_GLASS = 243


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=folder_with("tiles"), help="folder with tiles/")
    parser.add_argument("work", type=Path, help="a folder for slides, sessions and models")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--policies", nargs="*", default=list(POLICIES), choices=POLICIES)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    os.environ["COVERSLIP_HOME"] = str(arguments.work / "home")
    make_slides(arguments.data / "tiles", arguments.work)
    for policy in arguments.policies:
        read_slides(arguments.work, policy)
    for policy in arguments.policies:
        model = train(arguments.work, policy)
        for other in arguments.policies:
            told = measure(model, arguments.work, other)
            show(policy, other, told, is_whole=policy == other)
        if policy == "drill":
            shipped = BUNDLED / "where-to-look"
            shipped.mkdir(exist_ok=True)
            for file in (MODEL_FILE, WEIGHTS):
                shutil.copyfile(model / file, shipped / file)


def make_slides(tiles: Path, work: Path) -> None:
    """Slides that teach and slides that are held back, from tiles of their own."""
    rng = np.random.default_rng(0)
    bone = _parted(sorted((tiles / "osteosarcoma-ut").rglob("*.jpg")), rng)
    bowel = [
        _parted(sorted(folder.glob("*.jpg")), rng)
        for folder in sorted((tiles / "crc-val-he-7k").iterdir())
    ]
    for part, (name, count) in enumerate((("taught", TAUGHT), ("held back", HELD_BACK))):
        folder = work / "slides" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture = _mosaic(bone[part], [each[part] for each in bowel], rng)
            path = folder / f"{number}.tif"
            if not path.exists():
                write_slide(path, picture)
    shutil.copyfile(SAMPLE, work / "slides" / "held back" / SAMPLE.name)


def read_slides(work: Path, policy: str) -> None:
    """Sessions of simulated readers of one policy; every slide has readers of its own."""
    for name in ("taught", "held back"):
        library = work / "sessions" / policy / name
        if library.exists():
            continue
        for number, path in enumerate(sorted((work / "slides" / name).iterdir())):
            source = open_slide(path)
            for reader in range(READERS):
                seed = (10_000 if name == "held back" else 0) + READERS * number + reader
                simulate_session(source, policy, seed, library, PolicyParameters())  # pyright: ignore[reportArgumentType]
            source.close()


def train(work: Path, policy: str) -> Path:
    folder = work / "models" / policy
    folder.parent.mkdir(exist_ok=True)
    if not folder.exists():
        sessions = sorted((work / "sessions" / policy / "taught").iterdir())
        done = train_predictor(sessions, folder, OPTIONS, [work / "slides" / "taught"])
        print(f"{policy}: {done.epochs} epochs, best {done.best_epoch}: {done.validation_loss:.3f}")
    return folder


def measure(model: Path, work: Path, policy: str) -> Evaluation:
    sessions = sorted((work / "sessions" / policy / "held back").iterdir())
    predictor = Predictor(load_bundle(model))
    return evaluate_predictor(predictor, sessions, [work / "slides" / "held back"])


def show(taught: str, policy: str, told: Evaluation, *, is_whole: bool) -> None:
    """A line of Markdown, or a table of all maps where a predictor is at home."""
    names = list(told.figures["predictor"])
    if not is_whole:
        ours = told.figures["predictor"]["KL bands"]
        print(f"taught by {taught}, read by {policy}: KL bands {ours.mean:.3f}", flush=True)
        return
    print(f"\ntaught and read by {policy}, {told.sessions} sessions on {told.slides} slides\n")
    print("| map | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for each, figures in told.figures.items():
        print(f"| {each} | " + " | ".join(f"{figures[name].mean:.3f}" for name in names) + " |")
    for each, figures in told.ahead.items():
        cells = (figures[name] for name in names)
        told_ahead = (f"{c.mean:+.3f} ({c.low:+.3f} to {c.high:+.3f})" for c in cells)
        print(f"| ahead of {each} | " + " | ".join(told_ahead) + " |")
    print(flush=True)


def write_slide(path: Path, pixels: NDArray[np.uint8], mpp_um: float = 1.0) -> None:
    """A tiled TIFF that tells its pixel size."""
    per_cm = 10_000 / mpp_um
    tifffile.imwrite(
        path,
        pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )


def _parted(files: list[Path], rng: Generator) -> tuple[list[Path], list[Path]]:
    order = [files[index] for index in rng.permutation(len(files)).tolist()]
    cut = max(1, round(len(order) * 2 / 3))
    return order[:cut], order[cut:]


def _mosaic(bone: list[Path], bowel: list[list[Path]], rng: Generator) -> NDArray[np.uint8]:
    """Pieces of bone and bowel, turned at random, a fifth of the places glass."""
    picture = np.full((ROWS * SIDE_PX, COLUMNS * SIDE_PX, 3), _GLASS, np.uint8)
    for row in range(ROWS):
        for column in range(COLUMNS):
            if rng.random() < 0.2:
                continue
            is_bone = rng.random() < 0.7
            piece = _pixels(bone, SIDE_PX, rng) if is_bone else _bowel_piece(bowel, rng)
            y, x = row * SIDE_PX, column * SIDE_PX
            picture[y : y + SIDE_PX, x : x + SIDE_PX] = piece
    return picture


def _bowel_piece(classes: list[list[Path]], rng: Generator) -> NDArray[np.uint8]:
    """Nine fields, each of one tissue; a tile has 112 um."""
    piece = np.full((SIDE_PX, SIDE_PX, 3), _GLASS, np.uint8)
    for y in range(8, SIDE_PX - 336, 336):
        for x in range(8, SIDE_PX - 336, 336):
            tiles = classes[int(rng.integers(len(classes)))]
            for dy in range(0, 336, 112):
                for dx in range(0, 336, 112):
                    at = slice(y + dy, y + dy + 112), slice(x + dx, x + dx + 112)
                    piece[at] = _pixels(tiles, 112, rng)
    return piece


def _pixels(tiles: list[Path], side_px: int, rng: Generator) -> NDArray[np.uint8]:
    with Image.open(tiles[int(rng.integers(len(tiles)))]) as tile:
        pixels = np.asarray(tile.convert("RGB").resize((side_px, side_px)))
    pixels = np.rot90(pixels, int(rng.integers(4)))
    return pixels[:, ::-1] if rng.integers(2) else pixels


if __name__ == "__main__":
    main()
