"""`vw.resume`: what a killed process left comes back under its ids, and nothing is lost in silence."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.batch.conftest import operations
from tests.helpers.site import say, serving
from tests.helpers.until import until
from vod_widget.emulator import Emulator, faults
from vod_widget.errors import InvalidArgumentError, MissingCredentialError, ProfileNotFoundError
from vod_widget.journal import FileJournal
from vod_widget.model import Checkpoint
from vod_widget.sources import WebSource
from vod_widget.system import SystemClock

Start = Callable[..., "subprocess.Popen[str]"]


def left_behind(to: dict[str, Any]) -> tuple[Checkpoint, ...]:
    return FileJournal(to["checkpoint_dir"], SystemClock()).unfinished()


def rewrite(to: dict[str, Any], checkpoint: Checkpoint, **changes: Any) -> None:
    """Leave a checkpoint as another process would have."""
    changed = replace(checkpoint, **changes)
    entry = FileJournal(to["checkpoint_dir"], SystemClock()).open(changed.source_id, changed.destination)
    entry.write(changed, durable=True)
    entry.release()


@pytest.fixture
def movie(long_mp4: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(long_mp4, tmp_path / "movie.mp4"))


@pytest.fixture
def killed(emulator: Any, to: dict[str, Any], movie: Path, other_process: Start) -> Checkpoint:
    """A process was killed (-9) while it sent the third part; two are stored. Returns its checkpoint."""
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=faults.Stall())
    process = other_process(movie)
    until(lambda: stall.fired, "part 3 is on its way")
    process.kill()
    process.wait(60)
    emulator.faults.clear()
    (checkpoint,) = left_behind(to)
    assert len(checkpoint.parts) == 2
    return checkpoint


def test_killed_upload_comes_back_stopped_with_its_ids_and_ends_with_the_same_video(
    emulator: Any, to: dict[str, Any], movie: Path, killed: Checkpoint
) -> None:
    with vw.resume(**to) as up:
        (info,) = up.list_files()
        assert info.state == "Stopped"
        assert (info.video_id, info.reference_id, info.file_id) == (
            killed.media_id,
            killed.reference_id,
            killed.file_id,
        )
        assert (info.name, info.media_type, info.title) == ("movie.mp4", "video", killed.metadata["title"])
        assert info.accepted_bytes == 2 * 102_400
        (result,) = up.run(60)
    assert (result.state, result.video_id, result.verified) == ("Success", killed.media_id, "crc64")
    assert emulator.object_path(killed.media_id).read_bytes() == movie.read_bytes()
    assert len(emulator.assets) == 1
    assert emulator.unfinished_uploads == []
    assert [sum(1 for r in emulator.requests if r.part_number == n) for n in (1, 2)] == [1, 1]
    assert left_behind(to) == ()
    with vw.resume(**to) as again:
        assert again.list_files() == []


def test_upload_of_the_same_file_goes_on_with_it_too(
    emulator: Any, to: dict[str, Any], movie: Path, killed: Checkpoint
) -> None:
    (row,) = vw.upload(movie, **to)
    assert row.video_id == killed.media_id
    assert operations(emulator, "CreateUploadVideo") == 1
    assert emulator.object_path(killed.media_id).read_bytes() == movie.read_bytes()


def test_profile_and_endpoint_are_taken_from_the_entries(
    emulator: Any, to: dict[str, Any], killed: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", emulator.access_key_id)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", emulator.access_key_secret)
    with vw.resume(to["checkpoint_dir"]) as up:
        assert up.endpoint == emulator.endpoint
        assert [info.video_id for info in up.list_files()] == [killed.media_id]


def test_profile_that_is_gone_is_named(to: dict[str, Any], killed: Checkpoint) -> None:
    rewrite(to, killed, profile="prod")
    with pytest.raises(ProfileNotFoundError, match="prod"):
        vw.resume(to["checkpoint_dir"])


def test_keys_that_are_gone_are_asked_for(to: dict[str, Any], killed: Checkpoint) -> None:
    with pytest.raises(MissingCredentialError):
        vw.resume(to["checkpoint_dir"])


def test_missing_source_is_a_row_and_goes_on_when_the_file_is_back(
    emulator: Any, to: dict[str, Any], movie: Path, killed: Checkpoint
) -> None:
    away = movie.rename(movie.with_suffix(".away"))
    with vw.resume(**to) as up:
        (info,) = up.list_files()
        assert (info.state, info.error.code, info.video_id) == ("Failure", "Source.Missing", killed.media_id)
        assert up.results()[0].error_code == "Source.Missing"
        (still,) = up.run(60)
        assert (still.state, still.error_code) == ("Failure", "Source.Missing")
        away.rename(movie)
        assert up.retry_file(info)
        assert up.wait(60)
        assert (info.state, info.video_id) == ("Success", killed.media_id)
    assert emulator.object_path(killed.media_id).read_bytes() == movie.read_bytes()


def test_source_that_changed_is_sent_whole_under_the_same_video(
    emulator: Any, to: dict[str, Any], movie: Path, killed: Checkpoint
) -> None:
    movie.write_bytes(movie.read_bytes()[:-150_000] + b"\0" * 7)
    with vw.resume(**to) as up:
        (result,) = up.run(60)
    assert (result.state, result.video_id) == ("Success", killed.media_id)
    assert emulator.object_path(killed.media_id).read_bytes() == movie.read_bytes()


def test_canceled_file_is_aborted_and_not_sent(
    emulator: Any, to: dict[str, Any], movie: Path, killed: Checkpoint
) -> None:
    rewrite(to, killed, canceled=True)
    movie.unlink()
    assert len(emulator.unfinished_uploads) == 1
    with vw.resume(**to) as up:
        until(lambda: not emulator.unfinished_uploads, "the parts are removed")
        assert up.run(60)[0].state == "Canceled"
    assert operations(emulator, "CompleteMultipartUpload") == 0


def test_files_of_memory_and_browser_are_counted_and_named(to: dict[str, Any], killed: Checkpoint) -> None:
    rewrite(to, killed, source_id="browser:talk.mp4:9:1", name="talk.mp4")
    rewrite(to, killed, source_id="memory:00:9", name="tone.m4a")
    with pytest.warns(UserWarning, match=r"2 unfinished files \(talk\.mp4, tone\.m4a\) came from a browser"):
        up = vw.resume(**to)
    with up:
        assert [info.name for info in up.list_files()] == ["movie.mp4"]


def test_file_that_another_process_sends_is_left_to_it(
    emulator: Any, to: dict[str, Any], movie: Path, other_process: Start
) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
    process = other_process(movie)
    until(lambda: stall.fired, "part 2 is on its way")
    with pytest.warns(UserWarning, match=rf"\(movie\.mp4\): process {process.pid} is sending that now"):
        up = vw.resume(**to)
    with up:
        assert up.list_files() == []


def test_file_that_another_process_finishes_after_it_was_listed_is_not_taken_back(
    to: dict[str, Any], killed: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = FileJournal.unfinished

    def unfinished(journal: FileJournal) -> tuple[Checkpoint, ...]:
        found = listed(journal)
        journal.open(killed.source_id, killed.destination).finish({"video_id": killed.media_id})
        return found

    monkeypatch.setattr(FileJournal, "unfinished", unfinished)
    with vw.resume(**to) as up:
        assert up.list_files() == []


def test_other_destination_is_left_and_named(emulator: Any, to: dict[str, Any], killed: Checkpoint) -> None:
    with Emulator() as second:
        elsewhere = {**to, "endpoint": second.endpoint}
        with pytest.warns(UserWarning, match=rf"1 unfinished file \(movie\.mp4\) belongs to.*{emulator.endpoint}"):
            up = vw.resume(**elsewhere)
        with up:
            assert up.list_files() == []
    assert left_behind(to) == (killed,)


def test_emulator_that_has_ended_is_not_started_again(to: dict[str, Any], killed: Checkpoint) -> None:
    port_of_nobody = killed.destination.replace(to["endpoint"], "http://127.0.0.1:9")
    rewrite(to, killed, destination=port_of_nobody, profile="emulator")
    del to["endpoint"]
    with pytest.warns(UserWarning, match=r"emulator at http://127\.0\.0\.1:9 has ended.*add the same file again"):
        up = vw.resume(**to)
    with up:  # the entry of the emulator that lives is taken
        assert [info.video_id for info in up.list_files()] == [killed.media_id]


def test_user_id_belongs_to_the_destination(to: dict[str, Any], killed: Checkpoint) -> None:
    where, _, account = killed.destination.split("|")
    (entry,) = left_behind(to)
    rewrite(to, entry, destination=f"{where}|me|and|you|{account}", name="theirs.mp4")
    with pytest.warns(UserWarning, match="another destination"):
        up = vw.resume(**to, user_id="me|and|you")
    with up:
        assert [info.name for info in up.list_files()] == ["theirs.mp4"]


def test_empty_journal_needs_no_credentials_and_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        up = vw.resume(tmp_path / "new")
    with up:
        assert up.list_files() == []
        assert (up.patience_s, up.skip_uploaded) == (900.0, True)


def test_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="parallel"):
        vw.resume(tmp_path, paralel=2)


def test_file_that_the_person_gave_up_is_not_taken_up_again(emulator: Any, to: dict[str, Any], movie: Path) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=faults.Stall())
    with vw.VODUpload(part_size_bytes=102_400, **to) as first:
        info = first.add_file(movie)
        first.start_upload()
        until(lambda: stall.fired, "part 3 is on its way")
        assert first.cancel_file(info)
        stall.release()
        assert first.wait(60)
        video_id = info.video_id
    assert not emulator.unfinished_uploads
    (kept,) = left_behind(to)
    assert kept.canceled
    with vw.resume(**to) as second:
        assert second.list_files() == []
    with vw.VODUpload(part_size_bytes=102_400, **to) as third:  # asked for by name it goes on, under the same video
        again = third.add_file(movie)
        third.run(60)
        assert again.state == vw.UploadState.SUCCESS
        assert again.video_id == video_id


def test_file_that_another_process_finished_is_not_sent_again(emulator: Any, to: dict[str, Any], movie: Path) -> None:
    with vw.VODUpload(part_size_bytes=102_400, **to) as mine:
        stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
        info = mine.add_file(movie)
        mine.start_upload()
        until(lambda: stall.fired, "part 2 is on its way")
        mine.stop_upload()
        stall.release()
        assert mine.wait(60)
        video_id = info.video_id
        with vw.VODUpload(part_size_bytes=102_400, **to) as other:
            theirs = other.add_file(movie)
            other.run(60)
            assert theirs.video_id == video_id
        before = len(emulator.requests)
        mine.run(60)
        assert info.state == vw.UploadState.SUCCESS
        assert info.video_id == video_id
        assert len(emulator.requests) == before


@pytest.mark.parametrize("query", ["", "?Signature=s3cr3t"])
def test_a_file_behind_an_address_comes_back_unless_the_address_may_hold_a_signature(
    emulator: Any, to: dict[str, Any], movie: Path, query: str
) -> None:
    emulator.faults.add(op="UploadPart", part_number=3, action=faults.Status(403, "AccessDenied", "no"), times=None)
    with serving(movie.read_bytes()) as site:
        url = site.url.replace("talk%20one", "movie") + query
        with vw.VODUpload(**to, parallel=1, part_size_bytes=102_400) as first:
            first.add_file(WebSource(url, loopback_allowed=True))
            assert [result.state for result in first.run(60)] == ["Failure"]
        emulator.faults.clear()
        (checkpoint,) = left_behind(to)
        journal = b"".join(path.read_bytes() for path in Path(to["checkpoint_dir"]).rglob("*") if path.is_file())
        assert b"s3cr3t" not in journal
        if query:
            with pytest.warns(UserWarning, match=r"movie.*add the same file again"), vw.resume(**to) as none:
                assert none.list_files() == []
            return
        with vw.resume(**to) as up:
            (info,) = up.list_files()
            assert (info.state, info.video_id, info.name) == ("Stopped", checkpoint.media_id, "movie.mp4")
            assert info.source == "address"
            (result,) = up.run(60)
    assert (result.state, result.video_id) == ("Success", checkpoint.media_id)
    assert emulator.object_path(checkpoint.media_id).read_bytes() == movie.read_bytes()
    assert [sum(1 for r in emulator.requests if r.part_number == n) for n in (1, 2)] == [1, 1]


def test_an_address_that_cannot_be_had_now_is_a_row_that_goes_on_when_it_can(
    emulator: Any, to: dict[str, Any], movie: Path
) -> None:
    emulator.faults.add(op="UploadPart", part_number=3, action=faults.Status(403, "AccessDenied", "no"), times=None)
    with serving(movie.read_bytes()) as site:
        with vw.VODUpload(**to, parallel=1, part_size_bytes=102_400) as first:
            first.add_file(WebSource(site.url, loopback_allowed=True))
            first.run(60)
        emulator.faults.clear()
        site.trick = lambda handler: say(handler, 404)
        with vw.resume(**to) as up:
            (info,) = up.list_files()
            assert (info.state, info.source) == ("Failure", "address")
            site.trick = None
            up.retry_failed()
            (result,) = up.run(60)
    assert result.state == "Success"
    assert emulator.object_path(result.video_id).read_bytes() == movie.read_bytes()
