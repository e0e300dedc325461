# (lancedb brings no types)
"""A store of patch features: Lance tables in a folder or a bucket, one for each encoder.

A slide's rows come in one commit of Lance, so a slide is there as a whole or not at all; the table
`slides` names a slide when its rows are there. Rows that take the place of others are added under
a name of their own first, and one commit exchanges the names: a program that is killed leaves the
former rows or the new ones. What else a crash left without a name is removed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import random
import re
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from filelock import FileLock, Timeout
from msgspec.structs import replace

from viewer.access import OWNER_FILE, make_folder
from viewer.cohort.features.claims import Claims
from viewer.cohort.features.errors import FeatureStoreError, NoFeaturesError, lance_reason
from viewer.cohort.features.rows import Encoder, SlideFeatures
from viewer.egress import EgressError
from viewer.errors import reason_of
from viewer.policy import policy
from viewer.slides.remote.credentials import s3_settings
from viewer.slides.remote.endpoints import check_contact, endpoint_of
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

_log = logging.getLogger(__name__)

MISSING = (
    "Stores of features need LanceDB, which is not installed: run "
    "`pip install 'coverslip[cohort]'`, then try again."
)
FOLDER = "features"
_SLIDES = "slides"
_LOCKS, _WRITING = ".locks", "writing"
_INDEX_BYTES, _METADATA_BYTES = 1 << 30, 128 << 20
"""Of indexes, and of what files say of themselves, that a store holds in memory."""
_MOST_PIECES = 64
_STAGED, _FORMER = "/staged", "/former"
"""Ends of the names of rows that are not those of the slide yet, or any more."""
_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0)
_AT_ONCE = {"client_max_retries": "4", "client_retry_timeout": "10", "timeout": "10s"}
"""Of a bucket that nobody knows to answer: else a wrong address is heard of after a minute."""
_CONFLICT = re.compile("conflict|concurrent", re.IGNORECASE)


class FeatureStore:
    """The features of a cohort. Every method may raise FeatureStoreError.

    Parameters
    ----------
    place
        A folder, made when absent where `writes`, or an s3:// address.
    waits
        Whether a bucket that is silent at first is asked again for some minutes.
    """

    def __init__(self, place: str | Path, *, writes: bool = False, waits: bool = False) -> None:
        if importlib.util.find_spec("lancedb") is None:
            raise FeatureStoreError(MISSING)
        # Read when the library is loaded: its notes about deprecations are for its developers.
        os.environ.setdefault("LANCEDB_LOG", "error")
        import lancedb

        self.place = str(place)
        options: dict[str, str] | None = None
        if not self.place.strip():
            raise FeatureStoreError("No store is named: give a folder or an s3:// address.")
        if self.place.startswith("s3://"):
            options = _bucket_options(self.place)
        elif "://" in self.place:
            raise FeatureStoreError(f"{self.place} is no store: give a folder or an s3:// address.")
        else:
            _check_folder(Path(self.place), writes=writes)
        self._held_rows: tuple[tuple[int, int], list[dict[str, Any]]] | None = None
        self._locks: Path | None = None
        self._claims: Claims | None = None
        if writes and options is None:
            self._locks = Path(self.place) / _LOCKS
        elif writes:
            self._claims = Claims(self.place)
        uri = f"{self.place.rstrip('/')}/{FOLDER}"
        with self._errors_told():
            if options is not None and not waits:
                list(lancedb.connect(uri, storage_options=options | _AT_ONCE).list_tables().tables)
            session = lancedb.Session(_INDEX_BYTES, _METADATA_BYTES)
            self._database: Any = lancedb.connect(uri, storage_options=options, session=session)
            with self._locked(_WRITING):
                self._names = set(self._listed())
                if writes and _SLIDES not in self._names:
                    from viewer.cohort.features.arrow import slides_schema

                    self._create(_SLIDES, slides_schema())
        if not writes and _SLIDES not in self._names:
            raise NoFeaturesError(self._without_features())

    # What is there ---------------------------------------------------------------------------

    def encoders(self) -> list[Encoder]:
        """Return the encoders that slides were embedded by, by name."""
        # Of each encoder one row, however many slides it has seen.
        texts = {row["encoder_key"]: row["encoder"] for row in reversed(self._slide_rows())}
        found = {key: Encoder(**json.loads(text)) for key, text in texts.items()}
        return sorted(found.values(), key=lambda encoder: (encoder.name, encoder.version))

    def encoder(self, name: str = "") -> Encoder:
        """Return an encoder by name or key; without one, the only one that there is."""
        known = self.encoders()
        wanted = name.casefold()
        found = [
            each
            for each in known
            if not name or wanted in (each.name.casefold(), each.key.casefold())
        ]
        if len(found) == 1:
            return found[0]
        if not known:
            raise NoFeaturesError(self._without_features())
        names = ", ".join(dict.fromkeys(each.name for each in known))
        if not found:
            raise FeatureStoreError(
                f'There are no features of "{name}" in {self.place}; there are those of: {names}.'
            )
        which = ", ".join(f"{each.name} {each.version} ({each.key[:12]})" for each in found)
        raise FeatureStoreError(
            f"There are features of several encoders in {self.place}: name one of {which}."
        )

    def _without_features(self) -> str:
        return (
            f"There are no features in {self.place}: make some with `coverslip embed ENCODER "
            f"SLIDE... --store {self.place}`."
        )

    def slides(self, encoder: Encoder) -> dict[str, dict[str, Any]]:
        """Return what is known of each embedded slide, by its key."""
        rows = self._slide_rows()
        return {row["slide"]: row for row in rows if row["encoder_key"] == encoder.key}

    def read_slide(self, encoder: Encoder, slide: str) -> SlideFeatures:
        """Return all features of a slide."""
        held = self.slides(encoder).get(slide)
        if held is None:
            raise FeatureStoreError(f"The slide {slide} is not in {self.place}.")
        table = self.table_of(encoder)
        with self._errors_told():
            read = table.search().where(f"slide = '{_quoted(slide)}'").limit(None).to_arrow()
        flat = read["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        places = np.stack([read["x"].to_numpy(), read["y"].to_numpy()], 1)
        # Two machines that lost sight of each other may both have added the slide.
        rows = np.sort(np.unique(places, axis=0, return_index=True)[1])
        return SlideFeatures(
            slide,
            held["path"],
            held["name"],
            _of_rows(read["mpp_um"], held["mpp_um"]),
            _of_rows(read["side_px"], held["side_px"]),
            places[rows],
            flat.reshape(-1, encoder.length).astype(np.float16)[rows],
            read["quality"].to_numpy().astype(np.float32)[rows],
            json.loads(held["attributes"]),
        )

    # Changes ---------------------------------------------------------------------------------

    @contextmanager
    def claim(self, encoder: Encoder, slide: str, *, waits: bool = False) -> Generator[bool]:
        """Keep a slide from other processes, and give whether it is free for this one.

        A process that ends, however it does, gives up what it claimed; in a bucket that is seen
        after some minutes (`claims`). In a folder two slides share a lock now and then, which only
        makes one of them wait.
        """
        if self._claims is not None:
            with self._claims.held(f"{encoder.key} {slide}", waits=waits) as is_held:
                yield is_held
            return
        name = hashlib.blake2b(f"{encoder.key} {slide}".encode(), digest_size=1).hexdigest()
        with self._locked(name, waits=waits) as is_free:
            yield is_free

    def add_slide(self, encoder: Encoder, features: SlideFeatures) -> None:
        """Keep the features of a slide, in place of those kept before by the same encoder."""
        if features.vectors.shape[1:] != (encoder.length,):
            raise FeatureStoreError(
                f"{encoder.name} makes vectors of {encoder.length} numbers; these of "
                f"{features.name} have {features.vectors.shape[-1]}."
            )
        entry = {
            "slide": features.slide,
            "encoder_key": encoder.key,
            "encoder": json.dumps(msgspec.structs.asdict(encoder)),
            "path": features.path,
            "name": features.name,
            "patches": len(features),
            "mpp_um": features.mpp_um,
            "side_px": features.side_px,
            "attributes": json.dumps(features.attributes),
            "at_utc": utc_stamp(),
        }
        with self._errors_told(), self._locked(_WRITING):
            patches = self._patches_name(encoder, create=True)
            self._put_rows(patches, features, encoder.length)
            where = _entry(encoder, features.slide)
            if self._table(_SLIDES).count_rows(where):
                self._change(_SLIDES, lambda table: table.update(where=where, values=entry))
            else:
                self._change(_SLIDES, lambda table: table.add([entry]))

    def _put_rows(self, patches: str, features: SlideFeatures, length: int) -> None:
        """Put the rows of a slide into a table in one commit, in place of those that are there."""
        from viewer.cohort.features.arrow import patches_table

        slide = features.slide
        here, staged, former = (f"{slide}{end}" for end in ("", _STAGED, _FORMER))
        leftovers = f"slide IN ({_sql_list(staged, former)})"
        if self._table(patches).count_rows(leftovers):
            self._change(patches, lambda table: table.delete(leftovers))
        is_there = self._table(patches).count_rows(f"slide IN ({_sql_list(here)})") > 0
        if len(features):
            named = replace(features, slide=staged if is_there else here)
            rows = patches_table(named, length)
            self._change(patches, lambda table: table.add(rows))
        if is_there:
            both = f"slide IN ({_sql_list(here, staged)})"
            exchanged = f"replace(concat(slide, '{_FORMER}'), '{_STAGED}{_FORMER}', '')"
            self._change(
                patches, lambda table: table.update(where=both, values_sql={"slide": exchanged})
            )
            self._change(patches, lambda table: table.delete(leftovers))

    def describe_slide(
        self, encoder: Encoder, slide: str, path: str, name: str, attributes: Mapping[str, str]
    ) -> None:
        """Say anew where a slide that is there lies, what it is called, and what is known of it."""
        values = {"path": path, "name": name, "attributes": json.dumps(dict(attributes))}
        with self._errors_told(), self._locked(_WRITING):
            where = _entry(encoder, slide)
            self._change(_SLIDES, lambda table: table.update(where=where, values=values))

    def compact(self, encoder: Encoder) -> None:
        """Put the pieces of the tables together, of which each slide left one, where many lie."""
        with self._errors_told(), self._locked(_WRITING):
            for name in (_SLIDES, self._patches_name(encoder)):
                if self._table(name).stats()["fragment_stats"]["num_fragments"] > _MOST_PIECES:
                    self._change(name, lambda table: table.optimize())

    # -----------------------------------------------------------------------------------------

    def table_of(self, encoder: Encoder) -> Any:
        """Return the Lance table of an encoder's patches, for searching."""
        return self._table(self._patches_name(encoder))

    @contextmanager
    def _locked(self, name: str, *, waits: bool = True) -> Generator[bool]:
        """Hold a lock of the store against other processes; give whether it is held."""
        if self._locks is None:
            yield True
            return
        lock = FileLock(self._locks / f"{name}.lock", timeout=-1 if waits else 0, mode=OWNER_FILE)
        try:
            make_folder(self._locks)
            lock.acquire()
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError):
            # Some network drives have no locks.
            _log.info("%s cannot be locked", self.place, exc_info=True)
        try:
            yield True
        finally:
            lock.release()

    def _patches_name(self, encoder: Encoder, *, create: bool = False) -> str:
        name = "patches_" + hashlib.blake2b(encoder.key.encode(), digest_size=8).hexdigest()
        if create and name not in self._names:
            from viewer.cohort.features.arrow import patches_schema

            self._create(name, patches_schema(encoder.length))
        return name

    def _change(self, name: str, change: Callable[[Any], object]) -> None:
        """Change the newest state of a table; again where another machine was quicker."""
        for pause_s in (*_AGAIN_S, None):
            try:
                change(self._table(name))
                return
            except Exception as error:  # lancedb has no class of its own for it
                if pause_s is None or not _CONFLICT.search(str(error)):
                    raise
                _log.info("another machine changed %s meanwhile", name)
                time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    def _table(self, name: str) -> Any:
        with self._errors_told():
            return self._database.open_table(name)

    def _create(self, name: str, schema: object) -> None:
        try:
            self._database.create_table(name, schema=schema, exist_ok=True)
        except Exception:  # of any kind; another machine may have made it at the same time
            if name not in self._listed():
                raise
        self._names.add(name)

    def _listed(self) -> Sequence[str]:
        found: list[str] = []
        token = None
        while True:
            page = self._database.list_tables(page_token=token)
            found += page.tables
            token = page.page_token
            if not token:
                return found

    def _slide_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table of slides; read anew only where it has changed."""
        with self._errors_told():
            table = self._table(_SLIDES)
            state = table.version, table.count_rows()
            held = self._held_rows
            if held is None or held[0] != state:
                held = state, table.search().limit(None).to_arrow().to_pylist()
                self._held_rows = held
            return held[1]

    @contextmanager
    def _errors_told(self) -> Generator[None]:
        """Raise FeatureStoreError for whatever lancedb raises: its Rust core raises anything."""
        try:
            yield
        except FeatureStoreError:
            raise
        except Exception as error:
            _log.info("the feature store %s failed", self.place, exc_info=error)
            raise FeatureStoreError(
                f"The store {self.place} cannot be used ({lance_reason(error)}): check that it is "
                "there, whole, and that you may write to it."
            ) from error


def _entry(encoder: Encoder, slide: str) -> str:
    """Return the condition of a slide's row in the table of slides."""
    return f"slide = '{_quoted(slide)}' AND encoder_key = '{_quoted(encoder.key)}'"


