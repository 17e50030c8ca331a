"""The pure rules: options, state tables, parts, CRC, retries, progress."""

from __future__ import annotations

import importlib
import inspect
import itertools
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vod_widget import errors, options, retry
from vod_widget.board import Board
from vod_widget.crc64 import combine, combine_all, crc64
from vod_widget.errors import InvalidArgumentError, InvalidStateError
from vod_widget.model import Part, Phase, UploaderState, UploadState
from vod_widget.options import KIB, MIB, OPTIONS, PARTS_MAX, check_options
from vod_widget.parts import OBJECT_MAX_BYTES, choose_part_size, fitting, plan_next
from vod_widget.progress import Ledger, SpeedMeter
from vod_widget.retry import Action, RetryPolicy, classify, is_doubtful, send_deadline_s
from vod_widget.states import (
    FILE_TABLE,
    UPLOADER_TABLE,
    FileEvent,
    UploaderEvent,
    actions,
    next_file_state,
    next_uploader_state,
)


class Dice:
    """Chance with a known answer."""

    def __init__(self, share: float) -> None:
        self.share = share

    def hex(self, length: int) -> str:
        return "0" * length

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.share


# ---- options


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: o.name)
def test_every_default_passes_its_own_check(option) -> None:
    assert check_options({option.name: option.default})[option.name] == option.default


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.low is not None], ids=lambda o: o.name)
def test_values_outside_the_range_name_option_and_limit(option) -> None:
    with pytest.raises(InvalidArgumentError, match=option.name) as caught:
        check_options({option.name: option.kind(option.low - 1)})
    assert f"{option.low:g}" in caught.value.message


@pytest.mark.parametrize("bad", [True, "3", [], float("nan")])
def test_retry_count_takes_whole_numbers_only(bad) -> None:
    with pytest.raises(InvalidArgumentError, match="retry_count"):
        check_options({"retry_count": bad})


def test_nan_is_in_no_range() -> None:
    with pytest.raises(InvalidArgumentError, match="retry_duration"):
        check_options({"retry_duration": float("nan")})


@pytest.mark.parametrize(("written", "meant"), [("retryCount", "retry_count"), ("paralel", "parallel")])
def test_unknown_names_suggest_the_nearest(written: str, meant: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"did you mean '{meant}'"):
        check_options({written: 1})


def test_zero_and_false_can_be_set() -> None:
    assert check_options({"retry_count": 0})["retry_count"] == 0
    assert check_options({"skip_uploaded": False})["skip_uploaded"] is False


def test_callbacks_must_be_functions() -> None:
    with pytest.raises(InvalidArgumentError, match="on_upload_end"):
        check_options({"on_upload_end": "print"})


# ---- states


@pytest.mark.parametrize(("state", "event"), list(itertools.product(UploadState, FileEvent)))
def test_a_file_moves_by_the_table_or_not_at_all(state: UploadState, event: FileEvent) -> None:
    if (state, event) in FILE_TABLE:
        assert next_file_state(state, event) is FILE_TABLE[state, event]
    else:
        with pytest.raises(InvalidStateError):
            next_file_state(state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(UploaderState, UploaderEvent)))
def test_the_queue_moves_by_the_table_or_not_at_all(state: UploaderState, event: UploaderEvent) -> None:
    if (state, event) in UPLOADER_TABLE:
        assert next_uploader_state(state, event) is UPLOADER_TABLE[state, event]
    else:
        with pytest.raises(InvalidStateError):
            next_uploader_state(state, event)


def test_success_is_final_and_every_other_rest_can_be_left() -> None:
    left = {state for state, _ in FILE_TABLE}
    assert UploadState.SUCCESS not in left
    assert left == set(UploadState) - {UploadState.SUCCESS}


def test_buttons_do_what_the_table_allows() -> None:
    means = {"cancel": FileEvent.CANCEL, "pause": FileEvent.PAUSE, "resume": FileEvent.RESUME}
    for state in UploadState:
        for action in actions(state, Phase.NONE) & means.keys():
            assert (state, means[action]) in FILE_TABLE
    # Who paused a file may give it up without sending it first; Remove alone would leave its parts in the cloud.
    assert actions(UploadState.STOPPED, Phase.PAUSED) == {"resume", "cancel", "remove"}
    assert "retry" in actions(UploadState.UPLOADING, Phase.WAITING)
    assert "retry" not in actions(UploadState.UPLOADING, Phase.SENDING)


