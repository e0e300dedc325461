"""The four questions of the protocol, asked of slides that taught nothing."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file

from training.evidence.agent import steps_to_find
from training.evidence.fields import fields_of, first_found, share_inside
from training.evidence.impressions import CELL_UM
from training.evidence.preparing import DRILL, STEADY_READER
from training.evidence.sharing import do_each
from training.evidence.slides import hidden_mask
from training.evidence.teaching import CURVE_READER, curve_name
from viewer.attention.predictor import expected_attention, magnifications_of
from viewer.attention.saliency import kl
from viewer.files.atomic_write import atomic_write_bytes
from viewer.geometry import Size
from viewer.inference.architectures.where_to_look import WhereToLook
from viewer.inference.models.bundle import check_weights, load_bundle
from viewer.recording.behaviors import BANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.evidence.preparing import Prepared
    from training.evidence.protocol import Protocol

PREDICTOR, SIGHT = "predictor", "what they go by"
BASELINES = {"density": "density", "tissue": "tissue", "center": "centre", "random": "random"}
"""Names in the tables, and of the maps."""
ORDERS = (PREDICTOR, "density", "random")
_CLOSE = [index for index, band in enumerate(BANDS) if band >= 20]


Head = tuple[WhereToLook, tuple[float | None, ...]]
"""The network of a predictor, and its magnifications."""


class Figure(msgspec.Struct, frozen=True):
    """A mean over slides with its interval (95 %, slides resampled)."""

    mean: float
    low: float
    high: float


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes
    ----------
    proposals
        (a) by reader, map, measure ("found@K", "time@K"), and the predictor's lead over each map.
    agent
        (b) by order: "success", "steps"; and the predictor's lead in them.
    curve
        (c) by number of slides: minutes and the share found with the most fields, each draw.
    habits
        (d) by the reader that taught and the one that is predicted: "KL bands", "KL".
    """

    split: str
    slides: int
    areas: dict[int, float]
    readers_found: dict[str, Figure]
    proposals: dict[str, dict[str, dict[str, Figure]]]
    lead: dict[str, dict[str, dict[str, Figure]]]
    agent: dict[str, dict[str, Figure]]
    agent_lead: dict[str, dict[str, Figure]]
    curve: dict[int, list[tuple[float, float]]]
    habits: dict[str, dict[str, dict[str, Figure]]]
    own_better: dict[str, Figure]


def measure(
    protocol: Protocol,
    taught_by: Sequence[Prepared],
    slides: Sequence[Prepared],
    models: Mapping[str, Path],
    work: Path,
    split: str,
    on_slide: Callable[[int], object] = lambda _: None,
) -> Results:
    """Return all figures; the masks of the hidden regions are opened here and nowhere else."""
    heads = {name: loaded_head(folder) for name, folder in models.items()}
    kept = {each.recipe.name: work / "measured" / f"{each.recipe.name}.json" for each in slides}

    def one(slide: Prepared) -> None:
        found = _measured(protocol, slide, heads, work / "agents" / split)
        path = kept[slide.recipe.name]
        atomic_write_bytes(path, msgspec.json.encode(found))
        on_slide(sum(path.exists() for path in kept.values()))

    do_each((kept[each.recipe.name], partial(one, each)) for each in slides)
    values: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for path in kept.values():
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, float | None])
        for name, value in found.items():
            values[tuple(name.split("/"))].append(float("nan") if value is None else value)
    return _results(protocol, taught_by, values, split, len(slides))


def _measured(
    protocol: Protocol,
    slide: Prepared,
    heads: Mapping[str, Head],
    sessions: Path,
) -> dict[str, float]:
    """Return all values of one slide, by names with a stroke between their parts."""
    most = max(protocol.areas)
    readers = (*protocol.goals, DRILL)
    kinds = (*readers, STEADY_READER)
    values: dict[str, float] = {}
    hidden = hidden_mask(slide.path)
    spreads = {name: spread_of(head, slide) for name, head in heads.items()}
    fields = {
        name: fields_of(slide.maps[stored], CELL_UM, most, protocol)
        for name, stored in BASELINES.items()
    }
    for reader in readers:
        close = slide.seconds[reader][_CLOSE].sum(0)
        proposed = fields | {
            PREDICTOR: fields_of(spreads[reader].sum(0), CELL_UM, most, protocol),
            SIGHT: fields_of(slide.maps[f"sight of {reader}"], CELL_UM, most, protocol),
        }
        for name, some in proposed.items():
            first = first_found(hidden, some, protocol) or most + 1
            for count in protocol.areas:
                inside = share_inside(close, CELL_UM, some[:count], protocol)
                values[f"a/{reader}/{name}/found@{count}"] = float(first <= count)
                values[f"a/{reader}/{name}/time@{count}"] = inside
        if reader == CURVE_READER:
            orders = {each: proposed[each] for each in ORDERS}
            steps = steps_to_find(slide, orders, hidden, protocol, sessions)
            for name, taken in steps.items():
                values[f"b/{name}/success"] = float(taken <= protocol.agent_regions)
                values[f"b/{name}/steps"] = float(taken)
        values[f"found/{reader}"] = _looked_at(close, hidden)
    for count in protocol.curve_slides:
        for seed in protocol.curve_seeds:
            name = curve_name(count, seed)
            some = fields_of(spreads[name].sum(0), CELL_UM, most, protocol)
            values[f"c/{name}"] = float(first_found(hidden, some, protocol) is not None)
    for teacher in kinds:
        for reader in kinds:
            true = slide.seconds[reader][:, slide.known]
            expected = spreads[teacher][:, slide.known]
            values[f"d/{teacher}/{reader}/KL bands"] = kl(expected, true)
            values[f"d/{teacher}/{reader}/KL"] = kl(expected.sum(0), true.sum(0))
    return values


