"""Every error class of the program can be caught as one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import viewer
from viewer.errors import CoverslipError

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
