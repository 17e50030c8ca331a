"""Parts that the page sends straight to the storage: what counts as sent, and what goes through the kernel instead."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.until import until
from tests.widget.fakes import FakeClock, FakeComm, Rig
from tests.widget.test_pages import offer, source_of
from tests.widget.test_with_core import Browser, a_video, stored
from vod_widget import Credentials, VODUploadWidget
from vod_widget.application import _lanes
from vod_widget.crc64 import crc64
from vod_widget.interfaces import DirectPart
from vod_widget.model import UploadState
from vod_widget.options import MIB
from vod_widget.secret import Secret
from vod_widget.sources import open_source
from vod_widget.sources.browser import BrowserSource
from vod_widget.sources.direct import DirectSender, PutPart
from vod_widget.widget.policy import Policy

URL = Secret("https://bucket.example/object?Signature=s")
ANSWER = DirectPart("ETAG", 1, 1)


class Sending:
    """One `send` in a thread of its own."""

    def __init__(self, sender: DirectSender, start: int = 0, end: int = 10) -> None:
        self.cancel = threading.Event()
        self.sent: list[int] = []
        self.result: Any = "nothing"
        self.thread = threading.Thread(
            target=lambda: setattr(self, "result", sender.send(URL, start, end, self.cancel.is_set, self.sent.append)),
            name="vod-test-send",
            daemon=True,
        )
        self.thread.start()

    def ended(self) -> Any:
        self.thread.join(60)
        assert not self.thread.is_alive(), "the part is still waited for"
        return self.result


class Line:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[PutPart] = []
        self.sender = DirectSender("talk.mp4", self.clock)
        self.sender.attach(self.asked.append)

    def send(self) -> tuple[Sending, int]:
        before = len(self.asked)
        sending = Sending(self.sender)
        until(lambda: len(self.asked) > before, "the page is asked")
        return sending, self.asked[before].put_id


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.sender.stop()


def test_the_page_is_asked_for_one_part_with_its_url_and_its_answer_is_returned(line: Line) -> None:
    sending, put_id = line.send()
    assert line.asked == [PutPart(put_id, 0, 10, URL)]
    line.sender.progress(put_id, 4)
    until(lambda: sending.sent == [4], "the progress is told")
    line.sender.done(put_id, ANSWER)
    assert sending.ended() == ANSWER
    assert "Signature" not in repr(line.asked)


def test_a_page_that_never_got_through_is_asked_once(line: Line) -> None:
    sending, put_id = line.send()
    line.sender.failed(put_id, "network")
    assert sending.ended() is None
    assert not line.sender.is_on
    line.clock.advance(10**6)
    assert not line.sender.is_on


def test_a_page_that_got_through_may_fail_now_and_then(line: Line) -> None:
    sending, put_id = line.send()
    line.sender.done(put_id, ANSWER)
    sending.ended()
    for on_after in (True, True, False):
        sending, put_id = line.send()
        line.sender.failed(put_id, "status")
        assert sending.ended() is None
        assert line.sender.is_on is on_after
    line.clock.advance(31)
    assert line.sender.is_on, "and is asked again a while later"


def test_a_page_whose_parts_the_storage_refuses_is_asked_thrice(line: Line) -> None:
    for on_after in (True, True, False):
        sending, put_id = line.send()
        line.sender.failed(put_id, "status")
        assert sending.ended() is None
        assert line.sender.is_on is on_after
    line.clock.advance(10**6)
    assert not line.sender.is_on


def test_a_part_that_gets_through_outweighs_one_beside_it_that_failed_first(line: Line) -> None:
    (good, good_id), (bad, bad_id) = line.send(), line.send()
    line.sender.failed(bad_id, "network")
    assert bad.ended() is None
    assert not line.sender.is_on
    line.sender.done(good_id, ANSWER)
    assert good.ended() == ANSWER
    assert line.sender.is_on


def test_a_silent_page_loses_the_part_after_half_a_minute(line: Line) -> None:
    sending, put_id = line.send()
    line.clock.advance(29)
    line.sender.progress(put_id, 1)
    line.clock.advance(29)
    assert sending.thread.is_alive()
    line.clock.advance(2)
    assert sending.ended() is None
    assert line.asked[-1] == PutPart(put_id), "it is told to stop"
    line.sender.done(put_id, ANSWER)  # too late: nobody waits


def test_a_part_of_which_nothing_is_heard_is_asked_for_again_while_others_move(line: Line) -> None:
    lost, lost_id = line.send()
    other, other_id = line.send()
    for sent_bytes in (1, 2, 3):
        line.clock.advance(4)
        line.sender.progress(other_id, sent_bytes)
    until(lambda: len(line.asked) > 2, "the page is asked again")
    assert line.asked[2:] == [PutPart(lost_id, 0, 10, URL)], "of the same part, by the same number"
    for sending, put_id in ((lost, lost_id), (other, other_id)):
        line.sender.done(put_id, ANSWER)
        assert sending.ended() == ANSWER


def test_parts_follow_the_speed_of_the_line_and_the_last_ones_are_small(line: Line) -> None:
    left_bytes = 10**10

    def part_takes(seconds: float, *, size_bytes: int | None = None) -> int:
        before = len(line.asked)
        sending = Sending(line.sender, 0, size_bytes or line.sender.part_size_bytes(left_bytes))
        until(lambda: len(line.asked) > before, "the page is asked")
        line.clock.advance(seconds)
        line.sender.done(line.asked[before].put_id, ANSWER)
        sending.ended()
        return line.sender.part_size_bytes(left_bytes) // MIB

    assert line.sender.part_size_bytes(left_bytes) == 16 * MIB
    assert [part_takes(s) for s in (1, 4, 1, 1, 1)] == [32, 32, 64, 128, 128]
    assert part_takes(9, size_bytes=32 * MIB) == 128, "a part of before says nothing of this size"
    assert [line.sender.part_size_bytes(n * MIB) // MIB for n in (900, 240, 50)] == [128, 40, 32]
    assert [part_takes(s) for s in (9, 9, 9, 9)] == [64, 32, 16, 16]
    assert part_takes(0.7) == 64, "a line that carries four times as much just as quickly is given that at once"


def test_a_small_file_and_one_that_goes_through_the_kernel_are_cut_in_slices() -> None:
    clock = FakeClock()

    def part_bytes(size_bytes: int, *, direct: bool) -> int:
        source = BrowserSource("talk.mp4", size_bytes, 1, None, clock)
        source.attach(lambda *_: None, put=(lambda _: None) if direct else None)
        return source.part_size_bytes(size_bytes)

    sizes = [part_bytes(100 * MIB, direct=True), part_bytes(63 * MIB, direct=True), part_bytes(100 * MIB, direct=False)]
    assert sizes == [16 * MIB, 3 * MIB, 3 * MIB]


def test_a_page_has_a_bounded_number_of_parts_on_their_way() -> None:
    def lanes(source: BrowserSource, *, direct: bool) -> int | None:
        source.attach(lambda *_: None, put=(lambda _: None) if direct else None)
        return _lanes(source)

    source = BrowserSource("talk.mp4", 100 * MIB, 1, None, FakeClock())
    assert lanes(source, direct=True) == 6, "as many connections as a browser opens to one host"
    through_kernel = lanes(source, direct=False)
    assert through_kernel == 8
    assert through_kernel * source.part_size_bytes(100 * MIB) <= 24 * MIB, "what the kernel holds of it"
    assert _lanes(open_source(b"x" * 10, "talk.mp4")) is None


@pytest.mark.parametrize("end", ["stop", "attach"])
def test_an_order_to_stop_ends_the_wait_at_once(line: Line, end: str) -> None:
    sending, put_id = line.send()
    if end == "stop":
        sending.cancel.set()
        line.sender.stop()
    else:
        line.sender.attach(None)
    assert sending.ended() is None
    assert line.asked[-1] == PutPart(put_id)
    assert line.sender.is_on is (end == "stop")


def test_a_doubted_page_has_seconds(line: Line) -> None:
    sending, _ = line.send()
    line.sender.suspect()
    line.clock.advance(5.1)
    assert sending.ended() is None


# ---- who may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "direct", "on"),
    [
        (Policy.private(), True, True),
        (Policy.private(), False, False),
        (Policy.public(), True, False),
        (Policy.public(direct=True), True, True),
        (Policy.public(direct=True), False, False),
    ],
)
def test_only_a_widget_that_was_made_so_under_a_policy_that_lets_it(policy: Policy, direct: bool, on: bool) -> None:
    rig = Rig(policy=policy, direct=direct)
    [added] = offer(rig, rig.hello()["token"])["added"]
    assert source_of(rig, added["file_id"]).sends_itself is on


def test_another_page_cannot_answer_for_a_part() -> None:
    rig = Rig(direct=True)
    mine, other = rig.hello()["token"], rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    keys = {"file_id": added["file_id"], "put_id": 0, "etag": "E", "crc64": "1", "stored_crc64": "1"}
    assert rig.code("put_done", token=other, **keys) == "Owner"
    assert rig.code("put_done", token=mine, **{**keys, "crc64": "-1"}) == "Message"
    assert rig.code("put_done", token=mine, **{**keys, "crc64": str(2**64)}) == "Message"


def test_a_page_that_left_while_it_sent_parts_itself_is_as_gone_as_one_that_sent_slices() -> None:
    rig = Rig(direct=True, reload_ends=True)
    [added] = offer(rig, rig.hello()["token"])["added"]
    info = rig.uploader.infos[added["file_id"]]
    rig.uploader.put(added["file_id"], state=UploadState.UPLOADING)
    source = source_of(rig, added["file_id"])
    rig.clock.advance(600)  # nobody wanted anything of it
    sending = threading.Thread(target=source.send_part, args=(URL, 0, 5, lambda: False, [].append), daemon=True)
    sending.start()
    until(lambda: source._direct.is_busy, "the page is asked for a part")
    rig.clock.advance(10.4)
    rig.pages.owed()
    assert info.state == UploadState.UPLOADING
    rig.clock.advance(0.1)
    rig.pages.owed()
    assert info.state == UploadState.STOPPED
    sending.join(60)
    assert not sending.is_alive()


# ---- on the real uploader and the emulator -----------------------------------------------------------


class DirectBrowser(Browser):
    """A page that PUTs; `spoil` changes what leaves it, `wall` is a network that lets nothing through."""

    spoil: Callable[[bytes], bytes] | None = None
    wall = False
    puts: list[dict[str, Any]]

    def _feed(self) -> None:
        self.puts = []
        while not self.over.wait(0.005):
            for message in self.heard():
                if message["kind"] == "pull" and message["file_id"] in self.files:
                    self._slice(message)
                elif message["kind"] == "put":
                    self._put(message)

    def _put(self, put: dict[str, Any]) -> None:
        self.puts.append(put)
        data = self.files[put["file_id"]][put["offset"] : put["offset"] + put["length"]]
        which = {"file_id": put["file_id"], "put_id": put["put_id"], "token": self.token}
        self.number += 1
        content: dict[str, Any] = {"id": 10_000_000 + self.number, **which}
        body = self.spoil(data) if self.spoil is not None else data
        request = urllib.request.Request(put["url"], data=body, method="PUT")
        # A browser sends no content type for a nameless piece of a file; urllib would.
        request.add_header("Content-Type", "")
        try:
            if self.wall:
                raise urllib.error.URLError("no route")
            with urllib.request.urlopen(request, timeout=60) as answer:
                content |= {"kind": "put_done", "etag": answer.headers["ETag"].strip('"'), "crc64": str(crc64(data))}
                content |= {"stored_crc64": answer.headers["x-oss-hash-crc64ecma"]}
        except urllib.error.HTTPError:
            content |= {"kind": "put_error", "reason": "status"}
        except urllib.error.URLError:
            content |= {"kind": "put_error", "reason": "network"}
        self.comm.receive({"method": "custom", "content": content})


@pytest.fixture
def direct(comms: type[FakeComm], emulator: Any) -> Iterator[VODUploadWidget]:
    made = VODUploadWidget(
        credentials=Credentials(emulator.access_key_id, emulator.access_key_secret),
        endpoint=emulator.endpoint,
        direct=True,
        part_size_bytes=102_400,
        retry_duration=0.01,
    )
    yield made
    made.close()


def send_all(widget: VODUploadWidget, page: DirectBrowser, data: bytes) -> dict[str, Any]:
    file_id = page.offer("talk.mp4", data)
    page.ask("start")
    until(lambda: page.last_row(file_id).get("state") in ("Success", "Failure"), "the end")
    page.close()
    return page.last_row(file_id)


@pytest.mark.slow
def test_parts_go_straight_and_the_object_is_the_file(direct: VODUploadWidget, emulator: Any) -> None:
    data = a_video(450_000)
    page = DirectBrowser(direct)
    row = send_all(direct, page, data)
    assert row["state"] == "Success"
    assert stored(emulator, row["video_id"]) == data
    assert page.sent_bytes == 0, "nothing went through the kernel"
    assert sorted(put["offset"] for put in page.puts) == [0, 102_400, 204_800, 307_200, 409_600]
    assert len({put["url"] for put in page.puts}) == 5
    for put in page.puts:
        assert emulator.access_key_secret not in put["url"]
    traits = str([m["data"]["state"] for m in page.comm.sent if m["data"].get("method") == "update"])
    assert "Signature" not in traits


@pytest.mark.slow
def test_a_network_that_lets_nothing_through_costs_one_try(direct: VODUploadWidget, emulator: Any) -> None:
    data = a_video(450_000)
    page = DirectBrowser(direct)
    page.wall = True
    row = send_all(direct, page, data)
    assert row["state"] == "Success"
    assert stored(emulator, row["video_id"]) == data
    assert page.sent_bytes == len(data)
    assert len(page.puts) <= 5


@pytest.mark.slow
def test_a_byte_that_changes_on_the_way_is_never_a_success(direct: VODUploadWidget, emulator: Any) -> None:
    data = a_video(450_000)
    page = DirectBrowser(direct)
    turned: list[int] = []

    def spoil(body: bytes) -> bytes:
        if len(turned) >= 2:
            return body
        turned.append(len(body))
        return bytes([body[0] ^ 1]) + body[1:]

    page.spoil = spoil
    row = send_all(direct, page, data)
    assert row["state"] == "Success"
    assert len(turned) == 2
    assert stored(emulator, row["video_id"]) == data


@pytest.mark.slow
def test_a_page_that_lies_about_its_sums_ends_in_no_success(direct: VODUploadWidget, emulator: Any) -> None:
    data = a_video(250_000)
    page = DirectBrowser(direct)
    receive = page.comm.receive

    def lie(message: Any, buffers: Any = None) -> None:
        content = message["content"]
        if content["kind"] == "put_done":
            content["crc64"] = content["stored_crc64"] = "1"
        receive(message, buffers)

    page.comm.receive = lie  # type: ignore[method-assign]
    direct.uploader.retry_count = 1
    direct.uploader.patience_s = 0.5
    row = send_all(direct, page, data)
    assert row["state"] == "Failure"
