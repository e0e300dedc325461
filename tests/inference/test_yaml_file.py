"""YAML of other programs is data, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from viewer.inference.layouts.yaml_file import read_yaml
from viewer.inference.models.bundle import BundleError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(6)
)


def test_data_is_read_also_with_references(tmp_path: Path) -> None:
    (tmp_path / "rdf.yaml").write_text("axes: &x [{step: 0.5, unit: um}]\nothers: *x\n")
    wanted = [{"step": 0.5, "unit": "um"}]
    assert read_yaml(tmp_path / "rdf.yaml") == {"axes": wanted, "others": wanted}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is no valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "is no valid YAML"),
        ("[" * 5000, "is no valid YAML"),
        (BOMB, "stands for more than 100,000 values"),
        ("a: &a [*a]", "stands for more than"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rdf.yaml").write_text(text)
    with pytest.raises(BundleError, match=told):
        read_yaml(tmp_path / "rdf.yaml")
    with pytest.raises(BundleError, match="cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
