"""Embeds the slides of a cohort by an encoder, each once, and keeps the features in a store."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from msgspec.structs import replace

from viewer.cohort.features.errors import FeatureStoreError
from viewer.cohort.features.rows import Encoder, features_of
from viewer.geometry import Size
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.process.spare_process import model_processes_kept
from viewer.inference.runs.running import RunError, run_model
from viewer.inference.tasks.known import TASKS
from viewer.overlays.files.result_file import ResultFileError
from viewer.overlays.files.result_files import read_result_file
from viewer.plain_text import without_name
from viewer.slides import SlideError, open_slide
from viewer.slides.calibration import known_mpp_um, no_pixel_size
from viewer.slides.remote.address import slide_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from viewer.cohort.features.rows import SlideFeatures
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.run_clock import Progress

_QUALITY = "tissue-quality"
_SUFFIXES = (".h5", ".hdf5")
_CLAM = "h5_files"
"""Where CLAM puts them within its folder of features."""


class SlideOutcome(msgspec.Struct):
    """What came of a slide.

    Attributes
    ----------
    state
        "done", "before" where its features were there already, or "failed".
    error
        One sentence where it failed.
    notes
        Sentences about what is missing.
    """

    path: Path
    name: str
    state: str
    patches: int = 0
    slide: str = ""
    error: str = ""
    notes: list[str] = msgspec.field(default_factory=list[str])


class EmbedListener(Protocol):
    """Who hears how an embedding goes on; `on_progress` is called in threads of the engine."""

    def on_begin(self, name: str) -> None: ...

    def on_progress(self, progress: Progress) -> None: ...

    def on_slide(self, outcome: SlideOutcome) -> None: ...


class EmbedOptions(msgspec.Struct, frozen=True):
    """How slides are embedded.

    Attributes
    ----------
    mpp_um
        µm per level-0 pixel of slides that do not tell theirs.
    files
        A folder of features that the encoder made elsewhere, SLIDE.h5 of each slide, as TRIDENT
        and CLAM write them; the encoder is not run.
    measures_quality
        Whether *Tissue quality* looks at each slide, too.
    attributes
        Of slides, by name or path: {"stain": "H&E"}.
    """

    mpp_um: float | None = None
    device: str = "auto"
    files: Path | None = None
    measures_quality: bool = True
    attributes: Mapping[str, dict[str, str]] = msgspec.field(
        default_factory=dict[str, dict[str, str]]
    )


def encoder_of(bundle: ModelBundle, length: int) -> Encoder:
    """Return how a store names an encoder. Raises FeatureStoreError where it is none."""
    about = bundle.description
    if not TASKS[about.task].encodes:
        raise FeatureStoreError(
            f"{about.name} is no encoder: give a model with the task embedding, such as "
            "tissue-likeness."
        )
    return Encoder(
        bundle.key, about.name, about.version, length, about.patch_px, about.mpp_um, about.sha256
    )


def embed_slides(
    bundle: ModelBundle,
    slides: Sequence[tuple[Path, str]],
    store: FeatureStore,
    options: EmbedOptions,
    listener: EmbedListener,
) -> list[SlideOutcome]:
    """Embed slides (path, name) that the store does not hold yet; one that fails costs no other.

    Raises
    ------
    FeatureStoreError
        The model is no encoder, or the store fails: what is kept stays, and the same call goes on.
    """
    encoder_of(bundle, 0)
    with model_processes_kept():
        return _embed_all(bundle, slides, store, options, listener)


def _embed_all(
    bundle: ModelBundle, slides: Sequence[tuple[Path, str]], store: FeatureStore,
    options: EmbedOptions, listener: EmbedListener,
) -> list[SlideOutcome]:  # fmt: skip
    stems = Counter(path.stem for path in dict(slides))
    outcomes: dict[Path, SlideOutcome] = {}
    # What another process embeds at this moment comes last, and is there by then.
    for waits in (False, True):
        for path, name in slides:
            if path in outcomes:
                continue
            listener.on_begin(name)
            try:
                if options.files is not None and stems[path.stem] > 1:
                    raise ResultFileError(
                        f"{stems[path.stem]} slides are called {path.stem}, and {path.stem}.h5 can "
                        "be of one only: embed the one that is meant by itself."
                    )
                outcome = _claimed(bundle, path, name, store, options, listener, waits=waits)
            except (SlideError, BundleError, RunError, ResultFileError) as error:
                sentence = without_name(str(error), path.name)
                outcome = SlideOutcome(path, name, "failed", error=sentence)
            if outcome is not None:
                outcomes[path] = outcome
                listener.on_slide(outcome)
    return [outcomes[path] for path, _ in slides]


def _claimed(
    bundle: ModelBundle, path: Path, name: str, store: FeatureStore, options: EmbedOptions,
    listener: EmbedListener, *, waits: bool,
) -> SlideOutcome | None:  # fmt: skip
    """Embed a slide; None where another process is at it and nobody waits."""
    with closing(open_slide(path)) as source:
        key = source.info.identity
        own = {"vendor": source.info.vendor} if source.info.vendor else {}
    told = options.attributes.get(name, {}) | options.attributes.get(str(path), {})
    encoder = encoder_of(bundle, 0)
    with store.claim(encoder, key, waits=waits) as is_free:
        if not is_free:
            return None
        held = store.slides(encoder).get(key)
        if held is not None:
            notes = _describe(store, encoder, held, path, name, told)
            return SlideOutcome(path, name, "before", held["patches"], key, notes=notes)
        return _embed(bundle, path, name, store, key, own | told, options, listener.on_progress)


def _describe(
    store: FeatureStore, encoder: Encoder, held: Mapping[str, Any], path: Path, name: str,
    told: dict[str, str],
) -> list[str]:  # fmt: skip
    """Keep what is said of a slide that is there, and where it lies now if it was moved."""
    known: dict[str, str] = json.loads(held["attributes"])
    place, called = held["path"], held["name"]
    notes: list[str] = []
    if place != str(path.absolute()) and not slide_path(place).exists():
        notes.append(f"It lay at {place} and is now known at its new place.")
        place, called = str(path.absolute()), name
    if notes or known != known | told:
        store.describe_slide(encoder, held["slide"], place, called, known | told)
    return notes


def _embed(
    bundle: ModelBundle, path: Path, name: str, store: FeatureStore, key: str,
    attributes: dict[str, str], options: EmbedOptions, on_progress: Callable[[Progress], None],
) -> SlideOutcome:  # fmt: skip
    notes: list[str] = []
    if options.files is not None:
        features = _from_file(options.files, path, name, key, options.mpp_um, notes)
    else:
        features = _from_model(bundle, path, name, options, on_progress, notes)
    features = replace(features, slide=key, attributes=attributes)
    encoder = encoder_of(bundle, features.vectors.shape[1])
    for other in store.encoders():
        if other.key == encoder.key and other.length != encoder.length:
            raise RunError(
                f"The vectors of {name} have {encoder.length:,} numbers; those of {encoder.name} "
                f"in the store have {other.length:,}."
            )
    store.add_slide(encoder, features)
    return SlideOutcome(path, name, "done", len(features), key, notes=notes)


def _from_model(
    bundle: ModelBundle, path: Path, name: str, options: EmbedOptions,
    on_progress: Callable[[Progress], None], notes: list[str],
) -> SlideFeatures:  # fmt: skip
    run = run_model(
        path, bundle, mpp_um=options.mpp_um, device=options.device, on_progress=on_progress
    )
    notes += run.all_troubles()
    found = run.found.as_patches
    assert found is not None
    if not found.cells_in(run.area).any():
        raise RunError(f"There is no tissue on {name} that {bundle.name} could embed.")
    quality = None
    if options.measures_quality:
        sound = run_model(
            path, find_model(str(BUNDLED / _QUALITY)), mpp_um=options.mpp_um, device=options.device
        )
        quality = sound.found.as_patches
    # As a slide model is shown them: without patches that hardly touch the slide's margin.
    return features_of(found, run.identity, str(path.absolute()), name, quality, run.area)


def _from_file(
    folder: Path, path: Path, name: str, key: str, mpp_um: float | None, notes: list[str]
) -> SlideFeatures:
    with closing(open_slide(path)) as source:
        size = Size(source.levels[0].width_px, source.levels[0].height_px)
        mpp_um = mpp_um or known_mpp_um(source)
    if mpp_um is None:
        raise RunError(no_pixel_size(name))
    places = (
        place / f"{path.stem}{end}" for place in (folder, folder / _CLAM) for end in _SUFFIXES
    )
    file = next((each for each in places if each.is_file()), None)
    if file is None:
        raise ResultFileError(f"There are no features {path.stem}.h5 in {folder}.")
    read = read_result_file(file, size, mpp_um)
    if read.vectors is None or (found := read.found.as_patches) is None:
        raise ResultFileError(f"{file.name} holds no features of an encoder.")
    notes += read.troubles
    features = features_of(found, key, str(path.absolute()), name)
    side_px = read.vectors.side_um / mpp_um
    # Cells are as wide as the step between tiles, which may overlap: middles stay where they are.
    places = features.places + (features.side_px - side_px) / 2
    return replace(features, places=np.asarray(places), side_px=side_px)
