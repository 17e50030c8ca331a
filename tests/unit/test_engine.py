"""What the engine does with answers that come at odd moments."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from vod_widget import effects as fx
from vod_widget.engine import BrokenOff, Engine, _forget_calls, _moving
from vod_widget.errors import (
    AuthExpiredError,
    ConnectionLostError,
    IntegrityError,
    InvalidStateError,
    JournalError,
    ThrottledError,
)
from vod_widget.model import ObjectInfo, Part, SourceKind
from vod_widget.record import Transfer

UPLOAD = "u1"
SAVE = fx.SavePart(Part(1, 0, 10, "ETAG", 5), UPLOAD)
MACHINE: Any = SimpleNamespace(checkpoint=SimpleNamespace(upload_id=UPLOAD))


def engine(**given: Any) -> Engine:
    names = ("store", "api", "clock", "bandwidth", "pace", "settings")
    return Engine(**{**dict.fromkeys(names), **given})


class Released:
    """A journal entry that is let go: by whom, the test says."""

    def __init__(self, record: Any, *, by_another_thread: bool) -> None:
        self.record = record
        self.by_another_thread = by_another_thread

    def add_part(self, _part: Part) -> None:
        if self.by_another_thread:
            self.record.run.entry = None
        raise InvalidStateError("the journal entry was released before")


@pytest.mark.parametrize("rests", [True, False])
def test_a_part_that_comes_as_its_file_comes_to_rest_is_no_fault(rests: bool) -> None:
    record: Any = SimpleNamespace(machine=MACHINE, run=SimpleNamespace(turn=object(), entry=None))
    record.run.entry = Released(record, by_another_thread=rests)
    if rests:
        engine().perform(record, MACHINE, SAVE)
        assert record.run.entry is None
    else:
        with pytest.raises(InvalidStateError):
            engine().perform(record, MACHINE, SAVE)


def test_part_of_an_upload_that_was_begun_again_meanwhile_is_not_written_behind_the_new_one() -> None:
    written: list[Part] = []
    entry = SimpleNamespace(add_part=written.append)
    record: Any = SimpleNamespace(machine=MACHINE, run=SimpleNamespace(turn=object(), entry=entry))
    engine().perform(record, MACHINE, fx.SavePart(SAVE.part, "u0"))
    assert written == []
    engine().perform(record, MACHINE, SAVE)
    assert written == [SAVE.part]


@pytest.mark.parametrize(("is_cut", "expected"), [(True, BrokenOff), (False, ConnectionLostError)])
def test_request_that_is_cut_is_broken_off_and_no_fault_of_the_line(
    is_cut: bool, expected: type[BaseException]
) -> None:
    record: Any = SimpleNamespace(run=SimpleNamespace(transfers=set()))
    cuts: list[str] = []
    with pytest.raises(expected), _moving(record) as transfer:
        transfer.hold(lambda: cuts.append("cut"))
        if is_cut:
            transfer.cut()
        raise ConnectionLostError("the connection broke", was_sent=True)
    assert (cuts, record.run.transfers) == (["cut"] * is_cut, set())


def test_request_that_has_ended_cannot_be_cut_any_more() -> None:
    transfer, cuts = Transfer(), []
    transfer.hold(lambda: cuts.append("cut"))
    transfer.hold(None)
    transfer.cut()
    assert (cuts, transfer.was_cut) == ([], False)


# ---- the journal entry of a file


def opening(kind: SourceKind, entry: Any) -> tuple[Engine, Any, Any]:
    source = SimpleNamespace(kind=kind, size_bytes=5, cheap_reads=False, fingerprint=lambda: "now")
    record: Any = SimpleNamespace(
        machine=None, source=source, run=SimpleNamespace(turn=None, cancel=threading.Event(), entry=None)
    )
    journal = SimpleNamespace(open=lambda *_: entry, finished=lambda *_: None)
    machine: Any = SimpleNamespace(job=SimpleNamespace(source_id="s", destination="d"))
    return engine(settings=lambda: SimpleNamespace(journal=journal)), record, machine


@pytest.mark.parametrize("kind", SourceKind)
def test_fingerprint_of_a_file_in_a_browser_proves_no_bytes(kind: SourceKind) -> None:
    its, record, machine = opening(kind, SimpleNamespace(load=lambda: None))
    opened = its.perform(record, machine, fx.OpenEntry())
    assert opened == fx.Opened("now", 5, fingerprint_is_strong=kind is not SourceKind.BROWSER)


def test_entry_that_cannot_be_read_is_let_go_at_once() -> None:
    done: list[str] = []

    def load() -> None:
        raise JournalError("the checkpoint cannot be read")

    entry = SimpleNamespace(load=load, release=lambda: done.append("released"))
    its, record, machine = opening(SourceKind.LOCAL, entry)
    with pytest.raises(JournalError):
        its.perform(record, machine, fx.OpenEntry())
    assert done == ["released"]
    assert record.run.entry is None


# ---- calls of the control plane


class Calls:
    """An API, the keys and the pace of a queue: each call fails with the next error, then they succeed."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.keys: list[str] = []
        self.ends: list[bool] = []

    def open(self, keys: str, *_: Any) -> Calls:
        self.keys.append(keys)
        return self

    def refresh_upload_video(self, _video_id: str) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "grant"

    def credentials(self, *, force_refresh: bool = False) -> str:
        return "fresh" if force_refresh else "old"

    def take(self, *_: Any, is_loopback: bool) -> None:
        assert is_loopback

    def ended(self, _operation: str, *, was_throttled: bool) -> None:
        self.ends.append(was_throttled)

    def call(self, given: Any = None) -> Any:
        run = SimpleNamespace(turn=object(), provider=self, region_given="r", endpoint="http://127.0.0.1:1")
        record: Any = SimpleNamespace(run=run, name="a.mp4")
        me: Any = self
        return engine(api=me, pace=me).perform(record, MACHINE, fx.RefreshVideo("v", given))


