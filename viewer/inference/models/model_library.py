"""The models at hand: those that came with Coverslip and those that the user added."""

from __future__ import annotations

import logging
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.access import close_tree, make_folder
from viewer.audit_log import trail
from viewer.errors import reason_of
from viewer.files.replace_whole import replace_by
from viewer.files.unfinished import unfinished_folder
from viewer.folders import data_folder
from viewer.inference.layouts.known import cards, checked_model, is_model, usable_model
from viewer.inference.models.bundle import (
    BundleError,
    ModelBundle,
    check_weights,
    load_bundle,
    load_bundles,
)
from viewer.inference.models.description import MODEL_FILE, write_description
from viewer.inference.models.model_archive import unpack
from viewer.inference.tasks.known import TASKS
from viewer.limits import DESCRIPTION_BYTES, WEIGHTS_BYTES, open_regular
from viewer.policy import policy, read_policy
from viewer.resource_files import resource

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.limits import Limit

_log = logging.getLogger(__name__)

_PART_BYTES = 1 << 20
BUNDLED = resource("models")


def models_folder() -> Path:
    """Return where added models are kept; made when absent."""
    folder = data_folder() / "models"
    make_folder(folder)
    return folder


def all_models(problems: list[str] | None = None) -> list[ModelBundle]:
    """Bundled ones first, what finds objects before the rest; unsound ones are passed over.

    Parameters
    ----------
    problems
        Takes a sentence for each that is passed over.
    """
    found: list[ModelBundle] = []
    allows_foreign = policy().foreign_models
    for parent in (BUNDLED, models_folder()) if allows_foreign else (BUNDLED,):
        here: list[ModelBundle] = []
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if folder.is_dir() and not folder.name.startswith("."):
                try:
                    here += load_bundles(folder)
                except BundleError as error:
                    _log.warning("A model is passed over: %s", error)
                    if problems is not None:
                        problems.append(str(error))
        here.sort(key=lambda bundle: version_order(bundle.description.version), reverse=True)
        here.sort(key=lambda bundle: bundle.description.name.casefold())
        found += sorted(here, key=_rank)
    return found


def _rank(bundle: ModelBundle) -> int:
    """Return where a kind of model is listed: objects first, and networks before settings."""
    if TASKS[bundle.task].finds != "objects":
        return 2
    return int(bundle.description.decoder == "cells")


