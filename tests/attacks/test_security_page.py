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


def test_every_claim_in_a_table_names_a_test() -> None:
    is_claim, claims = False, 0
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|"):
            is_claim = False
        elif line == "| claim | test |":
            is_claim = True
        elif is_claim and not line.startswith("| ---"):
            claims += 1
            said = line.split(" | ")[-1]
            assert re.search(r"test_\w+\.py|::test_\w+|the claims? on", said), line
    assert claims > 100
