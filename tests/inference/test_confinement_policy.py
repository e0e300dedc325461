"""Which models run where their process is not confined."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hostile_models import Harmless, make_model

from viewer.folders import config_folder
from viewer.inference.models.bundle import BundleError, load_bundle
from viewer.inference.models.model_library import find_model
from viewer.inference.process.confinement_policy import (
    UNCONFINED_VARIABLE,
    allow_unconfined,
    check_may_run,
)

if TYPE_CHECKING:
    from pathlib import Path


def set_to(allowed: bool) -> None:
    text = json.dumps({"unconfined_models": allowed})
    (config_folder() / "settings.json").write_text(text)


def test_a_program_runs_unconfined_on_an_explicit_word_alone(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load_bundle(make_model(tmp_path / "model", Harmless()))
    monkeypatch.delenv(UNCONFINED_VARIABLE, raising=False)
    check_may_run(script, is_confined=True)
    with pytest.raises(BundleError, match=r"cannot be confined.*--unconfined"):
        check_may_run(script, is_confined=False)
    set_to(True)
    check_may_run(script, is_confined=False)
    for other in ("", "1", "yes", "ALLOW", "deny"):
        monkeypatch.setenv(UNCONFINED_VARIABLE, other)
        with pytest.raises(BundleError, match="--unconfined"):
            check_may_run(script, is_confined=False)
    set_to(False)
    allow_unconfined()  # as --unconfined does
    check_may_run(script, is_confined=False)


def test_a_model_that_is_no_program_runs_everywhere(own_home: Path) -> None:
    check_may_run(find_model("nuclei"), is_confined=False)
