"""The packages that are built: what pyproject.toml cannot say is where `coverslip.docs` lies."""

from pathlib import Path

from setuptools import find_packages, setup


def _files(folder: str) -> list[str]:
    """Return the files below a folder, as patterns of package data."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


_SHIPPED = {"coverslip.resources": "resources", "coverslip.docs": "docs"}
"""Folders of the source tree by the name of the package that they are installed as."""

setup(
    packages=[*find_packages(include=["viewer*", "coverslip*"]), *_SHIPPED],
    package_dir=_SHIPPED,
    package_data={
        "viewer": ["py.typed"],
        "coverslip": ["py.typed"],
        **{package: _files(folder) for package, folder in _SHIPPED.items()},
    },
)
