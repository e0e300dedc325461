"""The bar that shows in a terminal how far a run is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from viewer.inference.runs.run_clock import Progress


@contextmanager
def progress_bar() -> Generator[Callable[[Progress], None]]:
    """A bar on stderr, where it can be seen."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    console = Console(stderr=True)
    # Where nobody sees a bar, its end would be an empty line.
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", rate="", total=None)

        def show(progress: Progress) -> None:
            rate = f"{progress.done}/{progress.total}, {progress.blocks_per_s:.1f} fields/s"
            bar.update(task, total=progress.total or None, completed=progress.done, rate=rate)

        yield show