# ---- parts


@given(st.integers(1, OBJECT_MAX_BYTES), st.one_of(st.none(), st.integers(100 * KIB, 64 * MIB)))
def test_part_size_keeps_every_limit(size_bytes: int, wished: int | None) -> None:
    part = choose_part_size(size_bytes, wished)
    assert isinstance(part, int)
    assert options.PART_MIN_BYTES <= part <= options.PART_MAX_BYTES
    assert -(-size_bytes // part) <= PARTS_MAX
    if wished is not None and wished * PARTS_MAX >= size_bytes:
        assert part == wished


def test_a_file_beyond_the_service_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"48\.8 TiB"):
        choose_part_size(OBJECT_MAX_BYTES + 1)


@given(st.integers(1, 5_000), st.integers(1, 700))
def test_parts_cover_the_file_once_in_order(size_bytes: int, part_size: int) -> None:
    parts = []
    while (part := plan_next(size_bytes, part_size, len(parts), parts[-1].end if parts else 0)) is not None:
        parts.append(part)
    assert [p.part_number for p in parts] == list(range(1, len(parts) + 1))
    assert parts[0].start == 0
    assert parts[-1].end == size_bytes
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))
    assert all(p.size_bytes == part_size for p in parts[:-1])


# ---- CRC


def test_a_missing_fast_sum_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastcrc", None)
    monkeypatch.delitem(sys.modules, "vod_widget.crc64")
    with pytest.raises(ImportError, match="pip install fastcrc") as caught:
        importlib.import_module("vod_widget.crc64")
    assert caught.value.name == "fastcrc"


def test_crc_vectors_of_the_vendor() -> None:
    assert crc64(b"123456789") == 11051210869376104954
    assert crc64(b"") == 0


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_crc_of_pieces_combines_to_that_of_the_whole(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert combine_all((crc64(p), len(p)) for p in pieces) == crc64(whole)
    running = 0
    for piece in pieces:
        running = crc64(piece, running)
    assert running == crc64(whole)


def test_crc_combines_over_lengths_of_real_parts() -> None:
    first, second = b"a" * 1000, bytes(3 * MIB + 17)
    assert combine(crc64(first), crc64(second), len(second)) == crc64(first + second)


# ---- retry


def leaves(cls: type) -> list[type]:
    below = cls.__subclasses__()
    return [cls] if not below else [leaf for sub in below for leaf in leaves(sub)]


def test_every_leaf_of_the_tree_has_a_row() -> None:
    ours = {c for _, c in inspect.getmembers(errors, inspect.isclass)}
    missing = {leaf for leaf in leaves(errors.VODError) if leaf in ours} - retry.ACTIONS.keys()
    assert missing == set()


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.ServerFaultError("x", status=503), Action.RETRY),
        (errors.ThrottledError("x", status=400), Action.RETRY),
        (errors.ConnectError("x"), Action.RETRY),
        (errors.UnexpectedAnswerError("x", code="Redirect"), Action.FAIL),
        (errors.AuthExpiredError("x"), Action.REFRESH),
        (errors.AccessDeniedError("x"), Action.FAIL),
        (errors.NoSuchUploadError("x"), Action.LOOK),
        (errors.TlsError("x"), Action.FAIL),
        (errors.SourceChangedError("x"), Action.FAIL),
        (errors.VODError("x"), Action.FAIL),
        (errors.JournalError("x"), Action.RETRY),
        (errors.JournalError("x", code="Journal.Unsafe"), Action.FAIL),
        (errors.SourceError("x", code="Source.Busy"), Action.RETRY),
        (errors.UnexpectedAnswerError("x"), Action.RETRY),
        (errors.IntegrityError("x"), Action.RETRY),
        (errors.AlreadyExistsError("x"), Action.LOOK),
        (errors.EndpointRefusedError("x"), Action.FAIL),
    ],
)
def test_errors_have_their_action(error: errors.VODError, action: Action) -> None:
    assert classify(error) is action


