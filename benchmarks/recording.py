"""The recorder's cost, the size of its logs, and how long analyzes of long sessions take."""

from __future__ import annotations

import random
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from benchmarks.report import Figure
from viewer.geometry import Size
from viewer.recording.attention_maps import attention_maps
from viewer.recording.behaviors import actions_of
from viewer.recording.event_writer import rounded
from viewer.recording.events import AnyEvent, Pointer, SlideOpened, Viewport
from viewer.recording.export import ExportOptions, export_sessions
from viewer.recording.log_line import CHAIN_START, encode_line
from viewer.recording.recorder import Recorder
from viewer.recording.session import EVENTS_FILE, SessionHeader, SlideRef, write_header
from viewer.recording.trace_loading import load_trace
from viewer.slides.known_slides import remember
from viewer.slides.opener import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SLIDE = Size(100_000, 80_000)
_BUSY_GUI_EVENTS = 20_000
_HOUR_S = 3600.0
_T = TypeVar("_T")


def run(sample: Path) -> list[Figure]:
    """Return all figures; logs go to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        return [*_recorder(home), *_busy_hour(home), *_analyzes(home), *_export(home, sample)]


def _recorder(home: Path) -> Iterator[Figure]:
    recorder = Recorder(home / "cost", _header("cost", _SLIDE))
    reader = WanderingReader()
    costs_ms: list[float] = []
    begin_s = time.perf_counter()
    for number in range(_BUSY_GUI_EVENTS):
        event = reader.view(at_rest=number % 5 == 0)
        start_s = time.perf_counter()
        recorder.record_view(event)
        costs_ms.append((time.perf_counter() - start_s) * 1000)
        time.sleep(0.0002)
    recorder.close()
    took_s = time.perf_counter() - begin_s
    p50, p99 = np.percentile(costs_ms, [50, 99])
    yield Figure("recording", "GUI cost of an event, median", float(p50), "ms")
    yield Figure("recording", "GUI cost of an event, p99", float(p99), "ms", 0.1)
    yield Figure("recording", "views taken while the writer writes", len(costs_ms) / took_s, "/s")
    burst = Recorder(home / "burst", _header("burst", _SLIDE))
    events = [Pointer(float(x), float(x)) for x in range(100_000)]
    begin_s = time.process_time()  # of all threads: what others do on the machine does not count
    for pointer in events:
        burst.record(pointer)
    burst.close()
    rate = len(events) / (time.process_time() - begin_s)
    yield Figure("recording", "events through the recorder, a second of CPU", rate, "/s")


def _busy_hour(home: Path) -> Iterator[Figure]:
    """A reader in motion a third of the time, at the recorder's full rate, and the mouse too."""
    folder = home / "hour"
    write_session(folder, _busy_events(_HOUR_S), _SLIDE)
    size = (folder / EVENTS_FILE).stat().st_size
    yield Figure("recording", "an hour of busy reading", size / 1e6, "MB", 5.0)


def _analyzes(home: Path) -> Iterator[Figure]:
    for count in (250_000, 1_000_000):
        folder = home / f"long-{count}"
        reader = WanderingReader()
        spaced_s = 36_000.0 / count
        views = ((n * spaced_s, reader.view(at_rest=n % 5 == 0)) for n in range(count))
        write_session(folder, views, _SLIDE)
        tracemalloc.start()
        trace, load_s = _timed(lambda folder=folder: load_trace(folder))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        _, load_s = _timed(lambda folder=folder: load_trace(folder))
        actions, actions_s = _timed(lambda trace=trace: actions_of(trace, slide=_SLIDE))
        _, heat_s = _timed(lambda trace=trace: attention_maps(trace, _SLIDE))
        is_long = count == 1_000_000
        name = f"10 h, {count:,} views"
        yield Figure("recording", f"{name}: open", load_s, "s")
        yield Figure("recording", f"{name}: memory to open", peak / 2**20, "MiB")
        yield Figure("recording", f"{name}: behaviors", actions_s, "s", 3.0 if is_long else None)
        yield Figure("recording", f"{name}: heatmap", heat_s, "s", 2.0 if is_long else None)
        yield Figure("recording", f"{name}: actions found", len(actions), "")


