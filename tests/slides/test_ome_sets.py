"""OME-TIFFs of which channels, planes or images lie in several files."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import normalize

import numpy as np
import pytest
import tifffile
from tiff_steps import HEIGHT_PX, WIDTH_PX, picture, whole

from viewer.slides import open_slide
from viewer.slides.errors import SlideChangedError
from viewer.slides.slide_key import slide_key

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(uuid: str, body: str) -> str:
    return f'<?xml version="1.0"?><OME xmlns="{_NAMESPACE}" UUID="urn:uuid:{uuid}">{body}</OME>'


def plane(file: str, c: int = 0, z: int = 0, ifd: int = 0) -> str:
    return (
        f'<TiffData FirstC="{c}" FirstZ="{z}" IFD="{ifd}" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:{file}</UUID></TiffData>'
    )


def image(names: tuple[str, ...], z_count: int, kind: str, planes: str) -> str:
    channels = "".join(
        f'<Channel ID="Channel:0:{index}" Name="{name}"/>' for index, name in enumerate(names)
    )
    return (
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{kind}" '
        f'SizeX="{WIDTH_PX}" SizeY="{HEIGHT_PX}" SizeC="{len(names)}" SizeZ="{z_count}" SizeT="1" '
        f'PhysicalSizeX="0.25" PhysicalSizeY="0.25">{channels}{planes}</Pixels></Image>'
    )


def values(c: int, z: int) -> NDArray[np.uint16]:
    return (picture()[..., c].astype(np.uint16) + 1000 * c + 300 * z).astype(np.uint16)


def write_set(folder: Path, *, companion: bool = False, begin: str = "c") -> list[Path]:
    """Write three channels of two planes, a file a channel, each with a level of half the size."""
    files = [f"{begin}{c}.ome.tif" for c in range(3)]
    planes = "".join(plane(files[c], c, z, z) for c in range(3) for z in range(2))
    body = image(("DAPI", "CD3", "CD8"), 2, "uint16", planes)
    if companion:
        (folder / "all.companion.ome").write_text(ome("all", body))
        body = '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:all"/>'
    options: dict[str, Any] = {"tile": (128, 128), "metadata": None, "contiguous": False}
    for c, name in enumerate(files):
        with tifffile.TiffWriter(folder / name) as tiff:
            for z in range(2):
                about = ome(name, body).encode() if z == 0 else None
                tiff.write(values(c, z), description=about, subifds=1, **options)
                tiff.write(values(c, z)[::2, ::2], subfiletype=1, **options)
    return [folder / name for name in files]


@pytest.mark.parametrize("companion", [False, True])
def test_all_channels_and_planes_are_shown_whichever_file_is_opened(
    tmp_path: Path, companion: bool
) -> None:
    files = write_set(tmp_path, companion=companion)
    assert len({slide_key(file) for file in files}) == 1
    for file in files[::2]:
        with closing(open_slide(file)) as source:
            axes = source.info.axes
            assert [channel.name for channel in axes.channels] == ["DAPI", "CD3", "CD8"]
            assert (axes.z_count, source.info.notes) == (2, ())
            assert source.info.optics.mpp_um == (0.25, 0.25)
            for z in range(2):
                tile = source.read_channels(0, 1, 0, (0, 1, 2), z=z)
                expected = [values(c, z)[:128, 128:256] for c in range(3)]
                np.testing.assert_array_equal(tile, expected)
                reduced = source.read_channels(1, 0, 0, (2,), z=z)[0]
                np.testing.assert_array_equal(reduced, values(2, z)[::2, ::2][:128, :128])


def test_colors_in_a_file_each_are_one_picture(tmp_path: Path) -> None:
    files = [f"{name}.ome.tif" for name in ("red", "green", "blue")]
    planes = "".join(plane(file, c) for c, file in enumerate(files))
    for c, file in enumerate(files):
        about = ome(file, image(("Red", "Green", "Blue"), 1, "uint8", planes))
        tifffile.imwrite(tmp_path / file, picture()[..., c], description=about, metadata=None)
    with closing(open_slide(tmp_path / "blue.ome.tif")) as source:
        np.testing.assert_array_equal(whole(source), picture())


def test_images_in_a_file_each_are_listed_and_the_one_of_the_opened_file_comes_first(
    tmp_path: Path,
) -> None:
    pictures = [picture(), picture()[::-1, :300].copy()]
    files = ["large.ome.tif", "small.ome.tif"]
    body = "".join(
        f'<Image Name="{file[:5]}"><Pixels DimensionOrder="XYCZT" Type="uint8" SizeC="3" SizeZ="1" '
        f'SizeT="1" SizeX="{shown.shape[1]}" SizeY="{HEIGHT_PX}"><Channel SamplesPerPixel="3"/>'
        f"{plane(file)}</Pixels></Image>"
        for file, shown in zip(files, pictures, strict=True)
    )
    for file, shown in zip(files, pictures, strict=True):
        tifffile.imwrite(
            tmp_path / file, shown, photometric="rgb", description=ome(file, body), metadata=None
        )
    keys: dict[tuple[str, int], str] = {}
    for own, file in enumerate(files):
        for wanted in (None, 0, 1):
            with closing(open_slide(tmp_path / file, wanted)) as source:
                index = own if wanted is None else wanted
                assert [each.name for each in source.info.images] == ["large", "small"]
                assert source.info.image == index
                np.testing.assert_array_equal(whole(source), pictures[index])
                assert source.info.naming is not None
                keys[file, index] = source.info.naming.key
    assert len(set(keys.values())) == 2
    assert keys[files[0], 1] == keys[files[1], 1]


def test_files_that_are_missing_damaged_or_elsewhere_are_named(tmp_path: Path) -> None:
    files = write_set(tmp_path)

    def notes(of: Path = files[0]) -> tuple[str, ...]:
        with closing(open_slide(of)) as source:
            return source.info.notes

    files[2].write_bytes(b"II*\0" + bytes(20))
    assert notes() == (
        "More of this image lies in c2.ome.tif, which cannot be read: copy it again from where "
        "it came.",
    )
    files[2].unlink()
    with closing(open_slide(files[0])) as source:
        assert [channel.name for channel in source.info.axes.channels] == ["DAPI", "CD3"]
    assert notes() == (
        "More of this image lies in c2.ome.tif, which is missing: copy it to the same folder.",
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    for place in ("../c0.ome.tif", str(files[0]), "..\\c0.ome.tif", "notes.txt"):
        planes = plane("a.ome.tif") + plane(place, 1)
        about = ome("a.ome.tif", image(("A", "B"), 1, "uint16", planes))
        tifffile.imwrite(inner / "a.ome.tif", values(0, 0), description=about, metadata=None)
        assert (
            f"{place}, which is not read: it is no TIFF in the same folder."
            in notes(inner / "a.ome.tif")[0]
        )


def test_another_file_of_the_set_that_changes_while_it_is_open_is_noticed(tmp_path: Path) -> None:
    files = write_set(tmp_path)
    with closing(open_slide(files[0])) as source:
        source.read_channels(0, 0, 0, (2,))
        files[2].write_bytes(files[1].read_bytes())
        with pytest.raises(SlideChangedError):
            source.read_channels(0, 0, 0, (2,))


def test_a_file_of_another_set_under_the_name_of_one_of_this_is_said(tmp_path: Path) -> None:
    files = write_set(tmp_path)
    meant = files[2].read_bytes()
    assert meant.count(b'UUID="urn:uuid:c2.ome.tif"') == 1
    files[2].write_bytes(
        meant.replace(b'UUID="urn:uuid:c2.ome.tif"', b'UUID="urn:uuid:x9.ome.tif"')
    )
    with closing(open_slide(files[0])) as source:
        (note,) = source.info.notes
    assert note.startswith("c2.ome.tif may belong to another image, since the UUID in it is not ")
    files[2].write_bytes(meant.replace(b'UUID="urn:uuid:c2.ome.tif"', b"".ljust(26)))
    with closing(open_slide(files[0])) as source:
        assert source.info.notes == ()


def test_a_file_that_comes_to_the_set_is_seen_once_it_is_opened_again(tmp_path: Path) -> None:
    files = write_set(tmp_path)
    late = files[2].rename(tmp_path / "late")
    with closing(open_slide(files[0])) as source:
        assert source.info.notes[0].startswith("More of this image lies in c2.ome.tif")
        key = source.info.identity
        source.info.check_identity()
        late.rename(files[2])
        source.read_tile(0, 0, 0)  # no file that is open changed
        with pytest.raises(SlideChangedError, match=r"^c0\.ome\.tif was changed on the disk"):
            source.info.check_identity()
        files[0].unlink()
        source.info.check_identity()  # that it is gone is said elsewhere
    assert source.info.identity == key


@pytest.mark.parametrize("companion", [False, True])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_with_accents_are_found_however_their_letters_are_written(
    tmp_path: Path, form: Literal["NFC", "NFD"], companion: bool
) -> None:
    """A set that was copied over a Mac."""
    other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
    files = write_set(
        tmp_path, companion=companion, begin=normalize(form, "pr\u00e9l\u00e8vement ")
    )
    with closing(open_slide(files[0])) as source:
        key, expected = source.info.identity, source.read_channels(0, 0, 0, (0, 1, 2))
    for file in files:
        file.rename(file.with_name(normalize(other, file.name)))
    for path in tmp_path.glob("*.ome.tif"):
        with closing(open_slide(path)) as source:
            assert [channel.name for channel in source.info.axes.channels] == ["DAPI", "CD3", "CD8"]
            assert source.info.notes == ()
            assert source.info.identity == key
            np.testing.assert_array_equal(source.read_channels(0, 0, 0, (0, 1, 2)), expected)
