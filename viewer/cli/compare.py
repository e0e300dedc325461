"""`coverslip annotations compare`: how well two sets of annotations agree."""

from __future__ import annotations

import math
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.annotation_options import slide_place
from viewer.cli.output import (
    JsonOption,
    OriginName,
    check_writable,
    fail,
    origin_named,
    print_json,
    print_table,
)
from viewer.files.atomic_write import unwritable
from viewer.limits import LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.comparison import ClassComparison, Comparison, Disagreement
    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace

_MAX_SHOWN = 10


def compare_annotations(
    a: Annotated[Path, typer.Argument(help="Annotations of the one.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="Annotations of the other.", metavar="B")],
    slide: Annotated[
        Path | None, typer.Option(help="The slide: its size is the reference, its scale is used.")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(help="A class, such as Region*, whose regions are the reference."),
    ] = None,
    mpp: Annotated[float | None, typer.Option(help="um per level-0 pixel.", min=0.001)] = None,
    origin: OriginName = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="GeoJSON of where they differ.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell how well two files agree: overlap, kappa, matched outlines, where they differ.

    Kappa needs a reference, the ground that both looked at: the slide, the regions of a class, or
    without either the box round all annotations.
    """
    import shapely

    from viewer.annotations.comparison import compare
    from viewer.geometry import Optics

    if out is not None:
        check_writable(out)
    counts_from = origin_named(origin)
    if counts_from is not None and slide is None:
        fail("--origin says from where files count on a slide: give it with --slide.")
    place = slide_place(slide, None) if slide is not None else None
    first, second = (_read(path, place, counts_from) for path in (a, b))
    slide_box = None if place is None else shapely.box(0, 0, *place.size_px)
    reference, reference_name = _reference(first, second, slide_box, within)
    if within:
        first = [each for each in first if each.class_name != within]
        second = [each for each in second if each.class_name != within]
    try:
        comparison = compare(first, second, reference)
    except LimitError as error:
        fail(str(error))
    mpp_um = mpp or (None if place is None else Optics(place.mpp_um).mean_mpp_um)
    if out is not None:
        _write(out, comparison, place)
    if json:
        print_json(_record(comparison, reference_name, mpp_um))
    else:
        _print(comparison, reference_name, mpp_um)


def _read(path: Path, place: SlidePlace | None, origin: Origin | None) -> Sequence[Annotation]:
    from viewer.annotations.formats.exchange import read_all
    from viewer.annotations.formats.problems import AnnotationFileError, Problems, count_of

    problems = Problems()
    try:
        annotations = read_all(path, problems, slide=place, origin=origin)
    except AnnotationFileError as error:
        fail(str(error))
    for problem in problems[:_MAX_SHOWN]:
        typer.echo(f"{path.name}: {problem}", err=True)
    if len(problems) > _MAX_SHOWN:
        typer.echo(f"{path.name}: and {count_of(problems) - _MAX_SHOWN:,} more", err=True)
    return annotations


def _reference(
    first: Sequence[Annotation],
    second: Sequence[Annotation],
    slide_box: BaseGeometry | None,
    within: str | None,
) -> tuple[BaseGeometry, str]:
    from viewer.annotations.comparison import bounds_of, regions_of

    if within:
        try:
            region = regions_of([*first, *second], within)
        except LimitError as error:
            fail(str(error))
        if region.is_empty:
            fail(f"Neither file has a region of the class {within}: name another one.")
        return region, f"regions of {within}"
    if slide_box is not None:
        return slide_box, "slide"
    return bounds_of([*first, *second]), "box round all annotations"


def _write(out: Path, comparison: Comparison, place: SlidePlace | None) -> None:
    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.annotations.formats.exchange import FORMATS, write_as

    regions = (
        Annotation(each.geometry, shown_as=AnnotationClass(differing(each)))
        for each in comparison.disagreements
    )
    try:
        if place is None:
            FORMATS["qupath"].write(out, regions)
        else:
            write_as(out, FORMATS["qupath"], regions, place)
    except OSError as error:
        fail(unwritable(out, error))


def differing(disagreement: Disagreement) -> str:
    """Return what the two call it, such as "A Tumor, B Stroma" or "only A Tumor"."""
    a, b = disagreement.class_a, disagreement.class_b
    if a and b:
        return f"A {a}, B {b}"
    return f"only A {a}" if a else f"only B {b}"


def _record(comparison: Comparison, reference_name: str, mpp_um: float | None) -> dict[str, object]:
    scale = (mpp_um or 1.0) ** 2
    return {
        "unit": "um2" if mpp_um else "px2",
        "reference": reference_name,
        "reference_area": comparison.reference.area * scale,
        "passed_over": comparison.passed_over,
        "mean_dice": None if math.isnan(comparison.mean_dice) else comparison.mean_dice,
        "classes": [_class_record(each, scale) for each in comparison.classes],
        "disagreements": [
            {
                "a": each.class_a,
                "b": each.class_b,
                "area": each.area_px2 * scale,
                "box_px": list(each.geometry.bounds),
            }
            for each in comparison.disagreements
        ],
    }


def _class_record(each: ClassComparison, scale: float) -> dict[str, object]:
    figures = {
        "dice": each.dice, "iou": each.iou, "kappa": each.kappa, "f1": each.f1,
        "mean_matched_iou": each.mean_matched_iou,
    }  # fmt: skip
    return {
        "class": each.name,
        "count_a": each.count_a,
        "count_b": each.count_b,
        "matched": each.matched,
        "area_a": each.area_a * scale,
        "area_b": each.area_b * scale,
        "area_both": each.area_both * scale,
        **{name: None if math.isnan(value) else value for name, value in figures.items()},
    }


def _print(comparison: Comparison, reference_name: str, mpp_um: float | None) -> None:
    unit, scale = ("um2", mpp_um**2) if mpp_um else ("px2", 1.0)
    columns = (
        "class", "A", "B", f"area A {unit}", f"area B {unit}", "Dice", "IoU", "kappa", "F1",
    )  # fmt: skip
    rows = [
        (
            each.name,
            f"{each.count_a:,}",
            f"{each.count_b:,}",
            f"{each.area_a * scale:,.0f}",
            f"{each.area_b * scale:,.0f}",
            *(_shown(value) for value in (each.dice, each.iou, each.kappa, each.f1)),
        )
        for each in comparison.classes
    ]
    print_table(columns, rows)
    if not math.isnan(comparison.mean_dice):
        typer.echo(f"Mean Dice of the classes: {comparison.mean_dice:.3f}.")
    typer.echo(
        f"Reference of kappa: {reference_name}, {comparison.reference.area * scale:,.0f} {unit}."
    )
    if comparison.passed_over:
        typer.echo(f"Passed over: {comparison.passed_over:,} without an area or outside it.")
    for each in comparison.disagreements[:_MAX_SHOWN]:
        x, y = each.geometry.representative_point().coords[0]
        area = each.area_px2 * scale
        typer.echo(f"{differing(each)}: {area:,.0f} {unit} at {x:.0f}, {y:.0f}")
    more = len(comparison.disagreements) - _MAX_SHOWN
    if more > 0:
        typer.echo(f"and {more:,} smaller ones")


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
