"""The widget on the real uploader and the emulator: kernel files, a browser's file, credentials, the end."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.site import serving
from tests.helpers.until import until
from tests.widget.fakes import FakeComm
from vod_widget import Credentials, VODUpload, VODUploadWidget
from vod_widget.sources.browser import BrowserSource
from vod_widget.system import SystemClock

FAULT_KIND = "W"

pytestmark = pytest.mark.slow


class Browser:
    """A page with files: answers pulls as the front-end does, until it is told to be silent."""

    def __init__(self, widget: VODUploadWidget, first_id: int = 1) -> None:
        assert isinstance(widget.comm, FakeComm)
        self.comm = widget.comm
        self.files: dict[str, bytes] = {}
        self.silent = False
        self.number = first_id
        self.sent_bytes = 0
        self.token = ""
        self.seen = len(self.comm.custom())
        self.offering = threading.Lock()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._feed, name="test-browser", daemon=True)
        self.token = self.ask("hello", version=2, locale="en")["token"]
        self.thread.start()

    def ask(self, kind: str, buffers: Any = None, **keys: Any) -> dict[str, Any]:
        self.number += 1
        number = self.number
        self.comm.receive({"method": "custom", "content": {"id": number, "kind": kind, **keys}}, buffers)
        until(lambda: any(a["id"] == number for a in self.comm.answers()), f"an answer to {kind}")
        answer = next(a for a in self.comm.answers() if a["id"] == number)
        assert answer.get("ok"), answer
        data: dict[str, Any] = answer["data"]
        return data

    def offer(self, name: str, data: bytes, kind: str = "offer_files") -> str:
        offer = {"client_id": "c", "name": name, "size_bytes": len(data), "last_modified_ms": 5, "type": ""}
        with self.offering:
            [added] = self.ask(kind, files=[offer], token=self.token)["added"]
            self.files[added["file_id"]] = data
        return str(added["file_id"])

    def _feed(self) -> None:
        while not self.over.wait(0.005):
            for message in self.heard():
                if message["kind"] == "pull" and message["file_id"] in self.files and not self.silent:
                    self._slice(message)

    def heard(self) -> list[dict[str, Any]]:
        """What came since the last call; not while an answer is read: only then the page knows which file is asked for."""
        with self.offering:
            messages = self.comm.custom()[self.seen :]
            self.seen += len(messages)
            return messages

    def _slice(self, pull: dict[str, Any]) -> None:
        data = self.files[pull["file_id"]][pull["offset"] : pull["offset"] + pull["length"]]
        self.sent_bytes += len(data)
        keys = {name: pull[name] for name in ("file_id", "pull_id", "offset")}
        self.number += 1
        content = {"id": 10_000_000 + self.number, "kind": "slice", "token": self.token, **keys}
        self.comm.receive({"method": "custom", "content": content}, [memoryview(data)])

    def close(self) -> None:
        self.over.set()
        self.thread.join()

    def last_row(self, file_id: str) -> dict[str, Any]:
        rows = [
            row
            for message in self.comm.custom()
            if message["kind"] in ("snapshot", "rows")
            for row in message["rows"]
            if row["file_id"] == file_id
        ]
        return rows[-1] if rows else {}


@pytest.fixture
def widget(comms: type[FakeComm], emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[VODUploadWidget]:
    made = VODUploadWidget(
        credentials=Credentials(emulator.access_key_id, emulator.access_key_secret), endpoint=emulator.endpoint
    )
    yield made
    made.close()


def stored(emulator: Any, video_id: str) -> bytes:
    return Path(emulator.object_path(video_id)).read_bytes()


def a_video(size_bytes: int, seed: int = 3) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def test_a_file_behind_an_address_is_uploaded_and_a_bad_address_is_refused(
    widget: VODUploadWidget, emulator: Any
) -> None:
    data = a_video(300_000)
    page = Browser(widget)
    with serving(data) as site:
        answer = page.ask("add_addresses", urls=[f"{site.url}?Signature=s3cr3t", "https://user:pw@example.com/a.mp4"])
        [added] = answer["added"]
        assert [one["code"] for one in answer["refused"]] == ["Source.Scheme"]
        page.ask("start")
        until(lambda: page.last_row(added["file_id"]).get("state") == "Success", "the file's end")
    row = page.last_row(added["file_id"])
    assert (row["source"], row["name"]) == ("address", "talk one.mp4")
    assert stored(emulator, row["video_id"]) == data
    assert "s3cr3t" not in repr(widget.comm.custom()) + repr(page.ask("detail", file_id=added["file_id"]))  # type: ignore[attr-defined]
    page.close()


def test_a_file_of_the_kernel_is_uploaded_and_shown(widget: VODUploadWidget, emulator: Any, tmp_path: Path) -> None:
    data = a_video(300_000)
    (tmp_path / "talk.mp4").write_bytes(data)
    page = Browser(widget)
    [added] = page.ask("add_paths", paths=[str(tmp_path)])["added"]
    page.ask("start")
    until(lambda: page.last_row(added["file_id"]).get("state") == "Success", "the row shows Success")
    row = page.last_row(added["file_id"])
    assert stored(emulator, row["video_id"]) == data
    assert (row["progress"], row["actions"]) == (1.0, ["remove"])
    until(lambda: (widget.done, widget.progress) == (1, 1.0), "the traits are true")
    assert widget.results[0]["video_id"] == row["video_id"]
    assert widget.results[0]["verified"]
    page.close()


def test_a_file_of_the_browser_goes_through_the_kernel_byte_for_byte(widget: VODUploadWidget, emulator: Any) -> None:
    data = a_video(21_000_000)
    page = Browser(widget)
    file_id = page.offer("browser.mp4", data)
    page.ask("start")
    until(lambda: page.last_row(file_id).get("state") == "Success", "the row shows Success")
    assert stored(emulator, page.last_row(file_id)["video_id"]) == data
    until(lambda: any(m["kind"] == "drop" for m in page.comm.custom()), "the page is told to let go")
    assert page.sent_bytes >= len(data), "all through the kernel; what a slow moment loses is asked for again"
    parts = sorted(r.body_bytes for r in emulator.requests if r.op == "UploadPart")
    assert parts == [21_000_000 % (3 * 2**20), *[3 * 2**20] * 6], "whole slices, however small a line asks for parts"
    page.close()


def test_f106_after_a_reload_the_same_file_goes_on(widget: VODUploadWidget, emulator: Any) -> None:
    data = a_video(9_000_000)
    old = Browser(widget)
    old.silent = True
    file_id = old.offer("reload.mp4", data)
    old.ask("start")
    until(lambda: any(m["kind"] == "pull" for m in old.comm.custom()), "bytes are asked for")
    old.close()
    new = Browser(widget, first_id=1000)
    assert new.offer("reload.mp4", data, "reoffer_files") == file_id
    until(lambda: new.last_row(file_id).get("state") == "Success", "the row shows Success")
    assert stored(emulator, new.last_row(file_id)["video_id"]) == data
    assert widget.total == 1
    new.close()


def test_files_whose_page_is_gone_hold_up_no_other_and_go_on_with_it(emulator: Any, tmp_path: Path) -> None:
    data = a_video(300_000)
    (tmp_path / "kernel.mp4").write_bytes(data)
    sources = [BrowserSource(f"{k}.mp4", len(data), 1, lambda *_pull: None, SystemClock()) for k in range(60)]
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    with VODUpload(endpoint=emulator.endpoint, credentials=keys) as up:
        waiting = [up.add_file(source) for source in sources]
        up.start_upload()
        until(lambda: any(source._slices.pulls for source in sources), "the page is asked")
        for source in sources:
            source.detach()
        last = up.add_file(tmp_path / "kernel.mp4")  # only now: those that are there would share the places
        until(lambda: last.state == "Success", "the kernel's file is stored")
        first = sources[0]
        first.attach(lambda number, at, length: first.deliver(number, at, data[at : at + length]))
        until(lambda: waiting[0].state == "Success", "what is there again is stored")
        assert stored(emulator, str(waiting[0].video_id)) == data
        # Who was not in the way when the kernel's file was stored stays where it is.
        assert {info.state for info in waiting[1:]} <= {"Ready", "Uploading"}


def test_a_file_that_has_begun_gets_the_turn_of_one_whose_page_is_gone(emulator: Any, tmp_path: Path) -> None:
    data = a_video(300_000)
    (tmp_path / "kernel.mp4").write_bytes(data)
    source = BrowserSource("browser.mp4", len(data), 1, lambda *_pull: None, SystemClock())
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    with VODUpload(endpoint=emulator.endpoint, credentials=keys, parallel=1) as up:
        waiting = up.add_file(source)
        up.start_upload()
        until(lambda: source._slices.pulls, "the only lane is taken")
        last = up.add_file(tmp_path / "kernel.mp4")
        until(lambda: last.state == "Uploading", "the next file has begun")
        source.detach()
        until(lambda: last.state == "Success", "it is stored")
        assert waiting.state in ("Ready", "Uploading")


def test_pausing_and_resuming_a_browser_file_loses_nothing(widget: VODUploadWidget, emulator: Any) -> None:
    data = a_video(9_000_000)
    page = Browser(widget)
    page.silent = True
    file_id = page.offer("pause.mp4", data)
    page.ask("start")
    until(lambda: any(m["kind"] == "pull" for m in page.comm.custom()), "bytes are asked for")
    assert page.ask("pause", file_ids=[file_id])["changed"] == 1
    until(lambda: page.last_row(file_id).get("state") == "Stopped", "the row shows Stopped")
    page.silent = False
    assert page.ask("resume", file_ids=[file_id])["changed"] == 1
    until(lambda: page.last_row(file_id).get("state") == "Success", "the row shows Success")
    assert stored(emulator, page.last_row(file_id)["video_id"]) == data
    page.close()


def test_without_an_account_the_widget_opens_and_one_click_takes_the_emulator(
    comms: type[FakeComm], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(a_video(1000))
    widget = VODUploadWidget()
    page = Browser(widget)
    page.ask("add_paths", paths=[str(tmp_path / "a.mp4")])
    assert page.ask("list_profiles")["current_profile"] is None
    page.number += 1
    page.comm.receive({"method": "custom", "content": {"id": 77, "kind": "start"}})
    until(lambda: any(a["id"] == 77 for a in page.comm.answers()), "an answer")
    answer = next(a for a in page.comm.answers() if a["id"] == 77)
    assert answer["error"]["code"] == "Auth.Missing"
    assert page.ask("choose_profile", name="emulator") == {"current_profile": "emulator"}
    page.ask("start")
    until(lambda: widget.done == 1, "the file is stored")
    until(
        lambda: any(
            m["kind"] in ("rows", "snapshot") and (m["summary"]["profile"] or {}).get("is_emulator")
            for m in page.comm.custom()
        ),
        "the summary names the emulator",
    )
    page.close()
    widget.close()


def test_closing_while_a_browser_file_is_awaited_ends_every_thread(widget: VODUploadWidget) -> None:
    page = Browser(widget)
    page.silent = True
    page.offer("stuck.mp4", a_video(3_000_000))
    page.ask("start")
    until(lambda: any(m["kind"] == "pull" for m in page.comm.custom()), "bytes are asked for")
    page.close()
    widget.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("vod-widget")] == []


def test_a_new_kernel_offers_what_the_old_one_left_and_goes_on_with_it(
    comms: type[FakeComm], emulator: Any, tmp_path: Path
) -> None:
    from vod_widget import Credentials
    from vod_widget.emulator import faults

    data = a_video(300_000)
    (tmp_path / "talk.mp4").write_bytes(data)
    options: dict[str, Any] = {
        "credentials": Credentials(emulator.access_key_id, emulator.access_key_secret),
        "endpoint": emulator.endpoint,
        "part_size_bytes": 102_400,
        "parallel": 1,
    }
    old = VODUploadWidget(**options)
    page = Browser(old)
    stall = emulator.faults.add(op="UploadPart", nth=3, action=faults.Stall())
    page.ask("add_paths", paths=[str(tmp_path)])
    page.ask("start")
    until(lambda: stall.fired, "a part is held")
    second = VODUploadWidget(**options)
    other = Browser(second)
    assert other.ask("unfinished") == {"files": 0, "browser": 0}, "somebody sends it now"
    video_id = old.uploader.list_files()[0].video_id
    page.close()
    old.close()
    stall.release()
    assert other.ask("unfinished") == {"files": 1, "browser": 0}
    assert other.ask("take_back") == {"added": 1}
    assert other.ask("unfinished") == {"files": 0, "browser": 0}
    [info] = second.uploader.list_files()
    assert (info.state, info.video_id) == ("Stopped", video_id)
    other.ask("start")
    until(lambda: info.state == "Success", "it is stored")
    assert stored(emulator, str(video_id)) == data
    other.close()
    second.close()


def test_two_looks_at_what_was_left_do_not_hide_it_from_one_another(
    comms: type[FakeComm], emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vod_widget import Credentials
    from vod_widget.emulator import faults
    from vod_widget.journal.entry import FileEntry

    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    options: dict[str, Any] = {"credentials": keys, "endpoint": emulator.endpoint, "part_size_bytes": 102_400}
    (tmp_path / "talk.mp4").write_bytes(a_video(300_000))
    old = VODUploadWidget(**options)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    old.add(tmp_path / "talk.mp4")
    old.start()
    until(lambda: stall.fired, "a part is held")
    old.close()
    stall.release()
    new = VODUploadWidget(**options)
    left = new._handler._unfinished
    second: list[dict[str, int]] = []
    looker = threading.Thread(target=lambda: second.append(left.count()))
    release = FileEntry.release

    def while_the_other_looks(entry: FileEntry) -> None:
        monkeypatch.setattr(FileEntry, "release", release)
        looker.start()
        looker.join(0.3)  # only where the two looks meet it ends now
        release(entry)

    monkeypatch.setattr(FileEntry, "release", while_the_other_looks)
    assert left.count() == {"files": 1, "browser": 0}
    looker.join(60)
    assert second == [{"files": 1, "browser": 0}]
    new.close()


def test_a_file_that_is_finished_by_another_kernel_once_it_is_listed_is_neither_offered_nor_sent_again(
    comms: type[FakeComm], emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vod_widget.emulator import faults
    from vod_widget.errors import LockedError
    from vod_widget.journal import FileJournal
    from vod_widget.model import Checkpoint
    from vod_widget.widget.unfinished import Unfinished

    path = tmp_path / "talk.mp4"
    path.write_bytes(a_video(300_000))
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    options: dict[str, Any] = {"credentials": keys, "endpoint": emulator.endpoint, "part_size_bytes": 102_400}
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    with VODUpload(**options) as other:
        theirs = other.add_file(path)
        other.start_upload()
        until(lambda: stall.fired, "a part is held")
        with VODUpload(**options) as mine:
            info = mine.add_file(path)
            assert [result.state for result in mine.run(60)] == ["Failure"]
            assert isinstance(info.error, LockedError)
            unfinished = Unfinished(mine)
            listed = FileJournal.unfinished

            def ends(journal: FileJournal) -> tuple[Checkpoint, ...]:
                found = listed(journal)
                stall.release()
                assert other.wait(60)
                return found

            monkeypatch.setattr(FileJournal, "unfinished", ends)
            unfinished.go_on([(info._record.source.source_id, info)])
            assert theirs.state == "Success"
            assert mine.wait(60)
            assert isinstance(info.error, LockedError), "it stands as it is"
            assert unfinished.count() == {"files": 0, "browser": 0}
    assert len(emulator.assets) == 1


def test_a_browser_file_that_was_left_is_left_no_more_once_it_is_in_the_list(
    comms: type[FakeComm], emulator: Any
) -> None:
    from vod_widget import Credentials
    from vod_widget.emulator import faults

    options: dict[str, Any] = {
        "credentials": Credentials(emulator.access_key_id, emulator.access_key_secret),
        "endpoint": emulator.endpoint,
        "part_size_bytes": 102_400,
    }
    old = VODUploadWidget(**options)
    page = Browser(old)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    page.offer("talk.mp4", a_video(300_000))
    page.ask("start")
    until(lambda: stall.fired, "a part is held")
    page.close()
    old.close()
    stall.release()
    second = VODUploadWidget(**options)
    other = Browser(second)
    assert other.ask("unfinished") == {"files": 0, "browser": 1}
    other.offer("talk.mp4", a_video(300_000))
    assert other.ask("unfinished") == {"files": 0, "browser": 0}
    other.close()
    second.close()


def test_f120_a_loop_that_user_code_blocks_holds_up_neither_the_upload_nor_the_page(
    widget: VODUploadWidget, emulator: Any, tmp_path: Path
) -> None:
    data = a_video(500_000)
    (tmp_path / "talk.mp4").write_bytes(data)

    async def cell() -> str:
        """The kernel's loop does not turn from here to the end."""
        page = Browser(widget)
        try:
            [added] = page.ask("add_paths", paths=[str(tmp_path)])["added"]
            page.ask("start")
            until(lambda: page.last_row(added["file_id"]).get("state") == "Success", "the page is told of the end")
            return str(widget.uploader.list_files()[0].media_id)
        finally:
            page.close()

    assert stored(emulator, asyncio.run(cell())) == data