def _export(home: Path, sample: Path) -> Iterator[Figure]:
    source = open_slide(sample)
    base, identity = source.levels[0], source.info.identity
    source.close()
    remember(identity, sample)
    slide = Size(base.width_px, base.height_px)
    folder = home / "export"
    reader = WanderingReader(slide, stay=True)
    stays = ((n * 2.0, reader.view(at_rest=True)) for n in range(200))
    write_session(folder, stays, slide, identity)
    manifest, took_s = _timed(
        lambda: export_sessions([folder], home / "out", ExportOptions(format="webdataset"))
    )
    crops = 2 * manifest.sessions[0].actions
    yield Figure("recording", "crops exported", crops / took_s, "/s")


class WanderingReader:
    """Wanders over a slide as readers do: pans, and zooms in and out."""

    def __init__(self, slide: Size = _SLIDE, *, stay: bool = False) -> None:
        self._random = random.Random(7)  # noqa: S311 - no secret
        self._slide = slide
        self._stay = stay
        self._x, self._y, self._downsample = slide.width / 2, slide.height / 2, 2.0

    def view(self, *, at_rest: bool) -> Viewport:
        draw = self._random
        if draw.random() < (1.0 if self._stay else 0.02):
            self._downsample = draw.choice([0.5, 1.0, 2.0, 4.0, 8.0])
        step = self._slide.width if self._stay else 60 * self._downsample
        self._x = min(max(self._x + draw.uniform(-step, step), 0.0), self._slide.width)
        self._y = min(max(self._y + draw.uniform(-step, step), 0.0), self._slide.height)
        k = self._downsample
        width, height = (600.0, 400.0) if self._stay else (1600.0, 900.0)
        x, y = round(self._x - width * k / 2, 1), round(self._y - height * k / 2, 1)
        return Viewport(
            x, y, width * k, height * k, 0.0, False, k, 0.5 * k, 20.0 / k, "drag", at_rest
        )


def _busy_events(seconds: float) -> Iterator[tuple[float, AnyEvent]]:
    reader = WanderingReader()
    at_s = 0.0
    while at_s < seconds:
        for _ in range(30):
            at_s += 1 / 30
            yield at_s, rounded(reader.view(at_rest=False))
        yield at_s, reader.view(at_rest=True)
        for _ in range(8):
            at_s += 0.25
            yield at_s, Pointer(round(at_s * 10, 1), round(at_s * 7, 1))


def write_session(
    folder: Path,
    events: Iterator[tuple[float, AnyEvent]],
    slide: Size,
    identity: str = "benchmark",
) -> None:
    folder.mkdir(parents=True)
    write_header(folder, _header(folder.name, slide, identity))
    chain = CHAIN_START
    with (folder / EVENTS_FILE).open("wb") as file:
        opened = SlideOpened(identity, int(slide.width), int(slide.height))
        line, chain = encode_line(0, 0, 0, opened, chain)
        file.write(line)
        for number, (at_s, event) in enumerate(events, 1):
            line, chain = encode_line(number, int(at_s * 1e9), int(at_s * 1e3), event, chain)
            file.write(line)


def _header(name: str, slide: Size, identity: str = "benchmark") -> SessionHeader:
    reference = SlideRef(
        identity=identity, width_px=int(slide.width), height_px=int(slide.height),
        mpp_um=(0.5, 0.5), objective_power=20.0,
    )  # fmt: skip
    return SessionHeader(
        id=name, slide=reference, started_utc="2026-01-01T00:00:00+00:00", utc_offset_min=0,
        reader="nobody", app_version="0", origin="simulated",
    )  # fmt: skip


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    start_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start_s
