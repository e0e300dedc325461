"""Bars that show in a terminal how far something is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

    from viewer.inference.runs.run_clock import Progress


def bars(*columns: ProgressColumn) -> Bar:
    """Return bars on stderr with these columns, or rich's own; they show nothing in a pipe."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    # Where nobody sees a bar, its end would be an empty line.
    return Bar(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def share_bar(title: str) -> Generator[Callable[[float], None]]:
    """Give what shows which share of something is done, 0 to 1."""
    with bars() as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def progress_bar() -> Generator[Callable[[Progress], None]]:
    """Give what shows how far a run is."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    with bars(BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()) as bar:
        task = bar.add_task("", rate="", total=None)

        def show(progress: Progress) -> None:
            rate = f"{progress.done}/{progress.total}, {progress.blocks_per_s:.1f} fields/s"
            bar.update(task, total=progress.total or None, completed=progress.done, rate=rate)

        yield show
