"""Learns from recorded sessions how to go over a slide, and is measured on sessions held back.

coverslip sessions export --format trajectories --least-dwell-s 0.5 -o steps
python examples/behavior_cloning.py steps SLIDES

Behavior cloning, the simplest way to learn from demonstrations: a small network sees the whole
slide from afar, where it is and where it has been, and learns where the reader went next, how
close, and when they stopped. Then it reads the slides of patients that taught it nothing, in the
environment, against an agent that goes anywhere. Needs coverslip[environment], torch and pyarrow.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import torch
from torch import nn

import coverslip

GRID = 32
"""Places along a side of the square that just holds the slide."""
SCALES = 10
"""Sizes of field, halving from the whole slide on."""
CLOSE = 2
"""Scale from which a look is one at details, and not at the whole slide."""
SAME = 0.3
WALKS = 5
RESAMPLES = 2000
WHITE = 0.85 - 0.7
"""Of colors, less their mean: brighter is glass, and beyond the slide."""


@dataclass
class Demonstration:
    """A session: fields (n + 1, 4) in level-0 pixels, and seconds before each of n actions."""

    slide: str
    split: str
    fields: np.ndarray
    dwell_s: np.ndarray


@dataclass
class Overview:
    """A slide from afar: (3, GRID, GRID) colors of the square of `side_px` that just holds it."""

    path: Path
    colors: np.ndarray
    corner: tuple[float, float]
    side_px: float


class Policy(nn.Module):
    """(n, 5, GRID, GRID) -> logits of the next place (GRID^2), of its scale, and of a stop."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(5, width, 3, padding=1), nn.GELU()]
        for dilation in (1, 2, 4):
            layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.place = nn.Conv2d(width, 1, 1)
        self.rest = nn.Linear(2 * width, SCALES + 1)

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the three logits."""
        inner = self.body(seen)
        here = seen[:, 3:4]
        local = (inner * here).sum((2, 3)) / here.sum((2, 3)).clamp(min=1)
        rest = self.rest(torch.cat([inner.mean((2, 3)), local], 1))
        return self.place(inner).flatten(1), rest[:, :-1], rest[:, -1]


def load_demonstrations(folder: Path) -> list[Demonstration]:
    """Read an export of the format "trajectories"."""
    table = pyarrow.parquet.read_table(folder / "trajectories.parquet").drop_columns(["image"])
    sessions: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        sessions.setdefault(row["session"], []).append(row)
    names = ("x0_px", "y0_px", "x1_px", "y1_px")
    return [
        Demonstration(
            rows[0]["slide"],
            rows[0]["patient_split"],
            np.array([[row[name] for name in names] for row in rows]),
            np.array([row["dwell_s"] for row in rows]),
        )
        for rows in sessions.values()
    ]


def load_overviews(slides: list[Path], wanted: set[str]) -> dict[str, Overview]:
    """Return the slides that were read, by identity. They have to tell their pixel size."""
    found: dict[str, Overview] = {}
    for path in slides:
        try:
            slide = coverslip.open_slide(path)
        except coverslip.CoverslipError:
            continue  # a folder of slides holds other files, too
        with slide:
            names = [identity for identity in wanted if slide.info.is_called(identity)]
            mpp_um = slide.info.optics.mean_mpp_um
            if not names or mpp_um is None:
                continue
            width, height = slide.levels[0].width_px, slide.levels[0].height_px
            side = max(width, height)
            x0, y0 = (width - side) / 2, (height - side) / 2
            box = (x0, y0, x0 + side, y0 + side)
            image = coverslip.read_region(slide, box, mpp_um * side / GRID)[:GRID, :GRID]
        colors = np.moveaxis(image.astype(np.float32) / 255 - 0.7, -1, 0)
        found |= {name: Overview(path, colors, (x0, y0), side) for name in names}
    return found


def seen_from(overview: Overview, fields: list[np.ndarray]) -> np.ndarray:
    """Return (5, GRID, GRID): colors, the present field, and how closely each place was seen."""
    masks = np.zeros((2, GRID, GRID), np.float32)
    for field in fields:
        x0, y0, x1, y1 = _on_grid(overview, field)
        columns = slice(max(0, math.floor(x0)), max(1, math.ceil(x1)))
        rows = slice(max(0, math.floor(y0)), max(1, math.ceil(y1)))
        closeness = min(1.0, scale_of(overview, field) / 5)
        masks[1, rows, columns] = np.maximum(masks[1, rows, columns], closeness)
        masks[0] = 0
        masks[0, rows, columns] = 1
    return np.concatenate([overview.colors, masks])


def scale_of(overview: Overview, field: np.ndarray) -> int:
    """Return how many times the field was halved from the whole slide."""
    octaves = math.log2(overview.side_px / max(field[2] - field[0], 1.0))
    return min(max(round(octaves), 0), SCALES - 1)


def place_of(overview: Overview, field: np.ndarray) -> int:
    """Return the place on the grid of a field's middle."""
    x0, y0, x1, y1 = _on_grid(overview, field)
    column, row = (min(max(int((a + b) / 2), 0), GRID - 1) for a, b in ((x0, x1), (y0, y1)))
    return row * GRID + column


