"""Hands: what a worker holds is told from what it only may hold, whatever happens between it and the queue."""

from __future__ import annotations

from typing import Any

import pytest

from imgpipe.queue.values import Claim, Receipt, Settled, Verdict
from imgpipe.worker.hands import Hands, Letter
from imgpipe.worker.settings import WorkerSettings


def claim(index: int, epoch: int = 1) -> Claim:
    """Return a task in our hands."""
    return Claim("j", index, epoch, 0, 0, 0, 0.0, b"")


def done(task: Claim, seconds: float = 1.0) -> Settled:
    """Return the word that a task is done."""
    return Settled(task, Verdict.DONE, busy_seconds=seconds)


def make_hands(**given: Any) -> Hands:
    """Return hands that are registered, with room for two."""
    hands = Hands(WorkerSettings(name="w", labels=frozenset(), **({"slots": 2} | given)), wake=lambda: None)
    hands.register("w:1")
    hands.turn([], 2)
    return hands


def letter_of(hands: Hands) -> Letter:
    """Return the letter that is due now."""
    letter = hands.await_letter(0)
    assert letter is not None
    return letter


def hold(hands: Hands, *claims: Claim, room: int = 2) -> list[Claim]:
    """Claim tasks, and put to work what there is room for."""
    letter_of(hands)
    hands.receive([(task, True) for task in claims])
    return hands.turn([], room)


def test_tasks_are_claimed_for_free_slots_and_begin_at_once():
    """The first letter asks for as many tasks as there are slots, and says that they begin."""
    letter = letter_of(make_hands())

    assert Letter("w:1", (), (), want=2, starting=2, resync=False) == letter


def test_nothing_is_asked_for_twice_until_the_bell_rings():
    """After an empty answer there is nothing to say, until the queue rings, or a slot gets free."""
    hands = make_hands()
    letter_of(hands)
    assert hands.await_letter(0) is None

    hands.ring()

    assert 2 == letter_of(hands).want
    hands.turn([], 3)
    assert 3 == letter_of(hands).want


def test_a_word_goes_with_the_next_claim():
    """What is done is said in the call that asks for the next task, and kept until there is a receipt."""
    hands = make_hands()
    first, second = claim(0), claim(1)
    assert [first, second] == hold(hands, first, second)
    hands.turn([done(first)], 1)

    letter = letter_of(hands)

    assert ((done(first),), 1, 1, 2) == (letter.words, letter.want, letter.starting, hands.held())
    hands.delivered(letter, [Receipt.ACCEPTED])
    assert (1, 1) == (hands.held(), hands.counts()["done"])


def test_what_was_fetched_ahead_is_reported_when_it_begins():
    """Tasks that wait have not begun for the queue; the letter after they begin says so."""
    hands = make_hands()
    first, second, ahead = claim(0), claim(1), claim(2)
    letter_of(hands)
    hands.receive([(first, True), (second, True), (ahead, False)])
    assert [first, second] == hands.turn([], 2)
    assert hands.await_letter(0) is None

    assert [ahead] == hands.turn([done(first)], 1)

    assert (ahead,) == letter_of(hands).begun


@pytest.mark.parametrize(
    ("seconds", "ahead"), [(0.05, 10), (0.1, 5), (0.24, 2), (0.26, 0), (60.0, 0), (0.0, 256), (1e-6, 256)]
)
def test_a_quarter_of_a_second_is_fetched_ahead(seconds, ahead):
    """The quicker the tasks, the more of them; none if they are slow, and never more than 256."""
    hands = make_hands()
    first = claim(0)
    hold(hands, first)

    hands.turn([done(first, seconds)], 0)

    assert ahead == letter_of(hands).want


def test_a_letter_that_may_be_lost_is_said_again_after_asking():
    """Words and news stay; the next letter asks first what the queue believes."""
    hands = make_hands()
    first = claim(0)
    letter_of(hands)
    hands.receive([(first, False)])
    hands.turn([], 1)
    hands.turn([done(first)], 0)
    letter = letter_of(hands)

    hands.failed(letter)

    again = letter_of(hands)
    assert (letter.words, letter.begun, True) == (again.words, again.begun, again.resync)


