"""Which of the pictures of a COCO file is meant."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.plain_text import shown_line
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMED = 5


class SeveralPicturesError(AnnotationFileError):
    """It has to be said which of a file's pictures is meant.

    Attributes
    ----------
    pictures
        Names of files, as the file tells them; with the id where several have one name.
    """

    def __init__(self, sentence: str, pictures: list[str]) -> None:
        super().__init__(sentence)
        self.pictures = pictures


def key_of(id_: object) -> str:
    """Return an id as text, in which 1, 1.0 and "1" are one; empty where there is none."""
    if isinstance(id_, float) and id_.is_integer():
        id_ = int(id_)
    if isinstance(id_, bool) or not isinstance(id_, int | float | str):
        return ""
    text = str(id_).strip()
    return text.removesuffix(".0")


class CocoPictures:
    """The pictures that a file lists, or that its annotations lie on where it lists none."""

    def __init__(self, images: Sequence[object], annotations: Sequence[object]) -> None:
        self._names: dict[str, list[str]] = {}
        listed = [each for each in images if is_mapping(each)]
        for each in listed:
            name = shown_line(str(each.get("file_name") or each.get("name") or ""))
            id_ = key_of(each.get("id"))
            self._names.setdefault(name or f"picture {id_}", []).append(id_)
        if not listed:
            for each in annotations:
                id_ = key_of(each.get("image_id")) if is_mapping(each) else ""
                if id_:
                    self._names.setdefault(f"picture {id_}", [id_])
        self.ids = {id_ for ids in self._names.values() for id_ in ids}

    def chosen(
        self, name: str, wanted: str | None, problems: list[Problem], *, takes_namesakes: bool
    ) -> set[str] | None:
        """Return the ids that are meant; None where there are no pictures to choose from.

        Raises
        ------
        SeveralPicturesError
            It is not said which is meant, or there is no such picture.
        """
        if wanted is None and not self._names:
            return None
        found = self._alike(wanted)
        by_id = self._by_id(wanted)
        if by_id is not None and wanted not in self._names:
            return {by_id}
        if wanted is None and len(self._names) == 1:
            found = next(iter(self._names))
        if found is None:
            what = "annotations of several pictures" if wanted is None else f"no picture {wanted}"
            labels = self._labels()
            listed = ", ".join(labels[:_MOST_NAMED]) + (", ..." * (len(labels) > _MOST_NAMED))
            sentence = f"{name} holds {what}: say which is meant, of {listed}."
            raise SeveralPicturesError(sentence, labels)
        ids = self._names[found]
        if len(ids) > 1:
            what = f"{len(ids)} pictures of the name {found}"
            if not takes_namesakes:
                labels = [label for label in self._labels() if label.startswith(f"{found} (id ")]
                raise SeveralPicturesError(
                    f"{name} holds {what}: say which is meant, of {', '.join(labels)}.", labels
                )
            reason = f"the file holds {what} (ids {', '.join(ids)}): the objects of all were taken"
            problems.append(Problem(0, reason, is_repaired=True))
        return set(ids)

    def _alike(self, wanted: str | None) -> str | None:
        if wanted is None:
            return None
        for alike in (str, _base, _stem):
            for name in self._names:
                if alike(name) == alike(wanted):
                    return name
        return None

    def _by_id(self, wanted: str | None) -> str | None:
        """Of a label such as "a.svs (id 2)", or an id alone."""
        if wanted is None:
            return None
        _, is_label, id_ = wanted.rpartition(" (id ")
        id_ = id_.removesuffix(")") if is_label else key_of(wanted)
        return id_ if id_ in self.ids else None

    def _labels(self) -> list[str]:
        return [
            f"{name} (id {id_})" if len(ids) > 1 else name
            for name, ids in self._names.items()
            for id_ in ids
        ]


def _base(file_name: str) -> str:
    return PurePosixPath(PureWindowsPath(file_name).as_posix()).name


def _stem(file_name: str) -> str:
    return _base(file_name).split(".")[0]
