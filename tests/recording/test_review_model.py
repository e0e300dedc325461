"""Verdicts on rationales: given, taken back, resumed, counted, compared, and never lost."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import forked_programs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_steps import item, open_review, read_for_a_while

from viewer.recording.review.agreement import agreement_of, cohens_kappa
from viewer.recording.review.drafts import DRAFTS_FILE, add_draft, read_drafts
from viewer.recording.review.entries import Decided, Draft, Entry, Opened, ReviewError
from viewer.recording.review.figures import figures_of
from viewer.recording.review.json_lines import json_line
from viewer.recording.review.prompts import (
    DEFAULT_PROMPT,
    check_template,
    filled,
    load_template,
    save_template,
    studies,
)
from viewer.recording.review.rationales import rationale_of
from viewer.recording.review.report import report_of
from viewer.recording.review.review import Review
from viewer.recording.review.review_log import ReviewLog, read_entries, review_path
from viewer.recording.review.review_state import ReviewState, standing_of
from viewer.recording.review.stopwatch import IDLE_S, Stopwatch
from viewer.recording.review.verdicts import Reviewed, reviews_of, verdicts_checksum
from viewer.recording.session import SlideRef

ITEMS = [item(1, "A nest of cells."), item(2, "Fat."), item(3), item(4, "Stroma."), item(5)]


def wanted_verdict(review: Review, index: int) -> str:
    decision = review.decision(index)
    return "open" if decision is None else decision.verdict


def test_each_verdict_says_what_became_of_the_draft(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    review.accept(0, "A nest of cells.\n", 4.0)
    review.accept(1, "Fat and vessels.", 6.0)
    review.accept(2, "Typed by hand.", 30.0)
    review.reject(3, 2.0)
    review.skip(4, 1.0)
    decisions = review.decisions()
    assert [d.verdict for d in decisions if d] == [
        "accepted", "edited", "accepted", "rejected", "skipped",
    ]  # fmt: skip
    assert [d.source for d in decisions if d] == ["model", "model", "typed", "model", "none"]
    assert [d.edit_distance for d in decisions if d] == [0, 12, None, None, None]
    assert [d.text for d in decisions if d][3:] == ["", ""]
    assert review.is_done
    review.close()
    (reviewed,) = reviews_of(tmp_path / "s")
    figures = figures_of(reviewed, [item.key for item in ITEMS])
    assert (figures.accepted, figures.edited, figures.written) == (1, 1, 1)
    assert (figures.rejected, figures.skipped, figures.open, figures.done) == (1, 1, 0, 5)
    assert figures.judging_s == pytest.approx(4.0)
    assert figures.writing_s == pytest.approx(30.0)
    assert figures.judging_share == pytest.approx(4 / 30)
    assert figures.mean_edit_distance == pytest.approx(6.0)


def test_what_is_kept_as_it_goes_on_is_what_its_log_comes_to(tmp_path: Path) -> None:
    review, chance = open_review(tmp_path / "s", ITEMS), random.Random(3)
    shown = review.take_changed()
    for _ in range(200):
        at, seconds = chance.randrange(len(ITEMS)), chance.choice((0.0, 1.25, 4.0))
        match chance.randrange(6):
            case 0:
                review.accept(at, chance.choice(("Fat.", "Stroma.")), seconds)
            case 1:
                review.reject(at, seconds)
            case 2:
                review.skip(at, seconds)
            case 3:
                review.leave(at, seconds)
            case 4:
                review.undo()
            case _:
                review.redo()
        shown.update(review.take_changed())
        assert list(shown.values()) == review.decisions()
    assert review.log.flush()
    state = standing_of(read_entries(review_path(tmp_path / "s", "r1")))
    whole = figures_of(Reviewed("r1", state.verdicts(), state.seconds), [i.key for i in ITEMS])
    review.close()
    assert [state.verdict(each.key) for each in ITEMS] == review.decisions()
    for name, value in msgspec.structs.asdict(whole).items():
        assert getattr(review.figures(), name) == pytest.approx(value, nan_ok=True), name
    still_open = [n for n, each in enumerate(review.decisions()) if each is None]
    assert review.is_done == (not still_open)
    assert review.next_open(2) == next((n for n in (2, 3, 4, 0, 1) if n in still_open), 2)


def test_nothing_is_accepted_without_a_text(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    with pytest.raises(ReviewError, match="no text to accept"):
        review.accept(2, "  \n", 1.0)
    assert review.decision(2) is None
    review.close()


def test_a_review_goes_on_where_it_stopped(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    review.accept(0, "A nest of cells.", 4.0)
    review.accept(3, "Stroma.", 4.0)
    review.leave(1, 2.5)
    review.type(1, "Fat, and a ves")
    review.close()
    again = open_review(tmp_path / "s", ITEMS)
    assert again.resume_index() == 1
    assert again.text(1) == "Fat, and a ves"
    assert again.seconds(1) == pytest.approx(2.5)
    assert again.undo() == 3
    assert again.decision(3) is None
    assert again.resume_index() == 3
    again.close()


def test_a_second_window_is_told_that_a_review_is_open(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    with pytest.raises(ReviewError, match="open in another window"):
        open_review(tmp_path / "s", ITEMS)
    other = open_review(tmp_path / "s", ITEMS, "r2")
    other.close()
    review.close()
    open_review(tmp_path / "s", ITEMS).close()


@pytest.mark.parametrize("name", ["", "   ", "x" * 65])
def test_a_reviewer_needs_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReviewError, match="1 to 64"):
        review_path(tmp_path, name)


@given(st.text(min_size=1, max_size=20).filter(lambda name: name.strip()))
def test_a_reviewers_name_stays_in_its_folder(name: str) -> None:
    folder = Path("session")
    path = review_path(folder, name)
    assert path.parent == folder / "reviews"
    assert path.name.endswith(".jsonl")
    assert "/" not in path.name
    assert "\\" not in path.name


# Undo, redo, resume: against a list of verdicts kept by hand -----------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(0, 4), st.sampled_from(["A", "B", "Fat."])),
        st.tuples(st.sampled_from(["reject", "skip"]), st.integers(0, 4), st.just("")),
        st.tuples(st.just("type"), st.integers(0, 4), st.sampled_from(["x", "yy", ""])),
        st.tuples(st.sampled_from(["undo", "redo", "reopen"]), st.just(0), st.just("")),
    ),
    max_size=40,
)


def take(review: Review, kind: str, index: int, text: str) -> None:
    if kind == "accept":
        review.accept(index, text, 1.0)
    elif kind == "reject":
        review.reject(index, 1.0)
    elif kind == "skip":
        review.skip(index, 1.0)
    elif kind == "type":
        review.type(index, text)
    elif kind == "undo":
        review.undo()
    else:
        review.redo()


@settings(max_examples=60)
@given(STEPS)
def test_undo_redo_and_resume_hold_what_counts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    session = tmp_path_factory.mktemp("session")
    review = open_review(session, ITEMS)
    done: list[tuple[int, str]] = []
    undone: list[tuple[int, str]] = []
    for kind, index, text in steps:
        if kind == "reopen":
            texts = [review.text(at) for at in range(5)]
            review.close()
            review = open_review(session, ITEMS)
            assert [review.text(at) for at in range(5)] == texts
            continue
        take(review, kind, index, text)
        if kind in ("accept", "reject", "skip"):
            decision = review.decision(index)
            assert decision is not None
            done.append((index, decision.verdict))
            undone.clear()
        elif kind == "undo" and done:
            undone.append(done.pop())
        elif kind == "redo" and undone:
            done.append(undone.pop())
        counts = dict(done)
        assert [wanted_verdict(review, at) for at in range(5)] == [
            counts.get(at, "open") for at in range(5)
        ]
        assert review.can_undo == bool(done)
        assert review.can_redo == bool(undone)
    review.close()
    entries = read_entries(review_path(session, "r1"))
    assert standing_of(entries).verdicts() == review._standing.verdicts()


@given(st.lists(st.sampled_from(["undone", "redone"]), max_size=5))
def test_undoing_nothing_changes_nothing(kinds: list[str]) -> None:
    decoder = msgspec.json.Decoder(Entry)
    lines = [decoder.decode(f'{{"type":"{kind}","at_utc":""}}') for kind in kinds]
    assert standing_of(lines) == ReviewState()


# Never lost ------------------------------------------------------------------------------------

REVIEWING = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from review_steps import item, open_review
    items = [item(number, "Draft.") for number in range(1, 2000)]
    review = open_review(Path(sys.argv[1]), items)
    for index in range(len(items)):
        review.accept(index, f"Text {index}.", 1.0)
        review.log.flush()
        os.write(1, b"%d\\n" % index)
    """
)