def test_doubt_is_only_where_the_request_may_have_worked() -> None:
    assert is_doubtful(errors.ConnectionLostError("x", was_sent=True))
    assert not is_doubtful(errors.ConnectError("x", was_sent=False))
    assert is_doubtful(errors.ServerFaultError("x", status=500))
    assert not is_doubtful(errors.ThrottledError("x", status=400))


def test_time_for_sending_is_four_times_what_the_rate_says_and_a_minute_at_least() -> None:
    mib = 1024 * 1024
    assert send_deadline_s(8 * mib, rate_of_one=mib / 4) == 4 * 32
    assert send_deadline_s(mib, rate_of_one=mib) == 60
    assert send_deadline_s(mib, rate_of_one=1.0) == send_deadline_s(mib, rate_of_one=0.0) == 8192  # 128 bytes a second


def test_the_interval_of_the_seed_is_the_floor_and_doubles() -> None:
    policy = RetryPolicy(3, 2.0)
    fault = errors.ConnectError("x")
    assert [policy.wait_s(n, fault, Dice(0.0)) for n in (1, 2, 3, 9)] == [2.0, 4.0, 8.0, 30.0]
    assert policy.wait_s(1, fault, Dice(1.0)) == 2.5
    assert RetryPolicy(3, 100.0).wait_s(3, fault, Dice(0.0)) == 100.0


def test_retry_after_is_honoured_up_to_its_limit() -> None:
    policy = RetryPolicy()
    assert policy.wait_s(1, errors.ServerFaultError("x", retry_after_s=7.0), Dice(0.0)) == 7.0
    assert policy.wait_s(1, errors.ServerFaultError("x", retry_after_s=9999.0), Dice(0.0)) == 120.0


@given(st.integers(1, 60), st.floats(0, 1))
def test_patience_waits_between_half_a_second_and_thirty(failures: int, share: float) -> None:
    wait_s = RetryPolicy(patience_s=900.0).wait_s(failures, errors.ConnectError("x"), Dice(share))
    assert 0.5 <= wait_s <= 30.0


def test_retry_count_or_patience_decides() -> None:
    counted, patient = RetryPolicy(retry_count=2), RetryPolicy(retry_count=0, patience_s=60.0)
    assert [counted.may_retry(n, 1e9) for n in (1, 2, 3)] == [True, True, False]
    assert patient.may_retry(500, 59.0)
    assert not patient.may_retry(1, 60.0)


# ---- progress


@given(st.integers(1, 10_000), st.lists(st.tuples(st.sampled_from(["send", "drop", "accept"]), st.integers(0, 900))))
def test_the_fraction_never_falls_and_is_one_only_when_verified(total: int, moves: list[tuple[str, int]]) -> None:
    ledger, before = Ledger(total), 0.0
    for move, size in moves:
        if move == "accept":
            ledger.accept(size)
            ledger.in_flight_bytes = 0
        else:
            ledger.in_flight_bytes = size if move == "send" else 0
        assert before <= ledger.loaded_percent < 1.0
        assert ledger.accepted_bytes <= ledger.sent_bytes <= total
        before = ledger.loaded_percent
    ledger.verify()
    assert ledger.loaded_percent == 1.0
    ledger.restart()
    assert ledger.loaded_percent == 0.0


def test_speed_and_time_left_are_told_after_two_samples() -> None:
    meter = SpeedMeter()
    meter.sample(0, 0.0)
    meter.sample(1_000, 1.0)
    assert meter.time_left_s(5_000) is None
    meter.sample(2_000, 2.0)
    assert meter.bytes_per_s == pytest.approx(1_000)
    assert meter.time_left_s(5_000) == pytest.approx(5.0)


def test_a_stall_brings_the_speed_down_and_a_repeat_is_no_progress() -> None:
    meter = SpeedMeter()
    for second in range(4):
        meter.sample(second * 1_000, float(second))
    meter.sample(500, 4.0)
    for second in range(5, 15):
        meter.sample(500, float(second))
    assert 0 < meter.bytes_per_s < 100
    meter.sample(500, 15.0)  # twelve seconds after the last byte: no end in days is promised
    assert meter.bytes_per_s == 0
    assert meter.time_left_s(100) is None


