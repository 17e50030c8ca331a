"""Faults of a whole queue's keys, and of an application that gives them (F13, F24, F48, F56, F77, F79, F82, F83)."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import LONG_S, PART, file_of, in_state, runs
from tests.fault.memory import ENDPOINT, GOOD, MemoryCloud, queue
from tests.helpers.until import until
from vod_widget import application
from vod_widget.errors import (
    CredentialError,
    KeysRefusedError,
    MissingCredentialError,
    ThrottledError,
)
from vod_widget.model import Credentials
from vod_widget.retry import send_deadline_s

FAULT_KIND = "S"

WRONG = Credentials("memory-key", "a-secret-that-is-wrong-sentinel")


def _add_many(up: Any, count: int, name: str = "clip") -> list[Any]:
    return [up.add_file(f"{name}{number}".encode(), name=f"{name}{number}.mp4") for number in range(count)]


@pytest.mark.slow
def test_f13_wrong_secret_is_one_failure_and_the_queue_pauses_until_it_is_started_with_better_keys(
    tmp_path: Path,
) -> None:
    cloud = MemoryCloud()
    with queue(cloud, tmp_path, credentials=WRONG) as up:
        warned: list[Any] = []
        up.subscribe(lambda event: warned.append(event) if type(event).__name__ == "Warned" else None)
        infos = _add_many(up, 1_000)
        runs(up)
        failed = [info for info in infos if info.state == "Failure"]
        assert len(failed) == 1
        assert isinstance(failed[0].error, KeysRefusedError)
        assert failed[0].error.code == "SignatureDoesNotMatch"
        assert WRONG.access_key_secret.reveal() not in str(failed[0].error)
        assert [info.state for info in infos].count("Ready") == 999
        assert up.state == "Stop"
        assert cloud.count("CreateUploadVideo") <= 16  # those that were on their way
        assert [event.code for event in warned].count("Auth.Held") == 1
        assert up.heard.names().count("on_upload_end") == 0
        up.set_credentials(GOOD)
        for info in infos[30:]:
            up.delete_file(info)  # an account's 40 calls a second would make this test long
        runs(up)
        assert {info.state for info in infos[:30]} == {"Success"}
        assert len(cloud.videos) == 30
        assert up.heard.names().count("on_upload_end") == 1


def test_f13_one_file_alone_fails_and_the_queue_ends(tmp_path: Path) -> None:
    with queue(MemoryCloud(), tmp_path, credentials=WRONG) as up:
        said: list[Any] = []
        up.subscribe(said.append)
        info = up.add_file(b"x", name="clip.mp4")
        runs(up)
        assert info.state == "Failure"
        assert up.state == "End"
        assert not [event for event in said if type(event).__name__ == "Warned"]  # there are no others that could wait
        assert up.heard.names()[-1] == "on_upload_end"


def test_f13_wrong_keys_that_the_application_gave_for_one_file_hold_nobody_else(tmp_path: Path) -> None:
    cloud = MemoryCloud()

    def started(info: Any) -> None:
        secret = "wrong" if info.name == "clip1.mp4" else GOOD.access_key_secret.reveal()
        up.set_sts_token(info, "memory-key", secret, "token")

    with queue(cloud, tmp_path, credentials=None, on_upload_started=started) as up:
        infos = _add_many(up, 20)
        runs(up)
        assert [info.state for info in infos if info.name != "clip1.mp4"] == ["Success"] * 19
        assert infos[1].state == "Failure"
        assert up.state == "End"


class _Profile:
    """A provider whose profile goes away."""

    name, region, endpoint, account = "prod", None, None, "account-1"

    def __init__(self) -> None:
        self.error: CredentialError | None = None
        self.keys = GOOD

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        if self.error is not None:
            raise self.error
        return self.keys


def test_f82_profile_that_is_removed_fails_the_next_refresh_and_running_parts_finish(tmp_path: Path) -> None:
    cloud, profile = MemoryCloud(), _Profile()
    with queue(cloud, tmp_path, credentials=profile, parallel=2) as up:
        late: list[Any] = []

        def take_away() -> None:
            profile.error = MissingCredentialError("the profile prod is gone")
            late.extend(_add_many(up, 20, "late"))

        _at_part(cloud, 2, take_away)
        running = up.add_file(file_of(tmp_path, size=40 * PART))
        runs(up)
        assert running.state == "Success", running.error  # its own upload credential lives
        assert sorted(info.state for info in late) == ["Failure", *["Ready"] * 19]
        assert next(info for info in late if info.state == "Failure").error.code == "Auth.Missing"
        assert up.state == "Stop"
        profile.error = None
        runs(up)
        assert {info.state for info in up.list_files()} == {"Success"}


def test_f82_keys_that_were_rotated_pause_the_queue_and_the_files_go_on_with_the_new_ones(tmp_path: Path) -> None:
    cloud, profile = MemoryCloud(), _Profile()
    with queue(cloud, tmp_path, credentials=profile, parallel=1, retry_count=0) as up:
        first = up.add_file(file_of(tmp_path, "first.mp4", size=6 * PART))
        second = up.add_file(file_of(tmp_path, "second.mp4", size=6 * PART))

        def spoil() -> None:
            cloud.dead_tokens = {f"STS.{n}" for n in range(1, cloud.tokens + 1)}
            cloud.secrets = {"the new secret"}

        _at_part(cloud, 3, spoil)
        runs(up)
        assert [info.state for info in (first, second)].count("Failure") == 1
        assert "Ready" in {first.state, second.state} or "Success" in {first.state, second.state}
        kept = first.accepted_bytes + second.accepted_bytes
        assert kept > 0
        profile.keys = Credentials("memory-key", "the new secret")
        before = cloud.count("UploadPart")
        runs(up)
        assert (first.state, second.state) == ("Success", "Success")
        assert (cloud.count("UploadPart") - before) * PART <= 12 * PART - kept + PART
        assert len(cloud.videos) == 2


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that is assumed with the keys of the environment."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "memory-key")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", GOOD.access_key_secret.reveal())
    monkeypatch.setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/uploader")


@pytest.mark.slow
def test_f83_throttled_assume_role_is_waited_for_and_asked_once_for_all_files(tmp_path: Path, role: None) -> None:
    cloud = MemoryCloud()
    cloud.spoil("AssumeRole", lambda: ThrottledError("slow down", status=400, code="Throttling.User"), times=2)
    with queue(cloud, tmp_path, credentials=None) as up:
        infos = _add_many(up, 12)
        runs(up)
        assert {info.state for info in infos} == {"Success"}
        assert cloud.count("AssumeRole") == 2 + 1
        assert len(cloud.videos) == 12
        assert {code for info in infos for _, code, _, _ in info.attempts} == {"Throttling.User"}


def test_an_error_that_files_share_ends_the_steps_of_none_of_them(tmp_path: Path) -> None:
    cloud, shared = MemoryCloud(), ThrottledError("slow down", status=400, code="Throttling.User")
    cloud.spoil("CreateUploadVideo", lambda: shared, times=4)
    with queue(cloud, tmp_path, retry_duration=0.1) as up:
        infos = _add_many(up, 4)
        runs(up)
        assert {info.state for info in infos} == {"Success"}


# ---- the application gives authority


def _permission(cloud: MemoryCloud, video_id: str = "", *, region: str = "cn-shanghai") -> tuple[str, str, str]:
    """UploadAuth, UploadAddress and VideoId as VOD returns them to the application's server."""
    with cloud.lock:
        grant = cloud.grant(video_id) if video_id else cloud.create("")
    keys = grant.auth.credentials
    assert keys.security_token is not None
    auth = {
        "AccessKeyId": keys.access_key_id,
        "AccessKeySecret": keys.access_key_secret.reveal(),
        "SecurityToken": keys.security_token.reveal(),
        "Expiration": "3000",
        "Region": region,
    }
    address = {"Endpoint": ENDPOINT, "Bucket": "bucket-1", "FileName": grant.address.object}
    return _text(auth), _text(address), grant.media_id