def test_what_the_queue_believes_is_adopted():
    """Tasks that we did not know of are ours; those that wait and are not ours any more are forgotten; work goes on."""
    hands = make_hands()
    running, waiting, unknown = claim(0), claim(1), claim(2)
    hold(hands, running, waiting, room=1)

    adopted = hands.reconcile([unknown])

    assert [unknown] == adopted
    assert 0 == hands.held()
    hands.receive([(task, False) for task in adopted])
    assert [unknown] == hands.turn([], 1)
    hands.turn([done(running)], 0)
    assert (done(running),) == letter_of(hands).words


def test_a_worker_that_was_forgotten_keeps_only_what_is_in_work():
    """What waits may be somebody else's by now; what is in work is finished, and said under the new name."""
    hands = make_hands()
    running, waiting = claim(0), claim(1)
    hold(hands, running, waiting, room=1)

    hands.gone("w:1")

    assert [] == hands.turn([], 5)
    assert (None, 0, False) == (hands.await_letter(0), hands.held(), hands.is_registered)
    assert frozenset() == hands.jobs()
    hands.register("w:2")
    hands.turn([done(running)], 0)
    letter = letter_of(hands)
    assert ("w:2", (done(running),)) == (letter.owner, letter.words)
    hands.delivered(letter, [Receipt.LATE])
    assert (1, 1, 0) == (hands.counts()["done"], hands.counts()["late"], hands.held())


def test_an_old_name_that_is_gone_is_no_news():
    """An answer that was under way when the worker got its new name takes nothing from it."""
    hands = make_hands()
    hands.register("w:2")

    hands.gone("w:1")

    assert hands.is_registered


def test_a_second_delivery_waits_for_the_first():
    """A task that we got back while its first delivery is still in work here does not run beside itself."""
    hands = make_hands()
    first, again, other = claim(0), claim(0, epoch=2), claim(1)
    hold(hands, first, room=1)
    hands.receive([(again, True), (other, True)])

    assert [other] == hands.turn([], 2)

    assert [again] == hands.turn([done(first)], 1)
    assert (done(first),) == letter_of(hands).words


def test_draining_gives_back_what_waits_and_what_still_comes():
    """After `hold_back` nothing is claimed, and tasks that were on their way go back as well."""
    hands = make_hands()
    running, waiting, late = claim(0), claim(1), claim(2)
    hold(hands, running, waiting, room=1)
    hands.hold_back()
    hands.receive([(late, True)])

    letter = letter_of(hands)

    assert {(1, Verdict.RELEASE), (2, Verdict.RELEASE)} == {(w.claim.index, w.verdict) for w in letter.words}
    assert (0, False) == (letter.want, hands.is_empty)


def test_a_limited_worker_claims_no_more_than_it_may():
    """With `max_jobs`, what is held counts as well as what was done; what is given back does not."""
    hands = make_hands(max_jobs=3, slots=4)
    hands.turn([], 4)
    assert 3 == letter_of(hands).want
    tasks = [claim(0), claim(1)]
    hands.receive([(task, True) for task in tasks])
    hands.turn([], 4)
    hands.turn([done(tasks[0]), Settled(tasks[1], Verdict.RELEASE)], 4)

    assert 2 == letter_of(hands).want


def test_tasks_of_a_cancelled_job_go_back():
    """Of the jobs that are named, what has not begun is given back; the others stay."""
    hands = make_hands()
    other = Claim("k", 0, 1, 0, 0, 0, 0.0, b"")
    letter_of(hands)
    hands.receive([(claim(0), False), (other, False)])

    hands.release({"j"})

    assert [Settled(claim(0), Verdict.RELEASE)] == list(letter_of(hands).words)
    assert [other] == hands.turn([], 1)


def test_with_a_refusal_others_are_asked_for():
    """Tasks of a job that cannot be run here do not come back, and nobody rings for what waits behind them."""
    hands = make_hands()
    room = letter_of(hands).want

    hands.refuse([claim(0)])

    letter = letter_of(hands)
    assert ([Settled(claim(0), Verdict.UNFIT)], room) == (list(letter.words), letter.want)
