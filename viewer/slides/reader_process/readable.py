"""What the reader of a slide may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.slides.files.mirax import is_mirax, mirax_folder
from viewer.slides.files.ome_sets import ome_set
from viewer.slides.files.vsi_folders import is_vsi, vsi_folder

if TYPE_CHECKING:
    from pathlib import Path

_WITH_FOLDER = (".dcm", ".vms", ".vmu", ".vmf", ".bif", ".afi", ".zvi")
_DICOM_MAGIC = b"DICM"


def readable_of(path: Path) -> list[str]:
    """Return the files of a slide, and the folders of one whose files only its reader can tell.

    Of MIRAX and VSI these are the file and its folder of data; of Hamamatsu VMS and DICOM, which
    refer to their neighbors, the folder that they lie in; of a folder itself; of others the file,
    with those that an OME-TIFF names.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    path = path.absolute()
    if path.is_dir():
        return [str(path)]
    if is_mirax(path):
        return [str(path), str(mirax_folder(path))]
    if is_vsi(path):
        return [str(path), str(vsi_folder(path))]
    if path.suffix.lower() in _WITH_FOLDER or _is_dicom(path):
        return [str(path.parent)]
    return [str(path), *map(str, ome_set(path))]


def _is_dicom(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(132)[128:] == _DICOM_MAGIC
