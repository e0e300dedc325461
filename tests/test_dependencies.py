"""The installed, the allowed and the pinned packages are the ones that work.

PySide6 6.12.0 loses a reference to None on every call that returns nothing and aborts the
interpreter after a few thousand paints, so no part of the project may let it in.
"""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
GOOD_QT = SpecifierSet(">=6.9,<6.12")
DEBIAN_PYTHON = "3.11.2"
"""Of Debian 12, which sets the program up with nothing else."""
TOO_LARGE = {"pyside6", "pyside6-addons"}


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    requirements = [Requirement(line) for line in lines]
    others = [each for each in requirements if each.name != project["name"]]
    return {canonicalize_name(requirement.name): requirement for requirement in others}


def pinned() -> dict[str, Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def pinned_version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is no exact pin"
    return specifier.version


def test_installed_qt_is_a_good_release() -> None:
    assert importlib.metadata.version("PySide6-Essentials") in GOOD_QT
    assert importlib.metadata.version("shiboken6") in GOOD_QT


@pytest.mark.parametrize("bad", ["6.8.3", "6.12.0", "6.12.1", "7.0.0"])
def test_project_file_keeps_bad_qt_out(bad: str) -> None:
    assert bad not in declared()["pyside6-essentials"].specifier


@pytest.mark.parametrize("good", ["6.9.3", "6.10.2", "6.11.1", "6.11.3"])
def test_project_file_lets_good_qt_in(good: str) -> None:
    assert good in declared()["pyside6-essentials"].specifier


def test_constraints_pin_a_good_qt() -> None:
    pins = pinned()
    assert pinned_version(pins["pyside6-essentials"]) in GOOD_QT
    assert pinned_version(pins["shiboken6"]) == pinned_version(pins["pyside6-essentials"])


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    pins = pinned()
    for name, requirement in declared().items():
        assert name in pins, f"{name} has no pin in constraints.txt"
        assert pinned_version(pins[name]) in requirement.specifier


def test_what_is_pinned_can_be_installed_by_the_python_of_debian() -> None:
    for name, requirement in pinned().items():
        version = pinned_version(requirement)
        for found in importlib.metadata.distributions(name=name):
            needed = SpecifierSet(",".join(found.metadata.get_all("Requires-Python") or ()))
            assert found.version != version or DEBIAN_PYTHON in needed, f"{name} {version}"


def test_only_the_essentials_of_qt_are_installed() -> None:
    installed = {
        canonicalize_name(distribution.name) for distribution in importlib.metadata.distributions()
    }
    assert not installed & TOO_LARGE
    assert not pinned().keys() & TOO_LARGE
    assert not declared().keys() & TOO_LARGE
