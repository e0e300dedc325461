"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Gives a path beside `path` to write to; it takes the place of `path` at the end.

    When the block raises, `path` is left as it was and nothing remains beside it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
