"""Actions as WebDataset samples: tar files of `ID-NUMBER.{crop.jpg,detail.jpg,json}`."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import msgspec

from viewer.recording.export.records import action_records

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.export.pictures import ActionPictures
    from viewer.recording.export.reading import Reading


def write_samples(reading: Reading, pictures: ActionPictures, folder: Path) -> None:
    """The samples of one session as files; a sample's files have one name and sort together."""
    (folder / f"{reading.id}-0000.thumbnail.jpg").write_bytes(pictures.thumbnail())
    (folder / f"{reading.id}-0000.json").write_bytes(msgspec.json.encode(reading.header))
    for action, record in zip(reading.actions, action_records(reading), strict=True):
        key = f"{reading.id}-{record['number']:04d}"
        (folder / f"{key}.crop.jpg").write_bytes(pictures.crop(action))
        (folder / f"{key}.detail.jpg").write_bytes(pictures.detail(action))
        (folder / f"{key}.json").write_bytes(msgspec.json.encode(record))


def join_shards(parts: list[Path], out: Path, shard_bytes: int) -> None:
    """Packs the samples of many sessions into shards; a sample is never torn apart."""
    shard, size = -1, shard_bytes
    tar: tarfile.TarFile | None = None
    try:
        for sample in _samples(parts):
            if tar is None or size >= shard_bytes:
                if tar is not None:
                    tar.close()
                shard, size = shard + 1, 0
                tar = tarfile.open(out / f"shard-{shard:06d}.tar", "w")  # noqa: SIM115
            for path in sample:
                tar.add(path, path.name, filter=_anonymous)
                size += path.stat().st_size
    finally:
        if tar is not None:
            tar.close()


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