# ---- board


# One seed instead of a draw for each choice: choices go on until the board is done, and hundreds of draws cost seconds.
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_board_hands_out_each_part_until_it_is_stored(count: int, seed: int) -> None:
    chance = random.Random(seed)
    ledger = Ledger(count * 10 - 3)
    board = Board(ledger)
    board.plan(10, ())
    out = []
    now_s = 0.0
    while not board.done:
        room = board.available(now_s)
        part = board.take(now_s)
        assert (part is not None) == (room > 0)
        if part is not None:
            assert part.part_number not in {p.part_number for p in out}
            out.append(part)
        if out and (part is None or chance.random() < 0.5):
            one = out.pop(chance.randrange(len(out)))
            if chance.randrange(4) == 0:
                board.put_back(one, not_before_s=now_s + 5)
            else:
                assert board.part_done(one)
                assert not board.part_done(one)
        now_s += 1.0
    assert [p.part_number for p in board.accepted()] == list(range(1, count + 1))
    assert ledger.accepted_bytes == ledger.total_bytes


def test_part_that_is_given_back_twice_or_after_it_was_stored_is_handed_out_once() -> None:
    board = Board(Ledger(20))
    board.plan(10, ())
    first, second = board.take(0.0), board.take(0.0)
    assert first is not None
    assert second is not None
    for _ in range(2):  # by the failure, and by the stop that came with it
        board.put_back(first)
    assert [board.take(0.0), board.take(0.0)] == [first, None]
    board.part_done(second)
    board.put_back(second)  # a late failure of another try
    board.put_back(Part(3, 20, 30))  # of an upload that was given up
    assert board.take(0.0) is None
    assert board.available(0.0) == 0


def test_stored_parts_count_only_where_the_numbers_between_them_have_a_byte_each() -> None:
    for kept in (
        (Part(1, 0, 10), Part(2, 10, 20)),
        (Part(2, 1, 10),),  # one byte for number 1
        (Part(1, 0, 10), Part(4, 12, 20)),  # two bytes for two numbers
    ):
        assert fitting(kept) == kept
    first = Part(1, 0, 10)
    for alien in (
        Part(1, 1, 10),  # no number is left for the byte before it
        Part(2, 0, 10),  # no byte is left for number 1
        Part(3, 1, 10),  # nor for one of 1 and 2
    ):
        assert fitting([alien]) == ()
    for alien in (Part(2, 11, 20), Part(2, 9, 20), Part(3, 10, 20), Part(3, 9, 20), Part(4, 11, 20), Part(1, 10, 20)):
        assert fitting([first, alien, Part(5, 50, 60)]) == (first, Part(5, 50, 60))


def test_a_file_that_was_there_already_moved_nothing() -> None:
    ledger = Ledger(100)
    ledger.found(40)
    ledger.accept(10)
    assert (ledger.accepted_bytes, ledger.found_bytes) == (50, 40)
    ledger.verify()  # the rest was not sent either: another program had stored it
    assert ledger.accepted_bytes - ledger.found_bytes == 10
    ledger.restart()
    assert (ledger.accepted_bytes, ledger.found_bytes) == (0, 0)


def test_waits_are_spread_so_that_many_files_do_not_return_in_step() -> None:
    asked = errors.ThrottledError("slow down", status=503, retry_after_s=7.0)
    plain = errors.ServerFaultError("500", status=500)
    patient, counted = RetryPolicy(patience_s=900.0), RetryPolicy()
    for policy in (patient, counted):
        assert [policy.wait_s(1, asked, Dice(share)) for share in (0.0, 1.0)] == [7.0, 8.0]
    assert [patient.wait_s(5, plain, Dice(share)) for share in (0.0, 1.0)] == [0.5, 16.0]
    assert [counted.wait_s(1, plain, Dice(share)) for share in (0.0, 1.0)] == [2.0, 2.5]
