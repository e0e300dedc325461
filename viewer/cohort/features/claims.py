"""Claims of slides in a bucket, where nothing can be locked: who holds one says so all the time.

A claim is a row of numbered files, each written by one process alone (a conditional write). Its
holder writes the next number every few seconds; who waits takes the claim over once no number was
added for a while of its own clock, so that clocks need not agree. The holder sees it by the number
that is taken, and says no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from secrets import token_bytes
from typing import TYPE_CHECKING

from viewer.cohort.features.errors import FeatureStoreError
from viewer.overlays.segments.errors import StorePlaceError
from viewer.overlays.segments.places import PatientPlace, place_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.overlays.segments.places import StorePlace

_FOLDER = "features/claims"
_PATIENCE_S = 120.0
BEAT_S, SILENT_S, POLL_S = 10.0, 45.0, 2.0


class Claims:
    """The claims of one bucket. Every method may raise FeatureStoreError."""

    def __init__(self, address: str) -> None:
        try:
            self._place: StorePlace = PatientPlace(place_of(address), _PATIENCE_S)
        except StorePlaceError as error:
            raise FeatureStoreError(str(error)) from error

    @contextlib.contextmanager
    def held(self, name: str, *, waits: bool) -> Generator[bool]:
        """Hold a claim, and give whether it is held; without `waits`, another's is left alone."""
        folder = f"{_FOLDER}/{hashlib.blake2b(name.encode(), digest_size=12).hexdigest()}"
        try:
            first = self._taken(folder, waits=waits)
        except StorePlaceError as error:
            raise FeatureStoreError(str(error)) from error
        if first is None:
            yield False
            return
        beat = _Beat(self._place, folder, first)
        try:
            yield True
        finally:
            beat.end()

    def _taken(self, folder: str, *, waits: bool) -> int | None:
        """Return the number that this process wrote; None where another holds the claim."""
        last, since_s, heard_s = "", time.monotonic(), time.monotonic()
        while True:
            names = self._place.names(folder)
            newest, now_s = names[-1] if names else "", time.monotonic()
            # While the bucket itself is silent, nobody can say anything.
            if newest != last or now_s - heard_s > POLL_S + BEAT_S:
                last, since_s = newest, now_s
            heard_s = now_s
            is_silent = now_s - since_s >= SILENT_S
            if not newest or (waits and is_silent):
                number = int(newest or 0) + 1
                if _written(self._place, folder, number):
                    return number
            elif not waits:
                return None
            if newest:
                time.sleep(POLL_S)


class _Beat:
    """Says again and again that a claim is held, until it is given up."""

    def __init__(self, place: StorePlace, folder: str, number: int) -> None:
        self._place = place
        self._folder = folder
        self._number = number
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="claim", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give the claim up; what cannot be removed is silent from now on."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(StorePlaceError):
            for name in self._place.names(self._folder):
                if int(name) <= self._number:
                    self._place.remove(f"{self._folder}/{name}")

    def _run(self) -> None:
        while not self._ended.wait(BEAT_S):
            # Where another took the claim over, both may embed the slide: it is kept once.
            with contextlib.suppress(StorePlaceError):
                if not _written(self._place, self._folder, self._number + 1):
                    return
                self._number += 1
                self._place.remove(f"{self._folder}/{self._number - 1:08}")


def _written(place: StorePlace, folder: str, number: int) -> bool:
    """Return whether a number is this process's own now."""
    path, own = f"{folder}/{number:08}", token_bytes(16)
    # An answer can be lost: what lies there says whose it is.
    return place.create(path, own) or place.read(path) == own
