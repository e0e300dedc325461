"""Tasks of the helper process: writing slides for the window."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.prepared_types import prepared
from viewer.slides.writing.convert import convert
from viewer.slides.writing.deidentify import deidentify
from viewer.slides.writing.plan import ConvertOptions, Region
from viewer.slides.writing.requests import ConvertSlide, DeidentifySlide, WrittenSlide
from viewer.slides.writing.watch import Watch

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext

_REPORT_EVERY_S = 0.1


def convert_slide(body: bytes, context: TaskContext) -> bytes:
    """Answer a `ConvertSlide` with a `WrittenSlide`. Raises as `convert`."""
    asked = msgspec.msgpack.decode(body, type=prepared(ConvertSlide))
    options = ConvertOptions(
        region=None if asked.region is None else Region(*asked.region),
        channels=asked.channels,
        quality=asked.quality,
        image=asked.image,
        mpp_um=asked.mpp_um,
    )
    done = convert(
        Path(asked.slide),
        Path(asked.out),
        options,
        kind=asked.kind,
        overwrite=asked.overwrite,
        watch=_watch(context),
    )
    lines = (*done.lossy, *(f"Left out: {each}" for each in done.dropped))
    return _answer(done.path, lines, done.as_data())


def deidentify_slide(body: bytes, context: TaskContext) -> bytes:
    """Answer a `DeidentifySlide` with a `WrittenSlide`. Raises as `deidentify`."""
    asked = msgspec.msgpack.decode(body, type=prepared(DeidentifySlide))
    path, report = deidentify(Path(asked.slide), Path(asked.folder), watch=_watch(context))
    data = {"copy": str(path), **report.as_data()}
    return _answer(path, tuple(report.lines()), data)


def _answer(path: Path, lines: tuple[str, ...], data: dict[str, object]) -> bytes:
    report = msgspec.json.format(msgspec.json.encode(data), indent=2)
    return msgspec.msgpack.encode(WrittenSlide(str(path), lines, report))


def _watch(context: TaskContext) -> Watch:
    last_s = 0.0

    def progressed(share: float) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _REPORT_EVERY_S:
            last_s = now_s
            context.report(msgspec.msgpack.encode(share))

    return Watch(progressed, lambda: context.is_stopped)
