"""Where the files that come with Coverslip lie: models, the sample slide, documents."""

from __future__ import annotations

from pathlib import Path

_TREE = Path(__file__).resolve().parents[1]
_IS_TREE = (_TREE / "pyproject.toml").is_file()


def resource(*names: str) -> Path:
    """Return a file or folder of `resources/`, in a source tree or however it was installed."""
    return _folder("resources").joinpath(*names)


def document(*names: str) -> Path:
    """Return a file or folder of `docs/`, in a source tree or however it was installed."""
    return _folder("docs").joinpath(*names)


def _folder(name: str) -> Path:
    if _IS_TREE:
        return _TREE / name
    from importlib.resources import files

    return Path(str(files("coverslip") / name))
