"""Every error class of the program can be caught as one, and failures are said in one way."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
from typing import TYPE_CHECKING

import viewer
from viewer.errors import CoverslipError, reason_of, sentence_of

if TYPE_CHECKING:
    import pytest

_STARTS_SOMETHING = ("__main__",)


def test_every_error_class_is_a_coverslip_error() -> None:
    strays = []
    for module_info in pkgutil.walk_packages(viewer.__path__, "viewer."):
        if module_info.name.endswith(_STARTS_SOMETHING):
            continue
        module = importlib.import_module(module_info.name)
        strays += [
            f"{module.__name__}.{name}"
            for name, cls in inspect.getmembers(module, inspect.isclass)
            if issubclass(cls, Exception)
            and cls.__module__ == module.__name__
            and not issubclass(cls, CoverslipError)
        ]
    assert strays == []


def test_why_something_failed_is_said_without_path_and_number() -> None:
    assert reason_of(FileNotFoundError(2, "No such file or directory", "/a/b")) == (
        "No such file or directory"
    )
    assert reason_of(OSError("the disk went away")) == "the disk went away"
    assert reason_of(ValueError("no number")) == "no number"


def test_only_what_cannot_be_explained_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.errors")
    assert sentence_of(CoverslipError("Choose another file."), log, "it failed") == (
        "Choose another file."
    )
    assert caplog.records == []
    assert sentence_of(KeyError("a"), log, "it failed") == "'a'"
    assert [(record.getMessage(), record.exc_info is not None) for record in caplog.records] == [
        ("it failed", True)
    ]
