"""What runs the slides of a batch: this machine, or a cluster."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from viewer.cohort.batch import LOCAL
from viewer.cohort.errors import BatchError
from viewer.cohort.executor import Command, LocalExecutor
from viewer.overlays.segments.errors import StorePlaceError
from viewer.overlays.segments.places import check_writable, place_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.cohort.batch import BatchWhere
    from viewer.cohort.executor import Executor

_CLUSTER = re.compile(r"ray://(?P<host>\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})/?")
_CLUSTER_TRIES = 2


class BatchPlace(msgspec.Struct, frozen=True):
    """An executor, how many slides it is given at once, and how often one that fails is run."""

    executor: Executor
    width: int = 1
    tries: int = 1


def check_where(where: BatchWhere) -> None:
    """Raise BatchError where a batch can run on no such thing, whoever answers there."""
    if where.on != LOCAL:
        _host_and_port(where.on)


def check_store(store: str, where: BatchWhere) -> None:
    """Raise BatchError where a batch cannot keep its results in a store, or needs one."""
    if not store:
        if where.on != LOCAL:
            raise BatchError(
                "A cluster needs a place for results that all its nodes reach: name a shared "
                "folder or a bucket as its store (on the command line, --store)."
            )
        return
    try:
        check_writable(place_of(store))
    except StorePlaceError as error:
        raise BatchError(str(error)) from error


@contextmanager
def executor_for(where: BatchWhere, command: Command = "run") -> Generator[BatchPlace]:
    """Give what runs a command on slides; a cluster is left at the end.

    Raises
    ------
    BatchError
        There is no such cluster, or it cannot be reached; one sentence says why.
    """
    if where.on == LOCAL:
        local = LocalExecutor(command)
        try:
            yield BatchPlace(local)
        finally:
            local.close()
        return
    host, port = _host_and_port(where.on)
    from viewer.cohort.cluster.executor import ClusterExecutor

    with ClusterExecutor(host, port, where.gpus_per_task, command) as cluster:
        yield BatchPlace(cluster, cluster.width, _CLUSTER_TRIES)


def _host_and_port(address: str) -> tuple[str, int]:
    found = _CLUSTER.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise BatchError(
            f"--on takes local, or the address of a Ray cluster such as ray://head:10001, not "
            f'"{address}".'
        )
    return found["host"].strip("[]"), int(found["port"])