def _text(fields: dict[str, str]) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def test_f24_callback_that_never_answers_fails_its_file_in_time_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert application.APP_ANSWER_S == 60.0
    cloud = MemoryCloud()

    def started(info: Any) -> None:
        if info.name != "silent.mp4":
            up.set_upload_auth_and_address(info, *_permission(cloud))

    with queue(cloud, tmp_path, credentials=None, on_upload_started=started) as up:
        with monkeypatch.context() as patch:  # for this file alone: the answers of others may take their time
            patch.setattr(application, "APP_ANSWER_S", 0.05)
            silent = up.add_file(b"x", name="silent.mp4")
            up.start_upload()
            in_state(silent, "Failure")
        assert silent.error.code == "Auth.Missing"
        up.delete_file(silent)  # a start would ask for it again
        infos = _add_many(up, 4)
        runs(up)
        assert [info.state for info in infos] == ["Success"] * 4


def test_f24_second_answer_is_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cloud = MemoryCloud()

    def started(info: Any) -> None:
        up.set_upload_auth_and_address(info, *_permission(cloud))
        up.set_upload_auth_and_address(info, *_permission(cloud))

    with queue(cloud, tmp_path, credentials=None, on_upload_started=started) as up:
        info = up.add_file(b"x", name="clip.mp4")
        runs(up)
        assert (info.state, info.video_id) == ("Success", "video1")
        assert list(cloud.objects) == ["sv/video1.mp4"]
        assert "ignored" in caplog.text