def learn(
    demonstrations: list[Demonstration],
    overviews: dict[str, Overview],
    epochs: int,
    seed: int,
) -> Policy:
    """Teach a policy each step of the demonstrations."""
    torch.manual_seed(seed)
    seen, places, scales, stops = [], [], [], []
    for shown in demonstrations:
        overview = overviews[shown.slide]
        for step in range(len(shown.fields)):
            is_last = step + 1 == len(shown.fields)
            then = shown.fields[step if is_last else step + 1]
            seen.append(seen_from(overview, list(shown.fields[: step + 1])))
            places.append(place_of(overview, then))
            scales.append(scale_of(overview, then))
            stops.append(float(is_last))
    x = torch.from_numpy(np.stack(seen))
    place, scale = torch.tensor(places), torch.tensor(scales)
    stop = torch.tensor(stops)
    policy = Policy()
    optimizer = torch.optim.AdamW(policy.parameters(), 2e-3, weight_decay=1e-3)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x)).split(32):
            where, how_close, whether = policy(x[batch])
            goes_on = stop[batch] == 0
            loss = nn.functional.binary_cross_entropy_with_logits(whether, stop[batch])
            if goes_on.any():
                loss = loss + nn.functional.cross_entropy(where[goes_on], place[batch][goes_on])
                loss = loss + nn.functional.cross_entropy(how_close[goes_on], scale[batch][goes_on])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        if (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
            print(f"epoch {epoch + 1}: loss {total / len(x):.3f}", flush=True)
    return policy.eval()


class Cloned:
    """Goes where the policy expects the reader to go."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def next_field(
        self, overview: Overview, fields: list[np.ndarray], rng: np.random.Generator
    ) -> tuple[int, int]:
        """Return place and scale, drawn by their probabilities."""
        with torch.inference_mode():
            x = torch.from_numpy(seen_from(overview, fields))[None]
            where, how_close, _ = self._policy(x)
        return _drawn(where[0], rng), _drawn(how_close[0], rng)


class AnyPlace:
    """Goes anywhere but to the glass, as close as readers do."""

    def __init__(self, scales: list[int]) -> None:
        self._scales = scales

    def next_field(
        self, overview: Overview, fields: list[np.ndarray], rng: np.random.Generator
    ) -> tuple[int, int]:
        """Return a place that is not white, and a scale."""
        del fields
        rows, columns = np.nonzero(overview.colors.min(0) < WHITE)
        place = int(rng.integers(len(rows))) if len(rows) else 0
        row, column = (int(rows[place]), int(columns[place])) if len(rows) else (0, 0)
        return row * GRID + column, int(rng.choice(self._scales))


def agreed(
    env: coverslip.SlideEnv,
    agent: Cloned | AnyPlace,
    shown: Demonstration,
    overview: Overview,
    rng: np.random.Generator,
) -> float:
    """Return how often an agent, put where the reader was, goes to the field of the next look.

    It does where both overlap by `SAME` (intersection over union): in place and in scale.
    """
    hits: list[bool] = []
    for step in range(1, len(shown.fields)):
        _, info = env.reset(options={"field": tuple(shown.fields[step - 1].tolist())})
        place, scale = agent.next_field(overview, list(shown.fields[:step]), rng)
        now = np.array(info["field"])
        *_, info = env.step(_action(now, _field(overview, place, scale)))
        hits.append(_overlap(np.array(info["field"]), shown.fields[step]) >= SAME)
    return float(np.mean(hits)) if hits else math.nan


def covered(
    env: coverslip.SlideEnv,
    agent: Cloned | AnyPlace,
    shown: Demonstration,
    overview: Overview,
    rng: np.random.Generator,
) -> float:
    """Return the share of the reader's close looks that an agent shows, walking by itself.

    It walks as many steps. A look is shown where its middle lies in a field at most twice as wide.
    """
    _, info = env.reset(options={"field": tuple(shown.fields[0].tolist())})
    visited = [np.array(info["field"])]
    for _ in range(len(shown.fields) - 1):
        place, scale = agent.next_field(overview, visited, rng)
        *_, info = env.step(_action(visited[-1], _field(overview, place, scale)))
        visited.append(np.array(info["field"]))
    close = [i for i, each in enumerate(shown.fields) if scale_of(overview, each) >= CLOSE]
    total = shown.dwell_s[close].sum()
    met = [i for i in close if any(_shows(field, shown.fields[i]) for field in visited[1:])]
    return float(shown.dwell_s[met].sum() / total) if total > 0 else math.nan


MEASURES = {"next looks met": agreed, "close looks covered": covered}


def measure(
    agents: dict[str, Cloned | AnyPlace],
    held: list[Demonstration],
    overviews: dict[str, Overview],
    rng: np.random.Generator,
) -> dict[str, dict[str, np.ndarray]]:
    """Return each measure of each agent for the sessions held back, a mean of some walks."""
    shares = {measure: {name: [] for name in agents} for measure in MEASURES}
    for shown in held:
        overview = overviews[shown.slide]
        env = coverslip.SlideEnv([overview.path], 64, max_steps=len(shown.fields))
        for measure, of in MEASURES.items():
            for name, agent in agents.items():
                walks = [of(env, agent, shown, overview, rng) for _ in range(WALKS)]
                shares[measure][name].append(float(np.mean(walks)))
        env.close()
    return {
        measure: {name: np.array(values) for name, values in by_name.items()}
        for measure, by_name in shares.items()
    }


def main() -> None:
    """Learn, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trajectories", type=Path, help="folder of the export")
    parser.add_argument("slides", type=Path, help="folder of slides")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    every = load_demonstrations(arguments.trajectories)
    paths = sorted(path for path in arguments.slides.iterdir() if path.is_file())
    overviews = load_overviews(paths, {each.slide for each in every})
    every = [each for each in every if each.slide in overviews]
    taught = [each for each in every if each.split == "train"]
    held = [each for each in every if each.split == "test"]
    if not taught or not held:
        parser.exit(2, "There have to be sessions that teach and that are held back.\n")
    policy = learn(taught, overviews, arguments.epochs, arguments.seed)
    scales = [scale_of(overviews[s.slide], field) for s in taught for field in s.fields[1:]]
    rng = np.random.default_rng(arguments.seed)
    agents: dict[str, Cloned | AnyPlace] = {"cloned": Cloned(policy), "random": AnyPlace(scales)}
    shares = measure(agents, held, overviews, rng)
    print(f"{len(taught)} sessions taught, {len(held)} held back")
    for measure_name, by_name in shares.items():
        ahead = by_name["cloned"] - by_name["random"]
        for name, values in {**by_name, "ahead": ahead}.items():
            means = rng.choice(values, (RESAMPLES, len(values))).mean(1)
            low, high = np.quantile(means, [0.025, 0.975])
            print(f"{measure_name}, {name}: {values.mean():.3f} ({low:.3f} to {high:.3f})")


def _on_grid(overview: Overview, field: np.ndarray) -> np.ndarray:
    return (field - np.array(overview.corner * 2)) * GRID / overview.side_px


def _field(overview: Overview, place: int, scale: int) -> np.ndarray:
    side = overview.side_px / 2**scale
    row, column = divmod(place, GRID)
    x = overview.corner[0] + (column + 0.5) * overview.side_px / GRID
    y = overview.corner[1] + (row + 0.5) * overview.side_px / GRID
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])


