"""How often fields that look alike on other slides are of the same tissue.

    python -m benchmarks.likeness TILES

TILES is a folder with a folder of tiles (224 px at 0.5 um/px) for each kind of tissue, such as
CRC-VAL-HE-7K. Slides are made of them: one of each kind alone, of its first three tiles, and four
of every kind, a tile each. Each tile of the latter is searched on all the others, through the
product: the shares of its tissue among the first 12, from the model's reference and, as it was
before, from each slide's own mean.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from viewer.geometry import Box
from viewer.inference.models.model_library import find_model
from viewer.inference.runs.results import reference_mean
from viewer.inference.runs.running import run_model
from viewer.overlays.elsewhere import similar_elsewhere
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.scoring import best_cells, likeness, typical
from viewer.slides import open_slide

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 224
_ALONE, _MIXED = 3, 4
_FIRST, _PER_SLIDE = 12, 6

Layout = list[tuple[str, Path]]


def main() -> None:
    print(likeness_table(Path(sys.argv[1])))


def likeness_table(folder: Path) -> str:
    """Return a table in Markdown: a row for each tissue, and one for all."""
    kinds = sorted(each.name for each in folder.iterdir() if each.is_dir())
    tiles = {kind: sorted((folder / kind).iterdir()) for kind in kinds}
    slides: list[Layout] = [[(kind, tile) for tile in tiles[kind][:_ALONE]] for kind in kinds]
    mixed = [[(kind, tiles[kind][_ALONE + n]) for kind in kinds] for n in range(_MIXED)]
    slides += mixed
    bundle = find_model("tissue-likeness")
    origin = reference_mean(bundle)
    with tempfile.TemporaryDirectory() as home:
        maps: dict[str, tuple[PatchFeatureMap, Layout]] = {}
        for number, layout in enumerate(slides):
            path = _write(Path(home) / f"{number}.png", layout)
            found = run_model(path, bundle, mpp_um=0.5, device="cpu").found
            assert isinstance(found, PatchFeatureMap)
            with closing(open_slide(path)) as source:
                maps[source.info.identity] = found, layout
        shares: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
        for identity, (found, layout) in maps.items():
            if layout not in mixed:
                continue
            for place, (kind, _) in enumerate(layout):
                marked = found.cells_in(_box(place))
                wanted = typical(found.values, marked, origin)
                alike = similar_elsewhere(wanted, bundle.key, identity, _FIRST, origin)
                now = [_kind(maps[each.identity][1], each.box) for each in alike]
                then = _from_own_means(maps, identity, typical(found.values, marked))
                there = sum(
                    min(_PER_SLIDE, [each for each, _ in other].count(kind))
                    for other in slides
                    if other is not layout
                )
                counts = now.count(kind), then.count(kind), min(there, _FIRST)
                shares[kind].append((counts[0] / _FIRST, counts[1] / _FIRST, counts[2] / _FIRST))
    rows = {kind: np.mean(each, 0) for kind, each in shares.items()}
    rows["all"] = np.mean([each for found in shares.values() for each in found], 0)
    lines = [f"| {kind} | {a:.2f} | {b:.2f} | {most:.2f} |" for kind, (a, b, most) in rows.items()]
    head = "| tissue | from the reference | from each slide's own mean | at most |"
    return "\n".join([head, "| --- | --- | --- | --- |", *lines])


def _write(path: Path, layout: Layout) -> Path:
    pictures = [np.asarray(Image.open(tile).convert("RGB")) for _, tile in layout]
    Image.fromarray(np.concatenate(pictures, 1)).save(path)
    return path


def _box(place: int) -> Box:
    """Return the middle of a tile, so that what is marked lies in it alone."""
    x = place * _SIDE
    return Box(x + _SIDE // 4, _SIDE // 4, x + 3 * _SIDE // 4, 3 * _SIDE // 4)


def _kind(layout: Layout, box: Box) -> str:
    return layout[min(int(box.center.x // _SIDE), len(layout) - 1)][0]


def _from_own_means(
    maps: dict[str, tuple[PatchFeatureMap, Layout]], but: str, wanted: NDArray[np.float32]
) -> list[str]:
    found: list[tuple[float, str]] = []
    for identity, (known, layout) in maps.items():
        if identity == but:
            continue
        values = likeness(known.values, wanted)
        found += [
            (float(values[cell]), _kind(layout, known.cell_box(*cell)))
            for cell in best_cells(values, _PER_SLIDE)
        ]
    return [kind for _, kind in sorted(found, reverse=True)[:_FIRST]]


if __name__ == "__main__":
    main()