@pytest.mark.parametrize("after_lines", [1, 40, 200])
def test_a_killed_review_keeps_every_verdict(tmp_path: Path, after_lines: int) -> None:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent.parent}"}
    with forked_programs.Popen(
        [sys.executable, "-c", REVIEWING, str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(after_lines)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    told = [int(line) for line in said if line.endswith(b"\n")]
    items = [item(number, "Draft.") for number in range(1, 2000)]
    review = open_review(tmp_path / "s", items)
    kept = [decision for decision in review.decisions() if decision is not None]
    assert len(kept) >= len(told) >= after_lines
    assert [decision.text for decision in kept] == [f"Text {at}." for at in range(len(kept))]
    assert review.resume_index() == len(kept)
    review.close()


def test_a_torn_last_line_is_cut_off_and_written_over(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    review.accept(0, "One.", 1.0)
    review.close()
    path = review_path(tmp_path / "s", "r1")
    whole = path.read_bytes()
    for torn_bytes in (1, 10, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-torn_bytes])
        again = open_review(tmp_path / "s", ITEMS)
        assert again.decision(0) is None
        again.accept(1, "Two.", 1.0)
        again.close()
        verdicts = standing_of(read_entries(path)).verdicts()
        assert [verdict.text for verdict in verdicts.values()] == ["Two."]


def test_a_damaged_line_is_named_and_left_alone(tmp_path: Path) -> None:
    review = open_review(tmp_path / "s", ITEMS)
    review.accept(0, "One.", 1.0)
    review.close()
    path = review_path(tmp_path / "s", "r1")
    damaged = b"{nonsense}\n" + path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(ReviewError, match=r"Line 1 .* is damaged"):
        open_review(tmp_path / "s", ITEMS)
    assert path.read_bytes() == damaged


def test_a_review_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = review_path(tmp_path, "r1")
    path.parent.mkdir()
    newer = Opened(session="s", reviewer="r1", app_version="9.9", at_utc="", schema_version=9)
    path.write_bytes(json_line(newer))
    with pytest.raises(ReviewError, match=r"newer Coverslip \(9\.9\)"):
        ReviewLog(path)


def test_a_folder_that_vanishes_comes_back_with_all_lines(tmp_path: Path) -> None:
    told: list[str] = []
    session = tmp_path / "s"
    session.mkdir()
    log = ReviewLog(review_path(session, "r1"), told.append)
    review = Review("s", "r1", ITEMS, log)
    review.accept(0, "Before.", 1.0)
    assert log.flush()
    shutil.rmtree(session / "reviews")
    review.accept(1, "Meanwhile.", 1.0)
    until_s = time.monotonic() + 10
    while not told and time.monotonic() < until_s:
        time.sleep(0.01)
    assert "cannot be written" in told[0]
    (session / "reviews").mkdir()
    assert log.flush(10.0)
    assert told[-1] == ""
    assert review.close()
    verdicts = standing_of(read_entries(review_path(session, "r1"))).verdicts()
    assert [verdict.text for verdict in verdicts.values()] == ["Before.", "Meanwhile."]


AWAY = textwrap.dedent(
    """
    import os, shutil, sys, time
    from pathlib import Path
    from review_steps import item, open_review
    session = Path(sys.argv[1])
    review = open_review(session, [item(1, "Draft."), item(2, "Draft.")])
    review.accept(0, "Before.", 1.0)
    review.log.flush()
    (session / "reviews").rename(session / "elsewhere")
    review.accept(1, "Meanwhile.", 1.0)
    while True:
        time.sleep(0.5)
        os.write(1, b"x\\n")
    """
)


def test_a_review_killed_while_its_folder_is_away_has_all_lines(tmp_path: Path) -> None:
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONPATH": f"{here}{os.pathsep}{here.parent.parent}",
        "TMPDIR": str(tmp_path),
    }
    session = tmp_path / "s"
    with forked_programs.Popen(
        [sys.executable, "-c", AWAY, str(session)], stdout=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    (session / "elsewhere").rename(session / "reviews")
    for _ in range(2):
        again = forked_programs.run(
            [sys.executable, "-c", TOLD, str(session)],
            capture_output=True, text=True, env=environment, check=True,
        )  # fmt: skip
        assert again.stdout.split() == ["Before.", "Meanwhile."]
    verdicts = standing_of(read_entries(review_path(session, "r1"))).verdicts()
    assert [verdict.text for verdict in verdicts.values()] == ["Before.", "Meanwhile."]
    assert not list(tmp_path.glob("coverslip-review-*"))


TOLD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from review_steps import item, open_review
    review = open_review(Path(sys.argv[1]), [item(1, "Draft."), item(2, "Draft.")])
    print(*(decision.text for decision in review.decisions() if decision))
    assert review.close()
    """
)


def test_a_stopwatch_leaves_out_what_was_idle() -> None:
    now = [0.0]
    watch = Stopwatch(lambda: now[0])
    watch.touch()
    now[0] = 20.0
    watch.touch()
    now[0] += 1000.0
    assert watch.take_s() == pytest.approx(20.0 + IDLE_S)
    now[0] += 5.0
    watch.hold()
    now[0] += 500.0
    assert watch.take_s() == pytest.approx(5.0)


# Two reviewers ---------------------------------------------------------------------------------


def decided(key: str, verdict: str, text: str = "", at_utc: str = "1") -> Decided:
    return msgspec.convert(
        {"type": "decided", "item": key, "verdict": verdict, "text": text, "source": "model",
         "seconds": 1.0, "at_utc": at_utc},
        Decided,
    )  # fmt: skip


def reviewed(name: str, *verdicts: Decided) -> Reviewed:
    return Reviewed(name, {verdict.item: verdict for verdict in verdicts}, {})


def test_kappa_of_the_textbook() -> None:
    # 50 grants judged by two: both yes 20, only A 5, only B 10, both no 15; p_o 0.7, p_e 0.5.
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10
    pairs += [(False, False)] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert math.isnan(cohens_kappa([]))
    assert math.isnan(cohens_kappa([(True, True)] * 3))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_kappa_is_the_same_both_ways_and_never_above_one(pairs: list[tuple[bool, bool]]) -> None:
    kappa = cohens_kappa(pairs)
    back = cohens_kappa([(b, a) for a, b in pairs])
    assert kappa == pytest.approx(back, nan_ok=True)
    assert math.isnan(kappa) or kappa <= 1.0 + 1e-12


def test_agreement_counts_what_both_judged() -> None:
    one = reviewed(
        "r1", decided("a", "accepted", "Same."), decided("b", "edited", "kitten"),
        decided("c", "rejected"), decided("d", "skipped"), decided("e", "accepted", "Alone."),
    )  # fmt: skip
    two = reviewed(
        "r2", decided("a", "edited", "Same."), decided("b", "accepted", "sitting"),
        decided("c", "accepted", "No."), decided("d", "rejected"),
    )  # fmt: skip
    agreement = agreement_of(one, two)
    assert (agreement.judged, agreement.both_accepted) == (3, 2)
    assert agreement.observed == pytest.approx(2 / 3)
    assert agreement.identical_share == 0.5
    assert agreement.mean_edit_distance == 1.5
    assert agreement.kappa == pytest.approx(0.0)


def test_a_disputed_rationale_does_not_go_out() -> None:
    one = reviewed("r1", decided("a", "accepted", "Mine."), decided("b", "accepted", "B.", "1"))
    two = reviewed("r2", decided("a", "rejected"), decided("b", "edited", "B, later.", "2"))
    assert rationale_of("a", [one, two]) is None
    assert rationale_of("c", [one, two]) is None
    both = rationale_of("b", [one, two])
    assert both is not None
    assert (both.text, both.reviewer, both.reviewers) == ("B, later.", "r2", ("r2", "r1"))
    alone = rationale_of("a", [one])
    assert alone is not None
    assert alone.text == "Mine."


def test_a_checksum_tells_of_changed_verdicts() -> None:
    one = reviewed("r1", decided("a", "accepted", "A."))
    assert verdicts_checksum([]) == verdicts_checksum([reviewed("r1")]) == ""
    assert verdicts_checksum([one]) == verdicts_checksum([one])
    other = reviewed("r1", decided("a", "edited", "B."))
    assert verdicts_checksum([one]) != verdicts_checksum([other])


def test_a_report_tells_of_all_reviewers(tmp_path: Path) -> None:
    session = read_for_a_while(tmp_path / "s")
    items = report_of(session).items
    assert [item.number for item in items] == [1, 2, 3]
    for name, verdict in (("r1", "accept"), ("r2", "reject")):
        review = open_review(session, items, name)
        review.accept(0, "Seen.", 3.0)
        take(review, verdict, 1, "Seen too.")
        review.close()
    report = report_of(session)
    assert report.figures["r1"].written == 2
    assert report.figures["r2"].rejected == 1
    assert report.figures["r2"].open == 1
    (agreement,) = report.agreements
    assert agreement.judged == 2
    assert agreement.identical_share == 1.0


# Drafts and prompts ----------------------------------------------------------------------------


def test_drafts_survive_a_torn_line(tmp_path: Path) -> None:
    first = Draft(item="a", text="One.", model="m", prompt_sha256="x", at_utc="1")
    add_draft(tmp_path, first)
    with (tmp_path / DRAFTS_FILE).open("ab") as file:
        file.write(b'{"item":"b","te')
    assert read_drafts(tmp_path) == {"a": first}
    second = msgspec.structs.replace(first, text="Better.")
    add_draft(tmp_path, second)
    assert read_drafts(tmp_path) == {"a": second}
    assert (tmp_path / DRAFTS_FILE).read_bytes().count(b"\n") == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [(" ", "empty"), ("Look at $organ.", r"\$organ"), ("It costs $ 5.", "stands for nothing")],
)
def test_a_prompt_that_cannot_be_filled_is_refused(text: str, word: str) -> None:
    with pytest.raises(ReviewError, match=word):
        check_template(text)
    with pytest.raises(ReviewError, match=word):
        save_template("lymph", text)


def test_a_prompt_is_filled_and_nothing_in_it_is_looked_at_again() -> None:
    slide = SlideRef(identity="x", width_px=1000, height_px=800, mpp_um=(0.5, 0.5))
    one = msgspec.structs.replace(slide, mpp_um=None)
    noted = msgspec.structs.replace(item(2), note="$organ {x} $$")
    prompt = filled("$number/$count $command $box_mm: $note", noted, 9, slide)
    assert prompt.text == "2/9 <10x-inspect> 0.1 x 0.04 mm: $organ {x} $$"
    assert filled("$box_mm", noted, 9, one).text == "200 x 80 pixels"
    assert len(prompt.sha256) == 64
    check_template(DEFAULT_PROMPT)


def test_each_study_has_its_own_prompt() -> None:
    assert load_template("lymph nodes") == DEFAULT_PROMPT
    save_template("lymph nodes", "Describe $command.")
    assert load_template("lymph nodes") == "Describe $command."
    assert studies() == ["default", "lymph nodes"]
    save_template("lymph nodes", DEFAULT_PROMPT)
    assert studies() == ["default"]
    for name in ("../x", "", "a/b", "a.", ".."):
        with pytest.raises(ReviewError, match="name of a study"):
            load_template(name)