def test_own_keys_that_ran_out_are_renewed_once_in_the_same_call() -> None:
    calls = Calls(AuthExpiredError("expired"))
    assert calls.call() == "grant"
    assert calls.keys == ["old", "fresh"]
    calls = Calls(AuthExpiredError("expired"), AuthExpiredError("expired"))
    with pytest.raises(AuthExpiredError):
        calls.call()
    assert calls.keys == ["old", "fresh"]


def test_keys_that_were_given_for_a_file_are_not_replaced_by_those_of_the_queue() -> None:
    calls = Calls(AuthExpiredError("expired"))
    with pytest.raises(AuthExpiredError):
        calls.call(given="given")
    assert calls.keys == ["given"]


def test_pace_is_told_whether_a_call_was_throttled() -> None:
    calls = Calls(ThrottledError("slower"))
    with pytest.raises(ThrottledError):
        calls.call()
    calls.call()
    assert calls.ends == [True, False]


# ---- the cover, and what an error holds


@pytest.mark.parametrize("said", [None, 0, 1])
def test_cover_whose_stored_sum_is_another_is_damaged(said: int | None) -> None:
    cover = SimpleNamespace(name="c.jpg", size_bytes=5, fingerprint=lambda: "f", close=lambda: None)
    session = SimpleNamespace(
        put_object=lambda *_: ObjectInfo(None, "E", said)
    )  # reads nothing: the sum is that of 0 bytes
    store = SimpleNamespace(open=lambda *_: session)
    run = SimpleNamespace(turn=None, cancel=threading.Event())
    record: Any = SimpleNamespace(machine=None, cover=cover, run=run)
    grant: Any = SimpleNamespace(auth=None, address=None, image_url="https://i.example/c.jpg")
    if said == 1:
        with pytest.raises(IntegrityError):
            engine(store=store).perform(record, MACHINE, fx.PutCover(grant))
    else:
        assert engine(store=store).perform(record, MACHINE, fx.PutCover(grant)) == grant.image_url


def test_error_that_is_kept_holds_no_call_that_it_or_its_causes_passed() -> None:
    def fail(cause: BaseException | None) -> BaseException:
        try:
            try:
                raise KeyError("inside")
            except KeyError:
                raise ValueError("outside") from cause
        except ValueError as error:
            return error

    cause = fail(None)
    error = fail(cause)
    cause.__cause__ = error  # two files share an error of their keys: a ring ends too
    _forget_calls(error)
    for one in (error, cause, error.__context__, cause.__context__):
        assert one is not None
        assert one.__traceback__ is None
