"""Runs the benchmarks: python -m benchmarks [NAME ...] [--json FILE]."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks import big_slide
from benchmarks.report import Figure, print_table, write_json

_NAMES = (
    "start",
    "decode",
    "paint",
    "browse",
    "channels",
    "scale",
    "recording",
    "overlays",
    "exchange",
    "draw",
    "formats",
    "readers",
    "model-formats",
    "query",
    "cells",
    "teaching_pixels",
    "teaching",
    "remote",
    "convert",
    "cohort",
    "collections",
)
_SAMPLE = Path(__file__).resolve().parent.parent / "resources/slides/CMU-1-Small-Region.svs"
_RESULTS = Path(__file__).resolve().parent / "results" / "latest.json"


def main() -> None:
    """Measures, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(_NAMES)}; all by default")
    parser.add_argument("--json", type=Path, default=_RESULTS, help="where the figures go")
    options = parser.parse_args()
    names = options.names or list(_NAMES)
    unknown = set(names) - set(_NAMES)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        os.environ["COVERSLIP_HOME"] = home
        figures = [figure for name in names for figure in _measure(name)]
    print_table(figures)
    write_json(figures, options.json)


def _measure(name: str) -> list[Figure]:
    if name == "start":
        from benchmarks import start

        return start.run()
    if name == "recording":
        from benchmarks import recording

        return recording.run(_SAMPLE)
    if name == "exchange":
        from benchmarks import annotation_files

        return annotation_files.run()
    if name == "formats":
        from benchmarks import slide_formats

        return slide_formats.run(_SAMPLE)
    if name == "readers":
        from benchmarks import vendor_readers

        return vendor_readers.run()
    if name == "model-formats":
        from benchmarks import model_formats

        return model_formats.run(_SAMPLE)
    if name == "channels":
        from benchmarks import channels

        with tempfile.TemporaryDirectory() as folder:
            return channels.run(Path(folder))
    if name == "query":
        from benchmarks import query

        return query.run()
    if name == "cells":
        from benchmarks import cells

        return cells.run(_SAMPLE)
    if name == "teaching_pixels":
        from benchmarks import teaching_pixels

        return teaching_pixels.run(_SAMPLE)
    if name == "collections":
        from benchmarks import collection_sizes

        return list(collection_sizes.run())
    if name == "teaching":
        from benchmarks import teaching

        return teaching.run()
    if name == "remote":
        from benchmarks import remote

        return remote.run()
    main_slide = big_slide.ensure(big_slide.MAIN)
    match name:
        case "cohort":
            from benchmarks import cohort

            return cohort.run(_SAMPLE, main_slide)
        case "convert":
            from benchmarks import convert

            return convert.run(main_slide)
        case "decode":
            from benchmarks import decode

            jpeg2000 = big_slide.ensure(big_slide.JPEG2000)
            return [
                *decode.run(main_slide, name="JPEG", target=6.0),
                *decode.run(jpeg2000, name="JPEG 2000", target=1.3),
            ]
        case "draw":
            from benchmarks import draw

            return draw.run(main_slide)
        case "overlays":
            from benchmarks import overlays

            return overlays.run(_SAMPLE, main_slide)
        case "paint":
            from benchmarks import paint

            return paint.run(main_slide)
        case "browse":
            from benchmarks import browse, deepzoom, yardstick

            ours = browse.run(main_slide)
            theirs = yardstick.run(main_slide)
            if theirs:
                theirs += yardstick.run(main_slide, deepzoom.ensure(main_slide))
            return [*ours, *theirs, *yardstick.compared(ours, theirs)]
        case _:
            from benchmarks import scale

            slides = [(slide.side_px, big_slide.ensure(slide)) for slide in big_slide.SCALE]
            return scale.run(_SAMPLE, slides)


if __name__ == "__main__":
    main()