def test_f24_answer_from_another_thread_works(tmp_path: Path) -> None:
    cloud = MemoryCloud()
    threads: list[threading.Thread] = []

    def started(info: Any) -> None:
        answer = partial(up.set_upload_auth_and_address, info, *_permission(cloud))
        threads.append(threading.Thread(target=answer))
        threads[-1].start()

    with queue(cloud, tmp_path, credentials=None, on_upload_started=started) as up:
        info = up.add_file(b"x", name="clip.mp4")
        runs(up)
        assert info.state == "Success", info.error
        threads[0].join(LONG_S)


def test_f24_callback_that_raises_fails_its_file_and_the_queue_goes_on(tmp_path: Path) -> None:
    cloud = MemoryCloud()

    def started(info: Any) -> None:
        if info.name == "clip0.mp4":
            raise KeyError("UploadAuth")
        up.set_upload_auth_and_address(info, *_permission(cloud))

    with queue(cloud, tmp_path, credentials=None, on_upload_started=started) as up:
        infos = _add_many(up, 3)
        runs(up)
        assert (infos[0].state, infos[0].error.code) == ("Failure", "Callback")
        assert [info.state for info in infos[1:]] == ["Success"] * 2


def _at_part(cloud: MemoryCloud, number: int, act: Callable[[], Any]) -> None:
    """Do something when so many parts have been asked for. Not on an event: it may come when all of them are stored."""
    parts = itertools.count(1)

    def due(_key: str) -> bool:
        if next(parts) == number:
            act()
        return False

    cloud.hold("UploadPart", due, threading.Event())


def _senders() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("vod-work")}


@pytest.mark.slow
def test_f77_slow_refresh_of_the_application_leaves_no_thread_busy_and_the_row_says_what_it_waits_for(
    tmp_path: Path,
) -> None:
    cloud, answer, asked = MemoryCloud(), threading.Event(), threading.Event()

    def started(info: Any) -> None:
        up.set_upload_auth_and_address(info, *_permission(cloud))

    def expired(info: Any) -> None:
        asked.set()
        answer.wait(LONG_S)  # five minutes in life
        up.resume_upload_with_auth(_permission(cloud, info.video_id)[0])

    with queue(
        cloud, tmp_path, credentials=None, on_upload_started=started, on_upload_token_expired=expired, parallel=3
    ) as up:
        _at_part(cloud, 3, lambda: cloud.dead_tokens.add("STS.1"))
        states: list[str] = []
        up.subscribe(
            lambda event: states.append(event.state) if type(event).__name__ == "UploaderStateChanged" else None
        )
        info = up.add_file(file_of(tmp_path, size=12 * PART))
        up.start_upload()
        assert asked.wait(LONG_S)
        in_state(info, "Expired")
        assert up.state == "Expire"
        until(lambda: not up._queue._active[info.file_id].machine.transfers_in_flight, "what was in flight came back")
        calls, takes = len(cloud.calls), []
        take = up._queue._take
        up._queue._take = lambda renewals: takes.append(1) or take(renewals)
        senders = _senders()
        asked.clear()
        asked.wait(0.25)  # time in which a busy loop would show
        assert len(cloud.calls) == calls
        assert len(takes) <= 6  # each sender may look once more
        assert _senders() <= senders  # a second thread for callbacks may come, as the first has been in one for long
        answer.set()
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert up.results()[0].sent_bytes <= 12 * PART + 3 * PART
        until(lambda: states[-3:] == ["Expire", "Start", "End"], "the queue has said so")


