"""Actions as WebDataset samples: tar files of `ID-NUMBER.{crop.jpg,detail.jpg,json}`."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import msgspec

from viewer.files.atomic_write import atomic_write
from viewer.recording.export.records import action_records

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.export.pictures import ActionPictures
    from viewer.recording.export.reading import Reading


def write_samples(reading: Reading, pictures: ActionPictures, folder: Path) -> None:
    """Write the samples of a session; the files of a sample have one name and sort together."""
    (folder / f"{reading.id}-0000.thumbnail.jpg").write_bytes(pictures.thumbnail())
    (folder / f"{reading.id}-0000.json").write_bytes(msgspec.json.encode(reading.header))
    for action, record in zip(reading.actions, action_records(reading), strict=True):
        key = f"{reading.id}-{record['number']:04d}"
        (folder / f"{key}.crop.jpg").write_bytes(pictures.crop(action))
        (folder / f"{key}.detail.jpg").write_bytes(pictures.detail(action))
        (folder / f"{key}.json").write_bytes(msgspec.json.encode(record))


def join_shards(parts: list[Path], out: Path, shard_bytes: int) -> None:
    """Pack the samples of many sessions into shards; a sample is never torn apart."""
    shards: list[list[Path]] = []
    size = shard_bytes
    for sample in _samples(parts):
        if size >= shard_bytes:
            shards.append([])
            size = 0
        shards[-1] += sample
        size += sum(path.stat().st_size for path in sample)
    for number, paths in enumerate(shards):
        with (
            atomic_write(out / f"shard-{number:06d}.tar") as file,
            tarfile.open(fileobj=file, mode="w") as tar,
        ):
            for path in paths:
                tar.add(path, path.name, filter=_anonymous)


def _samples(parts: list[Path]) -> list[list[Path]]:
    samples: dict[str, list[Path]] = {}
    for part in parts:
        for path in sorted(part.iterdir()):
            if path.suffix in (".jpg", ".json") and path.name.count("-"):
                samples.setdefault(path.name.split(".")[0], []).append(path)
    return list(samples.values())


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Neither the user's name nor the time: equal sessions make equal shards."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o600
    return info