def check_allowed() -> None:
    """Raise BundleError where the administrator allows only models that came with Coverslip."""
    if not policy().foreign_models:
        why = read_policy().problem or (
            "the administrator's policy allows only models that came with Coverslip."
        )
        raise BundleError(f"The model is not used: {why}")


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return what versions sort by, the newest last: 2 before 10, 2.0rc1 before 2.0."""
    parts = re.findall(r"\d+|[a-z]+", version.casefold())
    words = [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
    return (*words, (1, -1, ""))


def find_model(name: str) -> ModelBundle:
    """Find a model by its name (of the folder or in full) or by the path of its folder.

    Of several versions of one name it is the newest, unless the name is that of a folder.

    Raises
    ------
    BundleError
        There is none.
    """
    models = all_models()
    wanted = name.casefold()
    named = [each for each in models if each.description.name.casefold() == wanted]
    if named:
        return _the_one(_newest(named))
    for bundle in models:
        if bundle.folder.name.casefold() == wanted:
            return load_bundle(bundle.folder)
    if Path(name).is_dir() or is_model(Path(name)):
        check_allowed()
        return usable_model(Path(name))
    known = ", ".join(bundle.description.name for bundle in models)
    raise BundleError(f'There is no model "{name}"; known are {known}, or give a folder.')


def _newest(named: list[ModelBundle]) -> list[ModelBundle]:
    """Return those of the newest version."""
    newest = max(version_order(each.version) for each in named)
    return [each for each in named if version_order(each.version) == newest]


def _the_one(found: list[ModelBundle]) -> ModelBundle:
    """Return the model that is meant. Raises BundleError where they differ."""
    first = found[0]
    if any(each.key != first.key for each in found):
        folders = " or ".join(each.folder.name for each in found)
        raise BundleError(
            f"There are {len(found)} models {first.name} {first.version} that differ: name the one "
            f"that is meant by its folder, {folders}."
        )
    return first


def remove_model(name: str, version: str | None = None) -> ModelBundle:
    """Remove an added model, by its name (of the folder or in full), and return what it was.

    Raises
    ------
    BundleError
        There is none of this name and version, several are meant, or it came with Coverslip.
    """
    wanted = name.casefold()
    named = [
        each
        for each in all_models()
        if wanted in (each.name.casefold(), each.folder.name.casefold())
        and version in (None, each.version)
    ]
    by_folder = [each for each in named if each.folder.name.casefold() == wanted]
    of_user = [each for each in by_folder or named if each.folder.parent == models_folder()]
    added = list({each.folder: each for each in reversed(of_user)}.values())
    if not added:
        what = f'"{name}"' if version is None else f'"{name}" {version}'
        reason = "it came with Coverslip" if named else "see coverslip models list"
        raise BundleError(f"There is no added model {what}: {reason}.")
    if len(added) > 1:
        which = ", ".join(f"{each.folder.name} ({each.version})" for each in added)
        raise BundleError(f'There are {len(added)} added models "{name}": name one of {which}.')
    try:
        shutil.rmtree(added[0].folder)
    except OSError as error:
        raise BundleError(f"{name} cannot be removed ({reason_of(error)}).") from error
    return added[0]


def add_model(path: Path, *, tries: bool = False) -> ModelBundle:
    """Check a model and copies it to the library.

    Another model of its name and version stays; each is then named by its folder.

    Parameters
    ----------
    path
        A folder or file of a layout that is known (`viewer.inference.layouts`), or a zip file of
        one.
    tries
        Whether it has to work once in any case, as one of others has; else only where its
        description alone does not show that it can.

    Raises
    ------
    BundleError
        It cannot be used.
    """
    check_allowed()
    with unpacked(path) as folder:
        added = _added(folder, checked_model(folder) if tries else usable_model(folder))
    trail.note("imported", path.absolute(), f"model {added.description.name}")
    return added


@contextmanager
def unpacked(path: Path) -> Generator[Path]:
    """Give where a model lies, unpacked for as long as it is needed where it comes as a zip file.

    Raises
    ------
    BundleError
        The zip file cannot be used.
    """
    if path.is_dir() or not path.exists():
        yield path
        return
    if not path.is_file():
        raise BundleError(f"{path.name} is a pipe or device: give a folder or a zip file.")
    if is_model(path):
        yield path
        return
    with unfinished_folder(models_folder()) as folder:
        yield unpack(path, folder)


@contextmanager
def opened_model(name: str) -> Generator[ModelBundle]:
    """Give a model by its name, or by its folder, file or zip file, for as long as it is needed.

    One of another program has worked once, as described, before it is given.

    Raises
    ------
    BundleError
        There is none, or it cannot be used.
    """
    path = Path(name)
    if path.suffix.lower() == ".zip" and path.is_file():
        check_allowed()
        with unpacked(path) as folder:
            yield usable_model(folder)
    else:
        yield find_model(name)


def _added(path: Path, bundle: ModelBundle) -> ModelBundle:
    check_weights(bundle)
    about = bundle.description
    name = re.sub(r"[^\w.-]+", "-", f"{about.name}-{about.version}").strip(".-").lower()
    if _is_another(models_folder() / name, bundle):
        name = f"{name}-{about.sha256[:8].lower()}"
    target = models_folder() / name
    try:
        with unfinished_folder(models_folder()) as part:
            whole = part / name
            whole.mkdir()
            beside = [bundle.folder / name for name in about.data]
            for file in (bundle.weights_path, *beside):
                _copy(file, whole, WEIGHTS_BYTES)
            for file in cards(path):
                _copy(file, whole, DESCRIPTION_BYTES)
            own = bundle.folder / MODEL_FILE
            if own.is_file():
                _copy(own, whole, DESCRIPTION_BYTES)
            else:
                write_description(whole, about)
            close_tree(whole)
            replace_by(whole, target)
    except OSError as error:
        raise BundleError(f"The model cannot be kept ({reason_of(error)}).") from error
    return load_bundle(target)


def _copy(file: Path, folder: Path, limit: Limit) -> None:
    """Copy a file of a model, no more than there may be of it. Raises OSError."""
    with open_regular(file, limit) as source, (folder / file.name).open("wb") as target:
        shutil.copyfileobj(source, target, _PART_BYTES)


def _is_another(folder: Path, bundle: ModelBundle) -> bool:
    """Return whether a folder of the library holds a model that is not this one."""
    if not folder.is_dir():
        return False
    try:
        return load_bundle(folder).key != bundle.key
    except BundleError:
        return False  # of no use to anybody
