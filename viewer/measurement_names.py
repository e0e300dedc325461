"""Names of measurements as people write them; files keep them in plain letters."""

from __future__ import annotations

import re

_SIGNS = {"um": "µm", "um2": "µm²", "mm2": "mm²", "px2": "px²"}
_UNIT = re.compile(r"(?<![A-Za-z0-9])(um2|mm2|px2|um)(?![A-Za-z0-9])")


def with_signs(name: str) -> str:
    """Return a name with its unit in signs: "Area um2" is "Area µm²", "Objects per mm2" too."""
    return _UNIT.sub(lambda found: _SIGNS[found[1]], name)