def _of_rows(column: Any, named: float) -> float:
    """Return a size as the rows have it, in single precision, where they are not those named.

    A program was killed between the two.
    """
    if not len(column) or column[0].as_py() == np.float32(named):
        return named
    return column[0].as_py()


def _sql_list(*texts: str) -> str:
    """Return texts as SQL lists them."""
    return ", ".join(f"'{_quoted(each)}'" for each in texts)


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _bucket_options(address: str) -> dict[str, str]:
    """Return how Lance reaches a bucket. Raises FeatureStoreError where that is not allowed."""
    try:
        check_contact(address)
    except EgressError as error:
        raise FeatureStoreError(str(error)) from error
    options = {f"aws_{name}": value for name, value in s3_settings().items()}
    if endpoint_of(address).startswith("http://"):
        options["allow_http"] = "true"
    return options | {"timeout": "60s", "client_max_retries": "16", "client_retry_timeout": "180"}


def _check_folder(folder: Path, *, writes: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise FeatureStoreError(f"{folder} is a file: a store is a folder or an s3:// address.")
    if not writes:
        if not folder.is_dir():
            raise NoFeaturesError(f"There is no store {folder}.")
        return
    if not policy().allows_path(folder):  # before the library writes, past our own ways
        raise FeatureStoreError(
            f"The store {folder} cannot be written: the administrator's policy allows no files "
            "there."
        )
    try:
        make_folder(folder / FOLDER)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise FeatureStoreError(
            f"The store {folder} cannot be written ({reason_of(error)}): choose another folder."
        ) from error