def _results(
    protocol: Protocol,
    taught_by: Sequence[Prepared],
    values: Mapping[tuple[str, ...], list[float]],
    split: str,
    count: int,
) -> Results:
    """Return means and intervals of the values of all slides."""
    rng = np.random.default_rng(protocol.training_seed)
    draws = rng.integers(count, size=(protocol.resamples, count))
    readers = (*protocol.goals, DRILL)
    kinds = (*readers, STEADY_READER)

    def figure(*key: str) -> Figure:
        return _figure(np.array(values[key]), draws)

    def lead(sign: int, ours: tuple[str, ...], theirs: tuple[str, ...]) -> Figure:
        return _figure(sign * (np.array(values[ours]) - np.array(values[theirs])), draws)

    measures = [f"{name}@{count}" for count in protocol.areas for name in ("found", "time")]
    names = (PREDICTOR, *BASELINES, SIGHT)
    whole = protocol.size_px[0] * protocol.size_px[1] * protocol.mpp_um**2
    one = protocol.field_um[0] * protocol.field_um[1] / whole
    return Results(
        split=split,
        slides=count,
        areas={fields: fields * one for fields in protocol.areas},
        readers_found={reader: figure("found", reader) for reader in readers},
        proposals={
            reader: {name: {m: figure("a", reader, name, m) for m in measures} for name in names}
            for reader in readers
        },
        lead={
            reader: {
                name: {
                    m: lead(1, ("a", reader, PREDICTOR, m), ("a", reader, name, m))
                    for m in measures
                }
                for name in names[1:]
            }
            for reader in readers
        },
        agent={
            name: {m: figure("b", name, m) for m in ("success", "steps")} for name in ORDERS
        },
        agent_lead={
            name: {
                "success": lead(1, ("b", PREDICTOR, "success"), ("b", name, "success")),
                "steps": lead(-1, ("b", PREDICTOR, "steps"), ("b", name, "steps")),
            }
            for name in ORDERS[1:]
        },
        curve=_curve(protocol, taught_by, values),
        habits={
            teacher: {
                reader: {m: figure("d", teacher, reader, m) for m in ("KL bands", "KL")}
                for reader in kinds
            }
            for teacher in kinds
        },
        own_better={
            f"{reader} by its own, not {teacher}": lead(
                -1, ("d", reader, reader, m), ("d", teacher, reader, m)
            )
            for reader, teacher in (
                (CURVE_READER, STEADY_READER), (STEADY_READER, CURVE_READER),
            )
            for m in ("KL bands",)
        },
    )  # fmt: skip


def _curve(
    protocol: Protocol,
    taught_by: Sequence[Prepared],
    values: Mapping[tuple[str, ...], list[float]],
) -> dict[int, list[tuple[float, float]]]:
    """Return minutes and share found for each number of slides and draw, all slides last."""
    points: dict[int, list[tuple[float, float]]] = {}
    for seed in protocol.curve_seeds:
        order = np.random.default_rng(seed).permutation(len(taught_by)).tolist()
        for count in protocol.curve_slides:
            some = [taught_by[i] for i in order[:count]]
            found = float(np.mean(values["c", curve_name(count, seed)]))
            points.setdefault(count, []).append((_minutes(some), found))
    most = f"found@{max(protocol.areas)}"
    found = float(np.mean(values["a", CURVE_READER, PREDICTOR, most]))
    points[len(taught_by)] = [(_minutes(taught_by), found)]
    return points


def _minutes(slides: Sequence[Prepared]) -> float:
    return float(sum(each.seconds[CURVE_READER].sum() for each in slides)) / 60


def loaded_head(folder: Path) -> Head:
    """Return the network of a predictor, and its magnifications."""
    bundle = load_bundle(folder)
    check_weights(bundle)
    state = load_file(bundle.weights_path)
    model = WhereToLook(len(BANDS), state["head.enter.weight"].shape[0]).eval()
    model.load_state_dict(state)
    return model, magnifications_of(bundle)


def spread_of(head: Head, slide: Prepared) -> NDArray[np.float32]:
    """Return (bands, rows, columns) the share of time expected; 0 where nothing is known."""
    model, magnifications = head
    with torch.inference_mode():
        logits = model.judged(torch.from_numpy(slide.cells).float())[0].numpy()
    logits = np.where(slide.known, logits, np.nan)
    boxes = [(1.0, 1.0)] * len(magnifications)
    expected = expected_attention(logits, magnifications, boxes, 1.0, Size(1, 1), 1.0)
    return np.nan_to_num(expected.shares)


def _looked_at(close: NDArray[np.float32], hidden: NDArray[np.bool_]) -> float:
    """Return whether a reader looked closely at the middle of the region for a second."""
    rows, columns = np.nonzero(hidden)
    at = int(rows.mean() * 16 // CELL_UM), int(columns.mean() * 16 // CELL_UM)
    return float(close[at] > 0)


def _figure(values: NDArray[np.float64], draws: NDArray[np.integer]) -> Figure:
    """Return the mean, and its interval from slides drawn with replacement; NaN counts nothing."""
    means = np.nanmean(values[draws], 1)
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return Figure(float(np.nanmean(values)), low, high)
