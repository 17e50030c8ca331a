"""Rows and numbers from frozen snapshots."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.widget.fakes import FakeUploader
from vod_widget import errors
from vod_widget.model import MediaType, Phase, UploaderState, UploadState
from vod_widget.widget.messages import FILTERS
from vod_widget.widget.view import Overview, Stopwatch, Window, error_facts, next_step, row, summary

NO_ACCOUNT: dict[str, Any] = {"profile": None, "destination": ""}


def a_row(*, owed: str = "", answered: bool = False, **fields: Any) -> dict[str, Any]:
    uploader = FakeUploader()
    [file_id] = uploader.add_many(1, **fields)
    snapshot = uploader.file_snapshot(file_id)
    assert snapshot is not None
    return row(snapshot, owed=owed, answered=answered)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(list(UploadState)), max_size=30), st.sampled_from(list(UploaderState)))
def test_filters_sum_to_all_and_the_numbers_to_the_total(states: list[UploadState], state: UploaderState) -> None:
    uploader = FakeUploader()
    for file_id, wanted in zip(uploader.add_many(len(states)), states, strict=True):
        uploader.infos[file_id].state = wanted
    uploader.state = state
    overview = Overview()
    overview.replace(uploader.snapshot().files)
    facts = summary(overview, uploader.totals(), **NO_ACCOUNT)
    assert sum(facts["counts"][name] for name in FILTERS[1:]) == facts["counts"]["all"] == len(states)
    assert facts["done"] + facts["failed"] + facts["canceled"] + facts["left"] == facts["total"]
    for name in FILTERS:
        assert len(overview.matching(Window(filter=name))) == facts["counts"][name]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([*UploadState, None])), max_size=60))
def test_counting_one_change_at_a_time_equals_counting_anew(changes: list[tuple[int, UploadState | None]]) -> None:
    uploader = FakeUploader()
    ids = uploader.add_many(10)
    step_by_step = Overview()
    step_by_step.replace(uploader.snapshot().files)
    for index, state in changes:
        info = uploader.infos.get(ids[index])
        if info is None:
            continue
        if state is None:
            del uploader.infos[ids[index]]
            step_by_step.drop(ids[index])
        else:
            info.state = state
            snapshot = uploader.file_snapshot(ids[index])
            assert snapshot is not None
            step_by_step.put(snapshot)
    anew = Overview()
    anew.replace(uploader.snapshot().files)
    assert step_by_step.counts == anew.counts
    assert step_by_step.states() == anew.states()
    assert step_by_step.bytes_in("done") == anew.bytes_in("done")
    assert step_by_step.canceled == anew.canceled


def test_search_looks_in_name_title_and_id_in_any_case() -> None:
    uploader = FakeUploader()
    uploader._add("Straße.MP4", 1)
    uploader._add("b.mp4", 1, title="Interview")
    uploader._add("c.mp4", 1, video_id="abcDEF", state=UploadState.SUCCESS)
    overview = Overview()
    overview.replace(uploader.snapshot().files)
    found = [overview.matching(Window(search=s)) for s in ("STRASSE", " interview ", "cdef", "nothing")]
    assert found == [["f000001"], ["f000002"], ["f000003"], []]
    assert overview.matching(Window(search="cdef", filter="failed")) == []


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (errors.SourceDetachedError("gone"), "pick_file"),
        (errors.AuthExpiredError("expired"), "keys"),
        (errors.AccessDeniedError("no"), "keys"),
        (errors.MissingCredentialError("none"), "keys"),
        (errors.SourceChangedError("changed"), "retry"),
        (errors.SourceError("unreadable"), "retry"),
        (errors.RestrictionError("too long"), "remove"),
        (errors.NotFoundError("deleted"), "remove"),
        (errors.ConnectionLostError("lost"), "retry"),
        (errors.ServerFaultError("500"), "retry"),
        (errors.VODError("what"), "retry"),
        (errors.RetriesExhaustedError(errors.SourceDetachedError("gone"), ()), "pick_file"),
    ],
)
def test_each_cause_has_one_next_step(error: errors.VODError, step: str) -> None:
    assert next_step(error) == step


def test_an_error_is_shown_without_what_was_signed() -> None:
    facts = error_facts(errors.AccessDeniedError("<StringToSign>PUT secret</StringToSign> SecurityToken=abcdef"))
    assert "secret" not in facts["message"]
    assert "abcdef" not in facts["message"]
    assert set(facts) == {"code", "message", "hint", "hint_zh", "next_step"}


def test_a_row_has_exactly_the_keys_of_the_protocol_and_is_json() -> None:
    made = a_row(speed_bytes_per_s=math.inf, time_left_s=math.nan, duration_s=math.inf, state=UploadState.SUCCESS)
    assert set(made) == {
        "file_id", "name", "source", "media_type", "size_bytes", "state", "phase", "sent_bytes", "kept_bytes",
        "progress", "speed_bytes_per_s", "time_left_s", "video_id", "image_id", "title", "error", "wait", "duration_s", "actions",
        "view_url", "can_play",
    }  # fmt: skip
    json.dumps(made, allow_nan=False)
    assert (made["time_left_s"], made["duration_s"], made["speed_bytes_per_s"]) == (None, None, 0.0)


def test_a_row_counts_bytes_as_the_sums_do_and_tells_which_of_them_are_kept() -> None:
    uploader = FakeUploader()
    [file_id] = uploader.add_many(1)
    snapshot = uploader.file_snapshot(file_id)
    assert snapshot is not None
    # A request that carried 300 KB broke: the fraction does not fall.
    made = row(replace(snapshot, loaded_percent=0.5, sent_bytes=200_000, accepted_bytes=200_000))
    assert (made["sent_bytes"], made["kept_bytes"], made["progress"]) == (500_000, 200_000, 0.5)


def test_words_of_a_row_are_plain_texts() -> None:
    made = a_row(state=UploadState.UPLOADING, phase=Phase.SENDING, media_type=MediaType.AUDIO)
    assert [type(made[name]) for name in ("state", "phase", "media_type", "source")] == [str] * 4
    assert made["actions"] == ["pause", "cancel"]


def test_an_expired_row_asks_for_keys_even_without_an_error() -> None:
    assert a_row(state=UploadState.EXPIRED)["error"]["next_step"] == "keys"


def test_keys_that_came_after_the_failure_leave_a_retry_to_do() -> None:
    refused = errors.KeysRefusedError("no")
    assert a_row(state=UploadState.FAILURE, error=refused)["error"]["next_step"] == "keys"
    assert a_row(state=UploadState.FAILURE, error=refused, answered=True)["error"]["next_step"] == "retry"


def test_a_service_that_is_not_activated_is_tried_again_not_removed() -> None:
    assert next_step(errors.RequestRefusedError("Activate it.", code="OperationDenied")) == "retry"


def _leaves(cls: type[errors.VODError]) -> list[type[errors.VODError]]:
    return [cls, *(leaf for sub in cls.__subclasses__() for leaf in _leaves(sub))]


def test_the_chinese_step_of_a_refusal_is_that_of_the_english_one() -> None:
    # Only a missing right is mended in RAM.
    refused = errors.RequestRefusedError("no", code="Forbidden.InitFailed")
    assert "RAM" not in error_facts(refused)["hint_zh"]
    assert "RAM" in error_facts(errors.AccessDeniedError("no", code="Forbidden.RAM"))["hint_zh"]
    # A service that is suspended was activated before.
    suspended = errors.RequestRefusedError("no", code="OperationDenied.Suspended")
    assert "恢复" in error_facts(suspended)["hint_zh"]


# What no file fails with has no words there: the caller's own mistakes, and the last of several attempts.
_OF_CALLS = {"Usage", "InvalidArgument", "InvalidState", "Retries"}


@pytest.mark.parametrize("cls", [cls for cls in _leaves(errors.VODError) if cls.default_code not in _OF_CALLS])
def test_every_failure_has_its_next_step_in_chinese(cls: type[errors.VODError]) -> None:
    bare = cls.__new__(cls)
    errors.VODError.__init__(bare, "what happened")
    assert re.search("[\u4e00-\u9fff]", error_facts(bare)["hint_zh"]), bare.code
    errors.VODError.__init__(bare, "what happened", code="Of.The.Cloud")
    assert re.search("[\u4e00-\u9fff]", error_facts(bare)["hint_zh"]), "a code of the cloud's own"


def test_the_summary_groups_the_failures_by_their_cause() -> None:
    uploader = FakeUploader()
    uploader.add_many(2, state=UploadState.FAILURE, error=errors.SourceChangedError("it changed"))
    many = uploader.add_many(5, state=UploadState.FAILURE, error=errors.KeysRefusedError("no; Signature=abcdefgh"))
    uploader.add_many(1, state=UploadState.SUCCESS)
    overview = Overview()
    overview.replace(uploader.snapshot().files)
    told = summary(overview, uploader.totals(), **NO_ACCOUNT)["causes"]
    assert [(code, n) for code, _, n in told] == [("Auth.Refused", 5), ("Source.Changed", 2)]
    assert "abcdefgh" not in json.dumps(told)
    for file_id in many:
        overview.drop(file_id)
    assert [code for code, _, _ in overview.causes()] == ["Source.Changed"]


def test_what_another_try_cannot_help_is_not_counted_as_such() -> None:
    uploader = FakeUploader()
    [hopeless] = uploader.add_many(1, state=UploadState.FAILURE, error=errors.RestrictionError("too large"))
    uploader.add_many(2, state=UploadState.FAILURE, error=errors.SourceChangedError("it changed"))
    overview = Overview()
    overview.replace(uploader.snapshot().files)
    told = summary(overview, uploader.totals(), **NO_ACCOUNT)
    assert (told["failed"], told["retryable"]) == (3, 2)
    overview.drop(hopeless)
    assert overview.retryable == 2


def test_the_time_of_all_is_that_in_which_the_queue_ran() -> None:
    uploader, watch = FakeUploader(), Stopwatch()
    idle = replace(uploader.totals(), total=1, state=UploaderState.INIT)
    runs = replace(idle, state=UploaderState.START)
    assert watch.ran_s(5.0, idle) == 0.0
    looks = [(10.0, runs, 0.0), (12.0, runs, 2.0), (13.0, idle, 3.0), (50.0, runs, 3.0), (51.0, idle, 4.0)]
    for now_s, totals, ran_s in looks:
        assert watch.ran_s(now_s, totals) == ran_s
    assert watch.ran_s(60.0, replace(idle, total=0)) == 0.0, "an empty list begins anew"


def test_a_retry_says_when_and_why() -> None:
    made = a_row(state=UploadState.UPLOADING, phase=Phase.WAITING, wait_s=12.0, wait_reason="Network.Lost")
    assert made["wait"] == {"seconds": 12.0, "reason": "Network.Lost"}
    assert made["actions"] == ["retry", "pause", "cancel"]


def test_a_row_whose_page_is_gone_asks_for_the_file() -> None:
    made = a_row(state=UploadState.UPLOADING, phase=Phase.SENDING, owed="Source.Detached")
    assert made["wait"] == {"seconds": 0.0, "reason": "Source.Detached"}
    assert made["error"]["next_step"] == "pick_file"
    assert made["phase"] == "waiting"


def test_a_row_whose_page_is_silent_waits_without_an_error() -> None:
    made = a_row(state=UploadState.UPLOADING, phase=Phase.SENDING, owed="Source.Waiting")
    assert (made["wait"]["reason"], made["error"]) == ("Source.Waiting", None)


def test_a_file_that_rests_owes_nothing() -> None:
    assert a_row(state=UploadState.READY, owed="Source.Detached")["wait"] is None


@pytest.mark.parametrize(
    ("state", "files", "can_start", "can_stop"),
    [
        (UploaderState.INIT, [], False, False),
        (UploaderState.INIT, [UploadState.READY], True, False),
        (UploaderState.STOP, [UploadState.STOPPED], True, False),
        (UploaderState.END, [UploadState.FAILURE], True, False),
        (UploaderState.END, [UploadState.SUCCESS, UploadState.CANCELED], False, False),
        (UploaderState.START, [UploadState.READY], False, True),
        (UploaderState.EXPIRE, [UploadState.EXPIRED], False, True),
    ],
)
def test_the_buttons_of_the_queue(
    state: UploaderState, files: list[UploadState], can_start: bool, can_stop: bool
) -> None:
    uploader = FakeUploader()
    for wanted in files:
        uploader.add_many(1, state=wanted)
    uploader.state = state
    overview = Overview()
    overview.replace(uploader.snapshot().files)
    facts = summary(overview, uploader.totals(), **NO_ACCOUNT)
    assert (facts["can_start"], facts["can_stop"]) == (can_start, can_stop)
