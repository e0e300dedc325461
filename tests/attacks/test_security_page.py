"""Each claim of docs/security.md names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ATTACKS = Path(__file__).parent
PAGE = ATTACKS.parents[1] / "docs" / "security.md"


def test_every_test_that_the_page_names_exists() -> None:
    file, named = "", 0
    for match in re.finditer(r"`([\w/]*\.py)?(?:::(\w+))?`", PAGE.read_text()):
        file = match[1] or file
        if not file.rpartition("/")[2].startswith("test_"):
            continue
        named += 1
        where = ATTACKS / file if "/" not in file else ATTACKS.parent / file.removeprefix("tests/")
        assert where.is_file(), file
        if match[2]:
            assert f"def {match[2]}(" in where.read_text(), match[0]
    assert named > 20