def _action(now: np.ndarray, then: np.ndarray) -> dict[str, Any]:
    """Return the one action that leads from a field to another."""
    width, height = now[2] - now[0], now[3] - now[1]
    move = np.array([(then[0] + then[2] - now[0] - now[2]) / 2 / width,
                     (then[1] + then[3] - now[1] - now[3]) / 2 / height])  # fmt: skip
    octaves = math.log2(width / (then[2] - then[0]))
    kind = int(abs(octaves) > 1e-6)
    if kind:
        move = move / (1 - 2**-octaves)
    return {"kind": kind, "move": move, "zoom": np.array([octaves * kind]), "answer": 0}


def _shows(field: np.ndarray, look: np.ndarray) -> bool:
    x, y = (look[0] + look[2]) / 2, (look[1] + look[3]) / 2
    is_close = field[2] - field[0] <= 2 * (look[2] - look[0])
    return bool(is_close and field[0] <= x <= field[2] and field[1] <= y <= field[3])


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    areas = [float(np.prod(each[2:] - each[:2])) for each in (a, b)]
    return common / (sum(areas) - common)


def _drawn(logits: torch.Tensor, rng: np.random.Generator) -> int:
    chances = torch.softmax(logits.double(), 0).numpy()
    return int(rng.choice(len(chances), p=chances / chances.sum()))


if __name__ == "__main__":
    main()
