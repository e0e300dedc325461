"""The results as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.evidence.measuring import BASELINES, PREDICTOR, SIGHT
from training.evidence.preparing import DRILL, STEADY_READER
from training.evidence.teaching import CURVE_READER
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.evidence.measuring import Figure, Results


def tables(results: Results) -> str:
    """Return all tables, each under a line that says what it holds."""
    return "\n\n".join(
        [
            _proposals(results),
            _leads(results),
            _agent(results),
            _curve(results),
            _habits(results),
        ]
    )


def _proposals(results: Results) -> str:
    counts = list(results.areas)
    measures = [f"{name}@{count}" for name in ("found", "time") for count in counts]
    heads = [
        f"{name} at {percent(results.areas[count], 1)}"
        for name in ("found", "time")
        for count in counts
    ]
    rows = [
        [reader, name, *(_mean(figures[measure]) for measure in measures)]
        for reader, maps in results.proposals.items()
        for name, figures in maps.items()
    ]
    return "(a) Proposals at equal area:\n\n" + _table(["readers", "map", *heads], rows)


def _leads(results: Results) -> str:
    most = max(results.areas)
    names = (*BASELINES, SIGHT)
    rows = [
        [reader, measure, *(_ahead(results.lead[reader][name][f"{measure}@{most}"])
                            for name in names)]
        for reader in results.lead
        for measure in ("found", "time")
    ]  # fmt: skip
    title = f"The predictor's lead at {percent(results.areas[most], 1)} of the slide:"
    return f"{title}\n\n" + _table(["readers", "", *names], rows)


def _agent(results: Results) -> str:
    rows = [
        [name, _interval(figures["success"]), _interval(figures["steps"]),
         *([_ahead(results.agent_lead[name][m]) for m in ("success", "steps")]
           if name in results.agent_lead else ["", ""])]
        for name, figures in results.agent.items()
    ]  # fmt: skip
    heads = ["order by", "success", "steps", "predictor ahead: success", "steps saved"]
    return "(b) The local agent:\n\n" + _table(heads, rows)


def _curve(results: Results) -> str:
    rows = [
        [str(count), ", ".join(f"{minutes:.0f}" for minutes, _ in points),
         ", ".join(f"{found:.2f}" for _, found in points)]
        for count, points in results.curve.items()
    ]  # fmt: skip
    return "(c) Recorded minutes:\n\n" + _table(["slides", "minutes", "found"], rows)


def _habits(results: Results) -> str:
    kinds = [*(name for name in results.habits if name != STEADY_READER), STEADY_READER]
    rows = [
        [teacher, *(_mean(results.habits[teacher][reader]["KL bands"]) for reader in kinds)]
        for teacher in kinds
    ]
    lines = [f"* {name}: {_ahead(figure)} nats" for name, figure in results.own_better.items()]
    return (
        "(d) Whose model predicts whom, KL over places and magnifications:\n\n"
        + _table(["taught by", *kinds], rows)
        + "\n\n"
        + "\n".join(lines)
    )


def verdict(results: Results) -> str:
    """Return one sentence: whether the protocol's test was won."""
    most = max(results.areas)
    ahead = results.lead[CURVE_READER]["density"][f"found@{most}"]
    drill = results.lead[DRILL]["density"][f"found@{most}"]
    found = results.proposals[CURVE_READER]
    ours, theirs = (percent(found[name][f"found@{most}"].mean) for name in (PREDICTOR, "density"))
    won = "won" if ahead.low > 0 else "lost"
    return (
        f'The test was {won}: with {most} fields the predictor of "{CURVE_READER}" finds '
        f"{ours} of the regions, density {theirs} (difference {_ahead(ahead)}); taught by density "
        f"readers it differs from density by {_ahead(drill)}."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mean(figure: Figure) -> str:
    return f"{figure.mean:.2f}"


def _interval(figure: Figure) -> str:
    return f"{figure.mean:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _ahead(figure: Figure) -> str:
    return f"{figure.mean:+.2f} ({figure.low:+.2f} to {figure.high:+.2f})"
