"""Faults that concern the keys of a whole queue: one failure says it, and the other files wait (F12, F13, F77-F83)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.support import PART, file_of, runs
from tests.fault.memory import GOOD, MemoryCloud, queue
from vod_widget.errors import (
    CredentialError,
    KeysRefusedError,
    MissingCredentialError,
)
from vod_widget.model import Credentials

FAULT_KIND = "S"

WRONG = Credentials("memory-key", "a-secret-that-is-wrong-sentinel")


def _add_many(up: Any, count: int, name: str = "clip") -> list[Any]:
    return [up.add_file(f"{name}{number}".encode(), name=f"{name}{number}.mp4") for number in range(count)]


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
        info = up.add_file(b"x", name="clip.mp4")
        runs(up)
        assert info.state == "Failure"
        assert up.state == "End"
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
        taken_away: list[int] = []
        late: list[Any] = []

        def part_was_stored(event: Any) -> None:
            if type(event).__name__ == "Progress" and event.accepted_bytes and not taken_away:
                taken_away.append(1)
                profile.error = MissingCredentialError("the profile prod is gone")
                late.extend(_add_many(up, 20, "late"))

        up.subscribe(part_was_stored)
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

        def spoil(event: Any) -> None:
            if type(event).__name__ == "Progress" and event.accepted_bytes and not cloud.dead_tokens:
                cloud.dead_tokens = {f"STS.{n}" for n in range(1, cloud.tokens + 1)}
                cloud.secrets = {"the new secret"}

        up.subscribe(spoil)
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
