"""YAML as data: no objects of Python, and nothing that grows as it is unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from viewer.errors import reason_of
from viewer.inference.models.bundle import BundleError
from viewer.limits import DESCRIPTION_BYTES, read_regular
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_VALUES = 100_000
"""References let a short file stand for more values than memory holds."""


def read_yaml(path: Path) -> object:
    """Read a small YAML file as dictionaries, lists, texts and numbers.

    Raises
    ------
    BundleError
        It cannot be read, is no YAML, or stands for too many values.
    """
    import yaml  # few folders hold such files, and every start lists the models

    name = f"{path.parent.name}/{path.name}"
    try:
        text = read_regular(path, DESCRIPTION_BYTES).decode("utf-8-sig")
        held = yaml.load(text, yaml.SafeLoader)
    except OSError as error:
        raise BundleError(f"{name} cannot be read ({reason_of(error)}).") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"{name} is no valid YAML: {reason}.") from error
    _check_size(held, name)
    return held


def _check_size(held: object, name: str) -> None:
    left, count = [held], 0
    while left:
        each = left.pop()
        count += 1
        if count > _MOST_VALUES:
            raise BundleError(f"{name} stands for more than {_MOST_VALUES:,} values.")
        if is_mapping(each):
            left += each.values()
        elif isinstance(each, list | tuple | set):
            left += cast("Iterable[object]", each)
