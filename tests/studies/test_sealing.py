"""What is sealed opens for its recipients and in its own file alone, and not after its stage."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import shapely
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from viewer.annotations.annotation import Annotation
from viewer.annotations.document import adding, changing
from viewer.annotations.sets import set_store
from viewer.annotations.sets.annotation_set import SUFFIX, AnnotationSet, SetKey
from viewer.annotations.sets.set_store import SetStore
from viewer.annotations.storage.store import Stamped
from viewer.signing.sealing import SealError, SealKey, read_recovery_file, seal, write_recovery_file
from viewer.studies.answers import AnswerFile, all_answers, keep_answers
from viewer.studies.blinding import end_stage
from viewer.studies.project import Project, ProjectSlide, blinding
from viewer.studies.stages import Stage
from viewer.studies.study_keys import OwnerSealer
from viewer.studies.study_reader import StudyReader, study_reader

STAGES = (Stage(name="First", hides=("others",)), Stage(name="Second", hides=("earlier",)))
SLIDES = ("slide-1", "slide-2")


def made_study(*, is_by_slide: bool = False) -> tuple[Project, SealKey]:
    key = SealKey.new()
    slides = tuple(ProjectSlide(identity=each, path=f"{each}.svs") for each in SLIDES)
    project = Project(id="study-1", slides=slides, keeps_sets=True)
    return blinding(STAGES, "boss", key.public, is_by_slide=is_by_slide)(project), key


def draw(reader: StudyReader, identity: str = "slide-1") -> AnnotationSet:
    view = reader.view(identity)
    which = AnnotationSet(reader.folder, identity, view.own)
    store = SetStore(which, reader.sealer(view))
    store.write([Stamped.now(adding("Draw", [Annotation(shapely.box(0, 0, 9, 9))]), "B")])
    store.close()
    return which


def opened(which: AnnotationSet, sealer: object) -> int:
    """How many annotations of a set open."""
    return len(SetStore(which, sealer, read_only=True))  # type: ignore[arg-type]


# Lines ---------------------------------------------------------------------------------------


def opened_by_hand(sealed: str, key: SealKey, about: bytes) -> tuple[bytes, bytes, bytes]:
    """The line's own public key, its key and what it holds, by what the page says of it."""
    to, ephemeral, data = msgspec.msgpack.decode(base64.b64decode(sealed))
    private = X25519PrivateKey.from_private_bytes(key.raw)
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    salt = ephemeral + key.public.encode()
    wraps = HKDF(SHA256(), 32, salt, b"coverslip sealed line 1").derive(shared)
    line_key = ChaCha20Poly1305(wraps).decrypt(bytes(12), dict(to)[key.name], None)
    return ephemeral, line_key, ChaCha20Poly1305(line_key).decrypt(bytes(12), data, about)


def test_each_line_has_keys_of_its_own_that_its_recipients_alone_can_compute() -> None:
    keys = SealKey.new(), SealKey.new()
    found: list[tuple[bytes, bytes, bytes]] = []
    for _ in range(2):
        sealed = seal(b"tumor", [each.public for each in keys], b"slide 1")
        of_one, of_other = (opened_by_hand(sealed, key, b"slide 1") for key in keys)
        assert of_one == of_other
        found.append(of_one)
    (one, one_key, text), (other, other_key, _) = found
    assert text == b"tumor"
    assert len({one, other}) == len({one_key, other_key}) == 2
    assert len(one_key) == 32


def test_letters_that_are_no_base64_open_nothing() -> None:
    key = SealKey.new()
    sealed = seal(b"tumor", [key.public], b"")
    assert key.unseal(sealed, b"") == b"tumor"
    for spoilt in (f"{sealed[:8]}!{sealed[8:]}", f"{sealed}\n", f" {sealed}"):
        assert key.unseal(spoilt, b"") is None


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        ("slide-1", SetKey("C", stage="First")),
        ("slide-1", SetKey("B", stage="Second")),
        ("slide-1", SetKey("B", "Another", "First")),
        ("slide-2", SetKey("B", stage="First")),
    ],
    ids=["reader", "stage", "name", "slide"],
)
def test_sealed_lines_of_a_set_open_in_no_other(identity: str, key: SetKey, tmp_path: Path) -> None:
    project, owner = made_study()
    which = draw(StudyReader(tmp_path, project, "B"))
    assert opened(which, OwnerSealer(owner)) == 1
    (path,) = which.files_folder.iterdir()
    other = AnnotationSet(tmp_path, identity, key)
    other.files_folder.mkdir(exist_ok=True)
    (other.files_folder / f"{key.file_name}brought-1{SUFFIX}").write_bytes(path.read_bytes())
    store = SetStore(other, OwnerSealer(owner), read_only=True)
    assert (len(store), store.sealed_count) == (0, 1)