@pytest.mark.parametrize("wrong", ["another file", "another region"])
def test_f79_credential_of_another_file_or_place_is_refused(tmp_path: Path, wrong: str) -> None:
    cloud = MemoryCloud()
    permissions: dict[str, tuple[str, str, str]] = {}
    raised: list[CredentialError] = []

    def started(info: Any) -> None:
        permissions[info.name] = _permission(cloud, info.video_id or "")
        up.set_upload_auth_and_address(info, *permissions[info.name])

    def expired(info: Any) -> None:
        if wrong == "another file":
            until(lambda: "other.mp4" in permissions, "the other file runs")
            text = permissions["other.mp4"][0]
        else:
            text = _permission(cloud, info.video_id, region="cn-beijing")[0]
        with pytest.raises(CredentialError) as caught:
            up.resume_upload_with_auth(text)
        raised.append(caught.value)
        holding.set()

    holding = threading.Event()
    with queue(
        cloud, tmp_path, credentials=None, on_upload_started=started, on_upload_token_expired=expired, parallel=2
    ) as up:
        mine = up.add_file(file_of(tmp_path, "mine.mp4", size=6 * PART))
        other = up.add_file(file_of(tmp_path, "other.mp4", size=50_000))

        _at_part(cloud, 3, lambda: cloud.dead_tokens.add(_key_of(permissions["mine.mp4"][0])))
        cloud.hold("PutObject", lambda _: True, holding)
        runs(up)
        assert (mine.state, mine.error.code) == ("Failure", "Auth.Mismatch")
        assert [error.code for error in raised] == ["Auth.Mismatch"]
        assert "mine.mp4" in str(mine.error)
        assert mine.video_id in mine.error.hint
        assert other.state == "Success", other.error
        kept = mine.accepted_bytes
        assert kept > 0
        cloud.dead_tokens.clear()
        runs(up)
        assert mine.state == "Success", mine.error
        assert len(cloud.videos) == 2


def _key_of(auth: str) -> str:
    return str(json.loads(base64.b64decode(auth))["AccessKeyId"])


# ---- slow lines


@pytest.mark.parametrize(("line_bytes_per_s", "senders"), [(2_000.0, 8), (2_000.0, 1), (50_000.0, 8), (5e6, 8)])
@pytest.mark.parametrize("part_bytes", [100 * 1024, 4 << 20, 64 << 20])
def test_f56_slow_line_is_no_fault(line_bytes_per_s: float, senders: int, part_bytes: int) -> None:
    of_one = line_bytes_per_s / senders
    assert send_deadline_s(part_bytes, of_one) >= max(60.0, 3.9 * part_bytes / of_one) or of_one < 128 * 4
    assert send_deadline_s(part_bytes, of_one) > 1.9 * part_bytes / of_one
    assert send_deadline_s(part_bytes, 0.0) > part_bytes / of_one  # as long as nothing was measured


def test_f48_f56_connection_that_is_slower_than_its_fellows_is_given_up(tmp_path: Path) -> None:
    assert send_deadline_s(4 << 20, 1.25e6) == 60.0  # 1 KB/s would need more than an hour
    with queue(MemoryCloud(), tmp_path) as up:
        up._queue.meter.sample(0, 0.0)
        up._queue.meter.sample(10_000_000, 1.0)
        assert up._authority.rate_of_one() > 1e6
