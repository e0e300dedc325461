"""Objects that an earlier version kept as Arrow streams, read in the helper process."""

from __future__ import annotations

import msgspec

from viewer.overlays.objects import FormerObjectsError, Objects, ObjectsError
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper


class ArrowBytes(msgspec.Struct, frozen=True):
    """Asks the helper for objects that lie in an Arrow stream."""

    data: bytes


def objects_of_arrow(data: bytes) -> Objects:
    """Return the objects of an Arrow stream that an earlier version wrote. Raises ObjectsError."""
    try:
        body = helper().run("viewer.overlays.arrow_objects:convert", ArrowBytes(data))
    except (HelperEndedError, HelperFailedError, OSError) as error:
        raise ObjectsError(f"These objects are damaged ({error}).") from error
    return Objects.from_bytes(body)


def kept_objects(data: bytes) -> Objects:
    """Return objects that this or an earlier version kept. Raises ObjectsError.

    What a model's process sends is never read in this way.
    """
    try:
        return Objects.from_bytes(data)
    except FormerObjectsError:
        return objects_of_arrow(data)
