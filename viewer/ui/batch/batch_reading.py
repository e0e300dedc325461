"""Batches as they are on the disk, also those that another program runs; read in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.errors import BatchError
from viewer.errors import reason_of
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from viewer.cohort.batch import Batch, SlideRecord
    from viewer.cohort.runner import BatchProgress


class Followed(msgspec.Struct, frozen=True):
    """A batch that another program runs, and how far it is.

    Attributes
    ----------
    since, changed
        The same batch as it was read before, and which slides have come on since.
    """

    batch: Batch
    progress: BatchProgress | None
    since: Batch | None
    changed: list[SlideRecord]


def newest_batch(batch_id: str = "") -> Batch | None:
    """Return the run of a model that was begun last, or the batch of an id. Raises BatchError."""
    from viewer.cohort.batch import kept_batches

    try:
        if batch_id:
            return next((each for each in kept_batches() if each.id == batch_id), None)
        return next((each for each in kept_batches() if each.settings.command == "run"), None)
    except OSError as error:
        raise _unreadable(error) from error


def run_elsewhere(shown: Batch | None) -> Followed | None:
    """Return the newest batch where another program runs it, and what is other than shown.

    Raises BatchError.
    """
    from viewer.cohort.batch import kept_batches

    try:
        batch = next(iter(kept_batches()), None)
    except OSError as error:
        raise _unreadable(error) from error
    if batch is None or not batch.is_running:
        return None
    changed: list[SlideRecord] = []
    if shown is not None and shown.id == batch.id:
        both = zip(batch.records(), shown.records(), strict=True)
        changed = [now for now, before in giving_way(both) if now != before]
    return Followed(batch, batch.progress, shown, changed)


def _unreadable(error: OSError) -> BatchError:
    return BatchError(f"Earlier batches cannot be read ({reason_of(error)}).")
