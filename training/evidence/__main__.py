"""Makes slides, readers, predictors and figures: python -m training.evidence DATA WORK.

See docs/evidence.md. Up to `--open-held-back` the held-back slides are not even made; with it they
are measured once, and a second time is refused. What was interrupted goes on where it was, and
several runs side by side share the work.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from training.evidence.figures import write_figures
from training.evidence.measuring import Results, measure
from training.evidence.preparing import prepare, use_one_thread
from training.evidence.protocol import load_protocol
from training.evidence.sharing import alone
from training.evidence.tables import tables, verdict
from training.evidence.teaching import teach
from viewer.files.atomic_write import atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.evidence.protocol import Split

RESULTS = "results.json"


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(prog="training.evidence", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with tiles/")
    parser.add_argument("work", type=Path, help="a folder for slides, sessions and models")
    parser.add_argument("--open-held-back", action="store_true", help="the final figures, once")
    arguments = parser.parse_args()
    os.environ["COVERSLIP_HOME"] = str(arguments.work / "home")
    use_one_thread()
    results = run(arguments.data / "tiles", arguments.work, open_held_back=arguments.open_held_back)
    print(f"\n{results.split}, {results.slides} slides\n\n{tables(results)}\n\n{verdict(results)}")


def run(tiles: Path, work: Path, *, open_held_back: bool) -> Results:
    """Return the figures of the validation slides, or, once, of those that are held back."""
    opened = work / RESULTS
    _refuse_twice(opened, open_held_back=open_held_back)
    protocol = load_protocol()
    taught_by = prepare(protocol, "train", tiles, work, _progress("train"))
    split: Split = "held-back" if open_held_back else "validation"
    slides = prepare(protocol, split, tiles, work, _progress(split))
    models = teach(protocol, taught_by, work, _say)
    results = measure(protocol, taught_by, slides, models, work, split, _progress("measured"))
    with alone(opened):
        if open_held_back and not opened.exists():
            atomic_write_bytes(opened, msgspec.json.format(msgspec.json.encode(results), indent=1))
            write_figures(results, work / "figures")
    return results


def _refuse_twice(opened: Path, *, open_held_back: bool) -> None:
    if open_held_back and opened.exists():
        sys.exit(f"{opened} is there: the held-back slides were opened already, and are but once.")


def _progress(what: str) -> Callable[[int], object]:
    return lambda count: _say(f"{what}: {count} slides") if count % 10 == 0 else None


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
