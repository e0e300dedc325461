"""Asks where to write what an overlay found, and writes it off the window's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.overlays.result_card import ResultCard
from viewer.plurals import plural
from viewer.ui.file_dialogs import ask_new_file
from viewer.ui.services import DialogHost, MessageHost, OverlayHost, SettingsHost
from viewer.ui.slides.slide_place import place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.overlays.overlay import Overlay


class ExportHost(MessageHost, DialogHost, SettingsHost, OverlayHost, Protocol):
    """What exports of results ask of the window."""


def ask_export(window: ExportHost, background: BackgroundRunner, run: Overlay) -> None:
    """Open the dialog."""
    from viewer.overlays.files.export import FORMATS
    from viewer.overlays.files.patch_files import CELL_FORMATS

    if run.found.as_objects is None and run.found.as_patches is None:
        window.say(f"No file takes what {run.origin.name} finds.")
        return
    formats = CELL_FORMATS if run.found.as_objects is None else FORMATS
    filters = {f"{name} ({' '.join(f'*{end}' for end in ends)})": ends[0]
               for name, ends in formats.items()}  # fmt: skip
    last = window.settings.results_format
    ends = {end: chosen for chosen, end in filters.items()}

    def take(path: Path, chosen: str) -> None:
        window.change_settings(results_format=filters[chosen])
        export_run(window, background, run, path)

    first = ends.get(last) or ends[".csv"]
    slide = run.pane.path
    stem = run.origin.name if slide is None else f"{slide.stem} {run.origin.name}"
    ask_new_file(window.window(), "Export", take, formats=filters, stem=stem, first=first)


def export_run(window: ExportHost, background: BackgroundRunner, run: Overlay, path: Path) -> None:
    """Write all that is known of the slide; say so, or what is wrong."""
    from viewer.overlays.files.export import FORMATS, check_name
    from viewer.overlays.files.patch_files import CELL_FORMATS

    formats = CELL_FORMATS if run.found.as_objects is None else FORMATS
    if complaint := check_name(path, formats):
        window.show_error(complaint)
        return
    card = _card(run, [each.text for each in window.overlays.shown_in(run.pane)])
    background.run(
        _work(run, path, card),
        lambda count: window.say(_written(count, path, card)),
        lambda error: window.show_error(f"{path.name} cannot be written ({error})."),
        keeps=path.name,
    )


def _written(count: int, path: Path, card: ResultCard | None) -> str:
    from viewer.overlays.files.export import drops_colors

    colors = " This format keeps no colors." if drops_colors(path) else ""
    if card is None or card.is_whole:
        return f"{plural(count, 'result was', 'results were')} written to {path.name}.{colors}"
    part = f"{100 * card.share:.3g} % of the slide"
    return (
        f"{plural(count, f'result of {part} was', f'results of {part} were')} written to "
        f"{path.name}: the rest was not analyzed."
        f"{colors}"
    )


def _card(run: Overlay, shown: list[str]) -> ResultCard | None:
    """Return what a model's results are made of at this moment; None of results of a file."""
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.counting import analyzed_share

    if not run.can_run or not isinstance(run.origin, ModelBundle):
        return None
    box = run.pane.canvas.slide_box
    return ResultCard(
        model=run.origin.name,
        version=run.origin.version,
        slide=run.identity,
        mpp_um=run.mpp_um,
        region_px=(box.x0, box.y0, box.width, box.height),
        share=round(analyzed_share(run.found, box), 6),
        device=run.device,
        overlays_shown=shown,
    ).with_holes(run.found.unanswered)


def _work(run: Overlay, path: Path, card: ResultCard | None) -> Callable[[], int]:
    from viewer.inference.runs.results import cell_values
    from viewer.overlays.files.export import write_objects
    from viewer.overlays.files.patch_files import write_cells

    box, mpp_um, colors = run.pane.canvas.slide_box, run.mpp_um, run.origin.colors
    bounds, outlined = place_of(run.pane).bounds_px, run.found.as_objects
    if outlined is not None:
        objects = outlined.all_objects()

        def write() -> int:
            write_objects(path, objects, colors, box, mpp_um, card, bounds)
            return len(objects)

        return write

    found, heatmap = run.found.as_patches, run.as_heatmap
    assert found is not None
    judged = None if heatmap is None else heatmap.judgment

    def write_map() -> int:
        values, names = cell_values(found, run.origin.task, run.origin.colors, judged)
        write_cells(path, found, values, names, box, card)
        return found.count

    return write_map
