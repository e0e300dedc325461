"""What a run found, as the command line prints it and writes it to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from viewer.cli.output import fail
from viewer.files.atomic_write import unwritable

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.running import ModelRun

_LEAST_CHANCE = 0.5
"""A label is there with at least this."""


def run_record(
    run: ModelRun, bundle: ModelBundle, out: Path | None, slide: Path, least_um2: float
) -> dict[str, object]:
    """Write the file that is asked for, and return what is printed."""
    from viewer.annotations.formats.problems import AnnotationFileError
    from viewer.annotations.masks.label_masks import MaskError

    if out is not None:
        try:
            _write(run, bundle, out, slide, least_um2)
        except (MaskError, AnnotationFileError) as error:
            fail(str(error))
        except OSError as error:
            fail(unwritable(out, error))
    return {
        "model": bundle.description.name,
        "version": bundle.description.version,
        "device": run.device or "kept results",
        "region": [run.box.x0, run.box.y0, run.box.width, run.box.height],
        "mpp_um": run.mpp_um,
        "unanswered": run.unanswered.count,
        "unlike_training": run.unlike.count,
        **_counts(run, bundle),
        "elapsed_s": round(run.elapsed_s, 2),
        "out": str(out) if out else None,
    }


def _write(run: ModelRun, bundle: ModelBundle, out: Path, slide: Path, least_um2: float) -> None:
    from viewer.annotations.formats.origins import origin_sentence
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.inference.tasks.known import TASKS
    from viewer.overlays.counting import analyzed_share
    from viewer.overlays.files.area_files import AREA_FORMATS, write_areas
    from viewer.overlays.files.export import FORMATS, write_objects
    from viewer.overlays.files.patch_files import write_cells
    from viewer.overlays.result_card import ResultCard

    card = ResultCard(
        model=bundle.name,
        version=bundle.version,
        slide=run.identity,
        mpp_um=run.mpp_um,
        region_px=(run.box.x0, run.box.y0, run.box.width, run.box.height),
        share=round(analyzed_share(run.found, run.area), 6),
        device=run.device,
    ).with_holes(run.unanswered)
    patches = run.found.as_patches
    if run.found.as_objects is not None:
        write_objects(out, run.objects(), bundle.colors, run.box, run.mpp_um, card, run.bounds_px)
        if any(run.bounds_px) and out.suffix.lower() in FORMATS["GeoJSON, for QuPath"]:
            sentence = origin_sentence("bounds", run.bounds_px, is_stated=True)
            typer.echo(f"{out.name}: {sentence}.", err=True)
    elif patches is None:
        fail(f"{out.name} is not written: no file takes what {bundle.name} finds. Leave out --out.")
    elif out.suffix.lower() in AREA_FORMATS["GeoJSON, areas for QuPath"]:
        width, height = patches.grid.slide
        place = SlidePlace(
            str(slide.absolute()),
            slide.name,
            run.identity,
            (int(width), int(height)),
            (run.mpp_um, run.mpp_um),
            run.bounds_px,
        )
        write_areas(
            out, patches, bundle.colors, run.area, place, least_um2, card,
            is_map=TASKS[bundle.task].is_map,
        )  # fmt: skip
    else:
        values, names = run.cell_values(bundle)
        write_cells(out, patches, values, names, run.area, card)


def _counts(run: ModelRun, bundle: ModelBundle) -> dict[str, object]:
    from viewer.inference.tasks.known import TASKS

    names = [name for name, _ in bundle.colors]
    if run.found.as_objects is not None:
        objects = run.objects()
        counts = {name: int((objects.classes == i).sum()) for i, name in enumerate(names)}
        return {"objects": len(objects), "classes": counts, **_of_cells(bundle, counts)}
    if (patches := run.found.as_patches) is None:
        return {"found": run.found.count}
    inside = patches.cells_in(run.area)
    result: dict[str, object] = {"cells": int(inside.sum())}
    kind = TASKS[bundle.task]
    if kind.has_head and inside.any():
        values = run.cell_values(bundle)[0][inside]
        if bundle.description.head == "regression":
            means = values[(values == values).all(1)].mean(0).tolist()
            return result | {"means": dict(zip(names, means, strict=True))}
        likeliest = values.argmax(-1)
        if bundle.description.head in ("sigmoid", "logit") or len(names) == 1:
            # Labels that do not exclude each other are each there or not.
            above = (values >= _LEAST_CHANCE).sum(0).tolist()
            return result | {"classes": dict(zip(names, above, strict=True))}
        counts = {name: int((likeliest == i).sum()) for i, name in enumerate(names)}
        result["classes"] = counts
        if kind.is_map:
            cell_mm2 = (patches.cell * run.mpp_um / 1000) ** 2
            areas = {name: round(count * cell_mm2, 6) for name, count in counts.items()}
            result["areas_mm2"] = areas
    if run.judged is not None:
        chances = zip(names, run.judged.chances.tolist(), strict=True)
        result["chances"] = {name: round(chance, 4) for name, chance in chances}
    return result


def _of_cells(bundle: ModelBundle, counts: dict[str, int]) -> dict[str, object]:
    """Return settings and scores of what was found by cell settings; nothing of other models."""
    from viewer.overlays.graded_cells import GradedCells

    cells = bundle.description.cells
    if cells is None:
        return {}
    scores = {"scores": GradedCells.of(counts).record()} if cells.is_scored else {}
    return {"stains": cells.stains.text, "settings": cells.text, **scores}
