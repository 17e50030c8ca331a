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
    ClockSkewError,
    ConnectionLostError,
    IntegrityError,
    InvalidStateError,
    JournalError,
    SourceError,
    ThrottledError,
)
from vod_widget.interfaces import DirectPart
from vod_widget.model import ObjectInfo, Part, RemotePart, SourceKind
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


@pytest.mark.parametrize("kind", [SourceKind.LOCAL, SourceKind.BROWSER])
@pytest.mark.parametrize("how", fx.Closing)
def test_file_is_let_go_with_its_entry_but_a_page_that_may_go_on_keeps_its_own(
    kind: SourceKind, how: fx.Closing
) -> None:
    closed: list[str] = []

    def close() -> None:
        closed.append("source")
        raise SourceError("it is gone already")

    entry = SimpleNamespace(finish=lambda _: None, discard=lambda: None, release=lambda: closed.append("entry"))
    source = SimpleNamespace(kind=kind, close=close, cheap_reads=False)
    record: Any = SimpleNamespace(machine=None, source=source, run=SimpleNamespace(turn=None, entry=entry))
    engine().perform(record, MACHINE, fx.CloseEntry(how))
    keeps = kind is SourceKind.BROWSER and how is fx.Closing.RELEASE
    assert closed == (["entry"] if keeps else ["entry", "source"])


# ---- a browser that sends by itself


class Page:
    """A source whose holder sends parts, or tries to."""

    sends_itself, name = True, "clip.mp4"

    def __init__(self, answer: DirectPart | None, meanwhile: Any = lambda: None) -> None:
        self.answer, self.meanwhile, self.asked = answer, meanwhile, 0

    def fingerprint(self) -> str:
        return "same"

    def part_size_bytes(self, left_bytes: int) -> int:
        return left_bytes

    def send_part(self, _url: Any, _start: int, _end: int, _is_unwanted: Any, sent: Any) -> DirectPart | None:
        self.asked += 1
        sent(4)
        self.meanwhile()
        return self.answer


def sending_itself(page: Page, limit_bytes_per_s: float | None = None) -> tuple[Any, Transfer, threading.Event]:
    cancel, transfer = threading.Event(), Transfer()
    record: Any = SimpleNamespace(source=page, run=SimpleNamespace(total_sent_bytes=0))
    body: Any = SimpleNamespace(cancel=cancel, fingerprint="same")
    session = SimpleNamespace(signed_part_url=lambda *_: "url")
    effect: Any = SimpleNamespace(upload_id=UPLOAD, part=SAVE.part)
    its = engine(bandwidth=SimpleNamespace(per_s=limit_bytes_per_s))
    return lambda: its._sent_by_its_holder(record, body, effect, session, transfer), transfer, cancel


def test_page_sends_a_part_unless_a_rate_is_to_be_kept() -> None:
    page = Page(DirectPart("E", 7, 7))
    send, transfer, _ = sending_itself(page)
    assert send() == (RemotePart(1, 10, "E", 7), 7)
    assert transfer.sent_bytes == 10
    send, _, _ = sending_itself(page, 1000.0)
    assert send() is None
    assert page.asked == 1


def test_part_that_the_page_could_not_send_has_sent_nothing_yet() -> None:
    send, transfer, _ = sending_itself(Page(None))
    assert send() is None
    assert transfer.sent_bytes == 0


@pytest.mark.parametrize("answer", [None, DirectPart("E", 7, 7)])
def test_part_of_a_page_that_is_not_wanted_any_more_is_broken_off_whatever_came_of_it(
    answer: DirectPart | None,
) -> None:
    page = Page(answer)
    send, _, cancel = sending_itself(page)
    page.meanwhile = cancel.set
    with pytest.raises(BrokenOff):
        send()


# ---- clocks


@pytest.mark.parametrize("server_time_s", [1_000.0, None])
def test_clock_that_one_plane_was_told_to_be_wrong_is_put_right_for_both(server_time_s: float | None) -> None:
    planes: Any = [SimpleNamespace(clock_offset_s=0.0) for _ in range(2)]
    its = engine(store=planes[0], api=planes[1], clock=SimpleNamespace(now_s=lambda: 100.0))

    def skewed(*_: Any) -> None:
        raise ClockSkewError("RequestTimeTooSkewed", server_time_s=server_time_s)

    its._do[fx.Head] = skewed
    record: Any = SimpleNamespace(machine=None, run=SimpleNamespace(turn=object()))
    with pytest.raises(ClockSkewError):
        its.perform(record, MACHINE, fx.Head(None))  # type: ignore[arg-type]
    assert [plane.clock_offset_s for plane in planes] == ([900.0] * 2 if server_time_s else [0.0] * 2)


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