@pytest.mark.parametrize("end", ["it is left", "it finishes"])
def test_where_a_reload_starts_another_kernel_the_new_one_goes_on_by_itself_with_what_the_old_one_lets_go_unfinished(
    comms: type[FakeComm], emulator: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    from vod_widget import Credentials
    from vod_widget.emulator import faults

    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    data = a_video(9_000_000)
    keys = Credentials(emulator.access_key_id, emulator.access_key_secret)
    old, new = (VODUploadWidget(credentials=keys, endpoint=emulator.endpoint, parallel=1) for _ in range(2))
    page, next_page = Browser(old), Browser(new)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    page.offer("talk.mp4", data)
    page.ask("start")
    until(lambda: stall.fired, "the first part is stored, the second on its way")
    [info] = old.uploader.list_files()
    file_id = next_page.offer("talk.mp4", data)
    next_page.ask("start")
    [again] = new.uploader.list_files()
    until(lambda: again.state == "Failure", "the old kernel holds it")
    new._publisher.flush(10)
    row = next_page.ask("detail", file_id=file_id)["row"]
    assert (row["wait"]["reason"], row["actions"]) == ("Locked", ["retry", "remove"])
    next_page.ask("ping", token=next_page.token)
    if end == "it is left":
        page.silent = True
        page.ask("bye", token=page.token)
        stall.release()
        until(lambda: old.uploader.list_files()[0].state == "Stopped", "the old kernel lets go")

        def goes_on() -> bool:
            next_page.ask("ping", token=next_page.token)
            return bool(again.state == "Success")

        until(goes_on, "it is stored")
        assert stored(emulator, str(again.video_id)) == data
        assert next_page.sent_bytes < len(data), "from what was acknowledged"
    else:
        stall.release()
        until(lambda: info.state == "Success", "it is stored")
        next_page.ask("ping", token=next_page.token)
        new._handler.close()
        assert again.state == "Failure", "sent again, it would be there twice"
    assert len(emulator.assets) == 1
    for one, widget in ((page, old), (next_page, new)):
        one.close()
        widget.close()


def test_retry_of_several_rows_takes_those_that_failed_and_those_that_wait(
    widget: VODUploadWidget, emulator: Any, tmp_path: Path
) -> None:
    from vod_widget.emulator import faults

    def send(name: str) -> Any:
        (tmp_path / name).write_bytes(a_video(50_000))
        [info] = widget.add(tmp_path / name)
        widget.uploader.start_ready()
        return info

    sent = send("sent.mp4")
    assert widget.wait(60)
    emulator.faults.add(op="CreateUploadVideo", action=faults.Status(400, "InvalidParameter"))
    failed = send("failed.mp4")
    assert widget.wait(60)
    emulator.faults.add(op="PutObject", times=None, action=faults.Status(503, "ServiceUnavailable"))
    waits = send("waits.mp4")
    until(lambda: waits.phase == "waiting", "it waits for its next attempt")
    assert failed.state == "Failure"
    emulator.faults.clear()
    assert widget.retry(sent, failed, waits) == 2
    assert widget.wait(60)
    assert [info.state for info in (sent, failed, waits)] == ["Success"] * 3
    assert len(emulator.assets) == 3
