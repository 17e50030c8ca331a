"""The checker of the invariants can say no: each rule is shown one history that breaks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.invariants import (
    Footprint,
    History,
    Stored,
    Story,
    Version,
    Violation,
    Witness,
    check_deadlines,
    check_liveness,
    check_memory,
    check_secrets,
    no_real_sleep,
)
from vod_widget import events as ev

BYTES = b"0123456789"


def _success(witness: Witness, name: str = "a", media_id: str = "v1", content: bytes = BYTES) -> Story:
    story = witness.story(name)
    story.exists(content)
    story.is_in("Uploading")
    story.moved(1.0, verified=True)
    story.is_in("Success")
    story.succeeded(media_id)
    return story


def _stored(*ids: str, images: tuple[str, ...] = (), uploads: tuple[str, ...] = (), content: bytes = BYTES) -> Stored:
    objects = {media_id: Version.of(content) for media_id in (*ids, *images)}
    return Stored(frozenset(ids), frozenset(images), objects, frozenset(uploads))


def test_good_history_passes() -> None:
    witness = Witness(part_size_bytes=4, parallel=2)
    story = _success(witness)
    story.sent_bytes, story.published = 10, 1
    witness.check(_stored("v1"))


def _other_bytes(witness: Witness) -> None:
    _success(witness)
    witness.check(_stored("v1", content=b"9876543210"))


def _no_bytes(witness: Witness) -> None:
    _success(witness)
    witness.check(Stored(frozenset({"v1"}), frozenset(), {}, frozenset()))


def _orphan(witness: Witness) -> None:
    _success(witness)
    witness.check(_stored("v1", uploads=("u1", "u2")), owned=["u1"])


def _second_asset(witness: Witness) -> None:
    _success(witness)
    witness.check(_stored("v1", "v2"))


def _shared_asset(witness: Witness) -> None:
    _success(witness, "a")
    _success(witness, "b")
    witness.check(_stored("v1"))


def _unsaid_image(witness: Witness) -> None:
    story = _success(witness, media_id="i1")
    story.is_image = True
    witness.check(_stored(images=("i1", "i2")))


def _unknown_asset(witness: Witness) -> None:
    _success(witness)
    witness.check(Stored(frozenset(), frozenset(), {"v1": Version.of(BYTES)}, frozenset()))


def _falling_progress(witness: Witness) -> None:
    story = witness.story("a")
    story.is_in("Uploading")
    story.moved(0.5)
    story.moved(0.4)


def _early_one(witness: Witness) -> None:
    story = witness.story("a")
    story.is_in("Uploading")
    story.moved(1.0, verified=False)


def _success_below_one(witness: Witness) -> None:
    story = witness.story("a")
    story.is_in("Uploading")
    story.is_in("Success")
    story.succeeded("v1")


def _after_success(witness: Witness) -> None:
    _success(witness).is_in("Failure")


def _two_endings(witness: Witness) -> None:
    story = witness.story("a")
    story.is_in("Uploading")
    story.is_in("Stopped")
    story.is_in("Failure")


def _ended_twice(witness: Witness) -> None:
    for seq in range(2):
        witness.hear(ev.Drained(seq, "", 0, 0, 0))


def _ended_early(witness: Witness) -> None:
    witness.story("a").is_in("Uploading")
    witness.hear(ev.Drained(1, "", 0, 0, 0))


def _too_many_bytes(witness: Witness) -> None:
    story = _success(witness)
    story.sent_bytes = 15
    witness.check(_stored("v1"))


def _completed_twice(witness: Witness) -> None:
    story = _success(witness)
    story.published = 2
    witness.check(_stored("v1"))


@pytest.mark.parametrize(
    ("invariant", "history"),
    [
        ("I1", _other_bytes),
        ("I1", _no_bytes),
        ("I2", _orphan),
        ("I3", _second_asset),
        ("I3", _shared_asset),
        ("I3", _unsaid_image),
        ("I3", _unknown_asset),
        ("I4", _falling_progress),
        ("I4", _early_one),
        ("I4", _success_below_one),
        ("I5", _after_success),
        ("I5", _two_endings),
        ("I5", _ended_twice),
        ("I5", _ended_early),
        ("I9", _too_many_bytes),
        ("I9", _completed_twice),
    ],
)
def test_each_broken_history_is_told(invariant: str, history: Callable[[Witness], None]) -> None:
    with pytest.raises(Violation) as caught:
        history(Witness(part_size_bytes=4, parallel=1))
    assert caught.value.invariant == invariant


def test_what_may_be_sent_again_is_a_part_for_a_fault_and_the_parts_in_flight_for_a_kill() -> None:
    story = Story("a")
    story.exists(BYTES)
    story.faults, story.breaks = 1, 1
    story.sent_bytes = 10 + 4 + 2 * 4
    story.check_cost(4, 2)
    story.sent_bytes += 1
    with pytest.raises(Violation, match="I9"):
        story.check_cost(4, 2)


def test_restart_lets_progress_fall_and_bytes_go_again() -> None:
    story = Story("a")
    story.exists(BYTES)
    story.is_in("Uploading")
    story.moved(0.9)
    story.restarted()
    story.moved(0.1)
    story.sent_bytes = 20
    story.check_cost(4, 1)


def test_thread_that_stays_is_told() -> None:
    before = Footprint.take()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="vod-stays")
    thread.start()
    with pytest.raises(Violation, match="I6"):
        before.check(within_s=0.0)
    end.set()
    thread.join()
    before.check()


def test_memory_liveness_secrets_sleep_deadlines_and_replay_are_judged() -> None:
    check_memory(1, parallel=1, part_size_bytes=1)
    check_liveness({"a": "Success", "b": "Canceled"}, 100)
    check_secrets(["s3cret"], {"log": "nothing", "journal": b"nothing"})
    check_deadlines({"GET": 60.0})
    same, other = History(), History()
    same.add("a")
    other.add("b")
    History.check_same([same.digest, same.digest])
    for invariant, wrong in (
        ("I7", lambda: check_memory(100, parallel=1, part_size_bytes=1, slack_bytes=1)),
        ("I8", lambda: check_liveness({"a": "Uploading"}, 100)),
        ("I8", lambda: check_liveness({"a": "Success"}, 500)),
        ("I10", lambda: check_secrets(["s3cret"], {"log": b"a s3cret"})),
        ("I11", lambda: check_deadlines({"GET": None})),
        ("I12", lambda: History.check_same([same.digest, other.digest])),
    ):
        with pytest.raises(Violation) as caught:
            wrong()
        assert caught.value.invariant == invariant
    with no_real_sleep(), pytest.raises(Violation, match="I11"):
        time.sleep(0.1)


def test_version_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(BYTES)
    assert Version.of(path) == Version.of(BYTES) == Version.of([BYTES[:3], BYTES[3:]])