def test_sealed_answers_open_with_no_other_reader_or_slide(tmp_path: Path) -> None:
    project, owner = made_study()
    reader = StudyReader(tmp_path, project, "B")
    sheet = AnswerFile(
        tmp_path, "B", "slide-1", "a.svs", "First",
        sealer=lambda: reader.sealer(reader.view("slide-1")),
    )  # fmt: skip
    keep_answers(sheet, [sheet.given("grading", "pattern", "4")])
    (path,) = (tmp_path / "answers" / "B").iterdir()
    places = [sheet.written_by("other-1")]
    places += [AnswerFile(tmp_path, "C", "slide-1", "").written_by("x-1")]
    places += [AnswerFile(tmp_path, "B", "slide-2", "").written_by("x-1")]
    data, found = path.read_bytes(), list[int]()
    path.unlink()
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        found.append(len(all_answers(tmp_path, lambda _: OwnerSealer(owner))))
        place.unlink()
    assert found == [1, 0, 0]


def test_a_file_that_is_written_anew_to_be_smaller_stays_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_store, "_MOST_HISTORY_WHILE_OPEN_BYTES", 0)
    project, owner = made_study()
    reader = StudyReader(tmp_path, project, "B")
    view = reader.view("slide-1")
    which = AnnotationSet(tmp_path, "slide-1", view.own)
    store = SetStore(which, reader.sealer(view))
    last = Annotation(shapely.box(0, 0, 9, 9), name="secretfinding")
    store.write([Stamped.now(adding("Draw", [last]), "B")])
    sizes: list[int] = []
    for number in range(40):
        step = changing("Secretly", [(last, replace(last, name=f"secretfinding {number}"))])
        store.write([Stamped.now(step, "B")])
        sizes.append(store.path.stat().st_size)
    store.close()
    assert sizes[-1] < 2 * sizes[0], "it was written anew"
    (path,) = which.files_folder.iterdir()
    data = path.read_bytes()
    assert b'"sealed"' in data
    assert not any(each in data for each in (b'"edit"', b"ecret"))
    for sealer in (OwnerSealer(owner), reader.sealer(view)):
        assert opened(which, sealer) == 1


# Keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_by_slide", [False, True])
def test_a_stage_that_ended_is_closed_on_each_machine_of_its_reader(
    is_by_slide: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, owner = made_study(is_by_slide=is_by_slide)
    sets: dict[str, list[AnnotationSet]] = {}
    views = {each: StudyReader(tmp_path, project, "B").view(each) for each in SLIDES}
    for home in ("one", "two"):
        monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / home))
        reader = study_reader(tmp_path / "shared", project, "B")
        sets[home] = [draw(reader, each) for each in SLIDES]

    def count() -> list[int]:
        reader = StudyReader(tmp_path / "shared", project, "B")
        return [opened(which, reader.sealer(views[which.identity])) for which in sets["one"]]

    assert count() == [1, 1], "each machine opens what was drawn on it"
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "one"))
    assert count() == [1, 1]
    end_stage(study_reader(tmp_path / "shared", project, "B"), "")
    assert count() == [0, 0]
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "two"))
    assert count() == [1, 1]
    after = study_reader(tmp_path / "shared", project, "B")
    assert after.view("slide-1").stage == "Second"
    assert count() == [0, 0]
    assert [opened(which, OwnerSealer(owner)) for which in sets["one"]] == [2, 2]


def test_a_recovery_file_takes_all_of_its_passphrase_and_time_for_each_guess(
    tmp_path: Path,
) -> None:
    path = tmp_path / "study.key"
    write_recovery_file(path, SealKey.new(), "correct horse battery")
    for guess in (
        "correct horse",
        "correct horse batterx",
        "correct horse battery ",
        "Correct horse battery",
    ):
        with pytest.raises(SealError, match="not the passphrase"):
            read_recovery_file(path, guess)
    n, r, p = json.loads(path.read_bytes())["scrypt"]
    assert n * r * p >= 1 << 19, "64 MiB"
