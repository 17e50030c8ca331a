"""Faults on real sockets between a whole `VODUpload` and the emulator, the worst of them by a relay in between.

Each test that ends in Success also asks the shared checker for the invariants: one video, the file's own bytes, progress
that never falls, no more bytes than a fault may cost, and nothing left behind.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, file_of, keys, ops, reached, runs, stored, uploader
from tests.fault.relay import Relay, Way
from tests.helpers.invariants import Stored, Witness
from tests.helpers.raw_server import RawServer, answering, closed_door
from tests.helpers.until import until
from vod_widget.emulator import Emulator
from vod_widget.emulator.faults import CorruptBody, Drop, ExpireToken, NoCrc, Redirect, Reset, Stall, Status, WrongETag
from vod_widget.emulator.switches import Switches
from vod_widget.errors import ConnectError, KeysRefusedError, RetriesExhaustedError

FAULT_KIND = "L"

LARGE = 4 * PART + 17
SMALL = 30_000


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay() as running:
        yield running


@pytest.fixture
def cloud(relay: Relay, tmp_path: Path) -> Iterator[Emulator]:
    """The emulator behind the relay."""
    with Emulator(data_dir=tmp_path / "emulator", oss_endpoint=relay.endpoint) as running:
        relay.target = running.endpoint
        yield running


@contextmanager
def way(cloud: Emulator, relay: Relay, tmp_path: Path, **options: Any) -> Iterator[Any]:
    """An uploader whose requests all pass the relay."""
    with uploader(cloud, tmp_path, endpoint=relay.endpoint, **options) as up:
        up.__dict__["witness"] = witness = Witness(PART, 8)
        witness.watch(up)
        yield up


def succeeds(cloud: Any, up: Any, path: Path, *, resent: int = 0, start: bool = True) -> Any:
    """The file ends in Success by itself, and the invariants hold; `resent` is what may be sent a second time."""
    if start:
        info = up.add_file(path)
        runs(up)
    else:
        (info,) = up.list_files()
        assert up.wait(LONG_S), info
    assert info.state == "Success", info.error
    assert stored(cloud, info) == path.read_bytes()
    assert up.results()[0].sent_bytes <= path.stat().st_size + resent
    assert len(cloud.assets) == 1
    shares = up.heard.shares(info)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    witness = up.__dict__.get("witness")
    if witness is not None:
        witness.story(info.file_id).exists(path)
        witness.story(info.file_id).faults += 8
        state = Stored.of_emulator(cloud)
        empty = {u.upload_id for u in cloud.unfinished_uploads if not u.stored_bytes}
        witness.check(state, owned=empty)
    return info


# ---- names and addresses


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What "localhost" resolves to: an address, or an error that is raised, or a list of them, of which the last stays."""
    table: dict[str, Any] = {"localhost": "127.0.0.1", "asked": 0}
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **options: Any) -> Any:
        if host != "localhost":
            return real(host, *args, **options)
        table["asked"] += 1
        found = table["localhost"]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return real(found, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.mark.slow
def test_f1_name_that_does_not_resolve_is_waited_for(
    cloud: Emulator, relay: Relay, tmp_path: Path, resolver: dict[str, Any]
) -> None:
    away = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    resolver["localhost"] = [away, away, "127.0.0.1"]
    with way(cloud, relay, tmp_path) as up:
        up.endpoint = relay.endpoint.replace("127.0.0.1", "localhost")
        info = succeeds(cloud, up, file_of(tmp_path))
        assert [code for _, code, _, _ in info.attempts] == ["Network.Dns"] * 2
        assert resolver["asked"] >= 3
        assert relay.seen.count("CreateUploadVideo") == 1


def test_f1_name_that_never_resolves_fails_with_its_code(
    cloud: Emulator, relay: Relay, tmp_path: Path, resolver: dict[str, Any]
) -> None:
    resolver["localhost"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with way(cloud, relay, tmp_path, retry_count=1) as up:
        up.endpoint = relay.endpoint.replace("127.0.0.1", "localhost")
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Network.Dns")
        assert relay.seen == []


def test_f2_refused_connection_is_waited_for(cloud: Emulator, tmp_path: Path) -> None:
    closed = closed_door()
    port = closed.getsockname()[1]
    relay = Relay(target=cloud.endpoint, port=port)
    codes: list[str] = []

    def open_door(info: Any) -> None:
        codes.append(info.attempts[-1][1])
        if len(codes) == 2:
            closed.close()
            relay.__enter__()

    try:
        # Waits that double: the callback opens the door in time, however late it comes.
        how = {"retry_count": 50, "retry_duration": 0.02}
        with uploader(cloud, tmp_path, endpoint=f"http://127.0.0.1:{port}", on_upload_retry=open_door, **how) as up:
            info = up.add_file(path := file_of(tmp_path))
            up.start_upload()
            # The storage is reached by the first relay; only the control plane is closed.
            assert up.wait(LONG_S)
            assert info.state == "Success", info.error
            assert stored(cloud, info) == path.read_bytes()
            assert codes[:2] == ["Network.Refused"] * 2
    finally:
        closed.close()
        if len(codes) >= 2:
            relay.__exit__(None, None, None)


def test_f2_connection_that_stays_refused_fails_with_its_code(cloud: Emulator, tmp_path: Path) -> None:
    with (
        closed_door() as closed,
        uploader(cloud, tmp_path, endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}", retry_count=1) as up,
    ):
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Network.Refused")
        assert isinstance(info.error, RetriesExhaustedError)
        assert isinstance(info.error.last, ConnectError)
        assert cloud.assets == []


def test_f3_certificate_that_nobody_vouches_for_fails_at_once(tmp_path: Path) -> None:
    with Emulator(tls_port=0) as emulator, uploader(emulator, tmp_path, endpoint=emulator.tls_endpoint) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Tls")
        assert info.attempts == ()
        assert emulator.requests == []
        names = [name for name in dir(vw.VODUpload) if "verify" in name or "insecure" in name]
        assert names == []  # there is no switch to ignore it


def test_f55_address_that_moves_is_resolved_again_for_new_connections(
    cloud: Emulator, relay: Relay, tmp_path: Path, resolver: dict[str, Any]
) -> None:
    with Relay(target=cloud.endpoint, host="127.0.0.2", port=relay.port) as moved:

        def move(way: Way) -> None:
            resolver["localhost"] = "127.0.0.2"
            way.peer.reset()

        relay.spoil("UploadPart", move, nth=2)
        with Emulator(data_dir=tmp_path / "other", oss_endpoint=f"http://localhost:{relay.port}") as emulator:
            relay.target = moved.target = emulator.endpoint
            with uploader(emulator, tmp_path, parallel=1) as up:
                succeeds(emulator, up, file_of(tmp_path, size=LARGE), resent=PART)
        assert moved.seen.count("UploadPart") >= 3
        assert "UploadPart" in relay.seen


# ---- create and refresh


def test_f11_retry_after_is_shown_and_may_be_cut_short_by_the_person(
    cloud: Emulator, relay: Relay, tmp_path: Path
) -> None:
    relay.spoil("CreateUploadVideo", lambda way: way.answer(503, b'{"Code":"Busy"}', {"Retry-After": "7"}))
    waits: list[float] = []

    def hurry(info: Any) -> None:
        waits.append(info.attempts[-1][3])
        up.retry_file(info)

    with way(cloud, relay, tmp_path, on_upload_retry=hurry) as up:
        succeeds(cloud, up, file_of(tmp_path))
        assert len(waits) == 1
        assert 7.0 <= waits[0] <= 8.0


@pytest.mark.slow
def test_f13_wrong_secret_is_one_failure_for_a_whole_queue(cloud: Emulator, relay: Relay, tmp_path: Path) -> None:
    wrong = vw.Credentials(cloud.access_key_id, "a-wrong-secret-sentinel")
    with way(cloud, relay, tmp_path, credentials=wrong) as up:
        infos = [up.add_file(b"%d" % n, name=f"clip{n}.mp4") for n in range(60)]
        runs(up)
        assert [info.state for info in infos].count("Failure") == 1
        assert [info.state for info in infos].count("Ready") == 59
        failed = next(info for info in infos if info.state == "Failure")
        assert isinstance(failed.error, KeysRefusedError)
        for text in ("StringToSign", "string to sign", "Signature=", "sentinel", cloud.access_key_secret):
            assert text not in str(failed.error)
        up.set_credentials(keys(cloud))
        runs(up)
        assert {info.state for info in infos} == {"Success"}
        assert len(cloud.assets) == 60


HTML = b"<!DOCTYPE html><html><body>Please sign in to the hotel's network</body></html>"


def _half_json(way: Way) -> None:
    status, headers, body = way.forward()
    way.say(status, headers, body[: len(body) // 2])


def _ten_megabytes(way: Way) -> None:
    _ = way.body
    with_head = b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n"
    way.peer.send(with_head)
    for _ in range(160):
        way.peer.send(b"x" * 65536)


@pytest.mark.parametrize(
    "action",
    [_half_json, lambda way: way.answer(200, HTML), _ten_megabytes],
    ids=["half of the JSON", "captive portal", "10 MB"],
)
def test_f16_answer_of_another_kind_is_in_doubt_and_looked_up(
    cloud: Emulator, relay: Relay, tmp_path: Path, action: Callable[[Way], None]
) -> None:
    relay.spoil("CreateUploadVideo", action)
    with way(cloud, relay, tmp_path) as up:
        succeeds(cloud, up, file_of(tmp_path))
        assert "GetVideoInfo" in relay.seen


def test_f16_portal_that_stays_is_a_failure_of_the_protocol(cloud: Emulator, relay: Relay, tmp_path: Path) -> None:
    for op in ("CreateUploadVideo", "GetVideoInfo"):
        relay.spoil(op, lambda way: way.answer(200, HTML), times=None)
    with way(cloud, relay, tmp_path, retry_count=1) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Protocol")
        assert "hotel" not in str(info.error)
        assert relay.seen.count("CreateUploadVideo") == 1


def _drip(way: Way) -> None:
    _ = way.body
    way.peer.send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not way.relay.released.wait(0.05):
        way.peer.send(b"x")


@pytest.mark.slow
def test_f22_f47_f49_drips_and_stalls_end_by_their_deadlines(cloud: Emulator, relay: Relay, tmp_path: Path) -> None:
    """Three faults in one upload, since each costs its deadline: here the least that can be set, one second.

    So little that a busy machine may let another request miss it, which is sent again then.
    """
    relay.spoil("CreateUploadVideo", _drip)
    relay.spoil("UploadPart", lambda way: way.relay.released.wait(100), nth=1)  # not a byte of the body is read
    relay.spoil("UploadPart", _drip, nth=1)
    codes: list[str] = []
    with way(
        cloud, relay, tmp_path, timeout_s=1.0, parallel=2, on_upload_retry=lambda i: codes.append(i.attempts[-1][1])
    ) as up:
        succeeds(cloud, up, file_of(tmp_path, size=LARGE), resent=LARGE)
        assert set(codes) == {"Network.Timeout"}
        assert len(codes) >= 3
        assert up.results()[0].sent_bytes <= LARGE + (len(codes) - 1) * PART


def test_f23_redirect_is_never_followed(emulator: Any, tmp_path: Path) -> None:
    with RawServer(answering((200, b"{}", {}))) as other:
        emulator.faults.add(op="CreateUploadVideo", action=Redirect(f"{other.endpoint}/", 307), times=None)
        with uploader(emulator, tmp_path) as up:
            info = up.add_file(file_of(tmp_path))
            runs(up)
            assert (info.state, info.error.code) == ("Failure", "Redirect")
            assert ops(emulator) == ["CreateUploadVideo"]
        assert other.connections == 0


@pytest.mark.parametrize("op", ["InitiateMultipartUpload", "UploadPart"])
def test_f23_redirect_of_the_storage_sees_no_token(emulator: Any, tmp_path: Path, op: str) -> None:
    with RawServer(answering((200, b"", {"ETag": '"A"'}))) as other:
        emulator.faults.add(op=op, action=Redirect(f"{other.endpoint}/x", 307), times=None)
        with uploader(emulator, tmp_path) as up:
            info = up.add_file(file_of(tmp_path, size=LARGE))
            runs(up)
            assert (info.state, info.error.code) == ("Failure", "Redirect")
            assert info.error.message.count(op) == 1
        assert other.connections == 0


# ---- init


@pytest.mark.parametrize("may_list", [True, False])
def test_f26_lost_init_leaves_at_most_an_empty_entry(tmp_path: Path, may_list: bool) -> None:
    with Emulator(switches=Switches(upload_token_may_list_uploads=may_list)) as emulator:
        emulator.faults.add(op="InitiateMultipartUpload", action=Drop(), when="after", times=2)
        with uploader(emulator, tmp_path) as up:
            succeeds(emulator, up, file_of(tmp_path, size=LARGE))
        assert [upload.stored_bytes for upload in emulator.unfinished_uploads] == ([] if may_list else [0, 0])


BOMB = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "%s"><!ENTITY b "%s">]><b>&b;</b>' % (b"x" * 500, b"&a;" * 900)


def _cut_xml(way: Way) -> None:
    status, headers, body = way.forward()
    way.say(status, headers, body[:-20])


@pytest.mark.parametrize(
    "action",
    [
        _cut_xml,
        lambda way: way.answer(200, b"<Other/>"),
        lambda way: way.answer(
            200, b"<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>"
        ),
        lambda way: way.answer(200, BOMB),
        lambda way: way.answer(200, HTML),
    ],
    ids=["cut", "another root", "empty id", "entity bomb", "html"],
)
def test_f27_answer_to_init_that_cannot_be_read_is_a_lost_one(
    cloud: Emulator, relay: Relay, tmp_path: Path, action: Callable[[Way], None]
) -> None:
    relay.spoil("InitiateMultipartUpload", action)
    with way(cloud, relay, tmp_path) as up:
        succeeds(cloud, up, file_of(tmp_path, size=LARGE))
        assert relay.seen.count("InitiateMultipartUpload") == 2


def test_f31_expired_token_at_init_is_renewed(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="InitiateMultipartUpload", action=ExpireToken())
    with uploader(emulator, tmp_path) as up:
        succeeds(emulator, up, file_of(tmp_path, size=LARGE))
        assert ops(emulator, "RefreshUploadVideo") == ["RefreshUploadVideo"]


# ---- parts


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.99])
def test_f33_f34_reset_in_the_middle_of_a_part_costs_at_most_that_part(
    emulator: Any, tmp_path: Path, share: float
) -> None:
    for number in (1, 3):
        action = Reset(after_body_bytes=int(share * PART))
        emulator.faults.add(op="UploadPart", part_number=number, action=action)
    with uploader(emulator, tmp_path) as up:
        succeeds(emulator, up, file_of(tmp_path, size=LARGE), resent=2 * PART)
        assert len(emulator.faults.fired) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [
        (500, "InternalError", {}),
        (502, "BadGateway", {}),
        (503, "ServiceUnavailable", {"Retry-After": "0"}),
        (429, "TooManyRequests", {}),
        (408, "RequestTimeout", {}),
    ],
)
def test_f36_refused_part_is_sent_again_and_fewer_go_at_once(
    emulator: Any, tmp_path: Path, status: int, code: str, headers: dict[str, str]
) -> None:
    emulator.faults.add(op="UploadPart", nth=2, action=Status(status, code, headers=headers))
    with uploader(emulator, tmp_path) as up:
        concurrency, halved = up._queue.concurrency, []
        throttled = concurrency.throttled

        def watched(now_s: float) -> None:
            before = concurrency.count
            throttled(now_s)
            halved.append(concurrency.count <= before // 2)

        concurrency.throttled = watched
        succeeds(emulator, up, file_of(tmp_path, size=12 * PART), resent=PART)
        assert any(halved)


@pytest.mark.slow
def test_f37_refusal_while_the_part_is_still_sent_stops_the_sending(
    cloud: Emulator, relay: Relay, tmp_path: Path
) -> None:
    part = 8 << 20

    def refuse_early(way: Way) -> None:
        way.peer.read(65536)
        way.say(503, {"Retry-After": "0"}, b"<Error><Code>ServiceUnavailable</Code></Error>")
        way.relay.released.wait(LONG_S)  # the rest is never read

    relay.spoil("UploadPart", refuse_early)
    with way(cloud, relay, tmp_path, part_size_bytes=part, parallel=1) as up:
        up.witness.part_size_bytes = part
        succeeds(cloud, up, file_of(tmp_path, size=part + 17), resent=part // 2)


def test_f42_damage_is_refused_by_its_md5_and_sent_again(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", part_number=2, action=CorruptBody())
    with uploader(emulator, tmp_path, content_md5=True) as up:
        info = succeeds(emulator, up, file_of(tmp_path, size=LARGE), resent=PART)
        assert [code for _, code, _, _ in info.attempts] == ["InvalidDigest"]


def test_f42_small_file_is_refused_by_its_md5_too(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="PutObject", action=CorruptBody())
    with uploader(emulator, tmp_path, content_md5=True) as up:
        info = succeeds(emulator, up, file_of(tmp_path), resent=SMALL)
        assert [code for _, code, _, _ in info.attempts] == ["InvalidDigest"]


def test_f45_etag_is_compared_with_the_md5_where_there_is_no_crc(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", action=NoCrc(), times=None)
    emulator.faults.add(op="UploadPart", part_number=2, action=WrongETag())
    with uploader(emulator, tmp_path, content_md5=True) as up:
        info = succeeds(emulator, up, file_of(tmp_path, size=LARGE), resent=PART)
        assert [code for _, code, _, _ in info.attempts] == ["Integrity"]
        assert ops(emulator, "ListParts") == []


def test_f51_proxy_that_answers_a_part_with_its_own_page_is_not_believed(
    cloud: Emulator, relay: Relay, tmp_path: Path
) -> None:
    relay.spoil("UploadPart", lambda way: way.answer(200, HTML), nth=2)
    with way(cloud, relay, tmp_path) as up:
        info = succeeds(cloud, up, file_of(tmp_path, size=LARGE), resent=PART)
        assert [code for _, code, _, _ in info.attempts] == ["Protocol"]


def test_f52_kept_connections_that_the_server_closes_cost_nothing(
    cloud: Emulator, relay: Relay, tmp_path: Path
) -> None:
    def answer_and_close(way: Way) -> None:
        # The end travels with the answer, so that it is there before the connection is wanted again.
        way.peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        way.go_on()
        way.peer.sock.shutdown(socket.SHUT_WR)
        raise EOFError

    relay.spoil("UploadPart", answer_and_close, times=None)
    with way(cloud, relay, tmp_path, parallel=1) as up:
        info = succeeds(cloud, up, file_of(tmp_path, size=LARGE))
        assert info.attempts == ()


# ---- lists


def _stop_with_parts(up: Any, cloud: Emulator, path: Path) -> Any:
    stall = cloud.faults.add(op="UploadPart", nth=5, action=Stall())
    info = up.add_file(path)
    up.start_upload()
    reached(stall)
    up.stop_upload()
    stall.release()
    assert up.wait(LONG_S)
    until(lambda: len(ops(cloud, "UploadPart")) == 5, "what was on its way has arrived")
    cloud.faults.clear()
    return info


@pytest.mark.parametrize(
    "action",
    [
        lambda way: way.answer(500, b"<Error><Code>InternalError</Code></Error>"),
        lambda way: way.peer.reset(),
        lambda way: way.forward() and way.peer.reset(),
    ],
    ids=["500", "reset", "lost"],
)
def test_f59_list_that_fails_is_asked_again(
    cloud: Emulator, relay: Relay, tmp_path: Path, action: Callable[[Way], None]
) -> None:
    with way(cloud, relay, tmp_path, parallel=1) as up:
        _stop_with_parts(up, cloud, path := file_of(tmp_path, size=LARGE + 3 * PART))
        relay.spoil("ListParts", action, times=2)
        up.start_upload()
        succeeds(cloud, up, path, resent=PART, start=False)
        assert relay.seen.count("ListParts") == 3


def test_f60_page_of_a_list_that_fails_is_repeated_alone(cloud: Emulator, relay: Relay, tmp_path: Path) -> None:
    targets: list[str] = []

    def small_pages(way: Way) -> None:
        targets.append(way.target)
        if len(targets) == 2:
            way.peer.reset()
            return
        way.say(*way.forward(way.target.replace("max-parts=1000", "max-parts=2")))

    relay.spoil("ListParts", small_pages, times=None)
    with way(cloud, relay, tmp_path, parallel=1) as up:
        _stop_with_parts(up, cloud, path := file_of(tmp_path, size=LARGE + 3 * PART))
        parts = len({p for u in cloud.unfinished_uploads for p in range(u.stored_bytes // PART)})
        up.start_upload()
        succeeds(cloud, up, path, resent=PART, start=False)
        assert len(targets) == -(-parts // 2) + 1
        assert targets[1] == targets[2]


def test_f64_list_without_an_end_fails_after_two_pages(cloud: Emulator, relay: Relay, tmp_path: Path) -> None:
    def endless(way: Way) -> None:
        part = "<Part><PartNumber>1</PartNumber><ETag>A</ETag><Size>1</Size><LastModified>2026-11-22T00:00:00.000Z"
        body = f"<ListPartsResult><NextPartNumberMarker>1</NextPartNumberMarker>{part}</LastModified></Part>"
        way.answer(200, f"{body}<IsTruncated>true</IsTruncated></ListPartsResult>".encode())

    rule = relay.spoil("ListParts", endless, times=None)
    with way(cloud, relay, tmp_path, parallel=1) as up:
        info = _stop_with_parts(up, cloud, path := file_of(tmp_path, size=LARGE + 3 * PART))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Protocol")
        assert relay.seen.count("ListParts") == 2
        rule.times = 0
        runs(up)
        succeeds(cloud, up, path, resent=PART, start=False)


# ---- complete


@pytest.mark.parametrize(
    "action",
    [
        lambda way: way.forward() and way.answer(203, b"<Error><Code>CallbackFailed</Code></Error>"),
        lambda way: way.forward() and way.answer(200, b"<Error><Code>InternalError</Code></Error>"),
        _cut_xml,
        lambda way: way.answer(200, HTML),
    ],
    ids=["203", "error in a 200", "cut", "html"],
)
def test_f70_answer_to_complete_that_is_no_success_is_looked_at(
    cloud: Emulator, relay: Relay, tmp_path: Path, action: Callable[[Way], None]
) -> None:
    relay.spoil("CompleteMultipartUpload", action)
    with way(cloud, relay, tmp_path) as up:
        succeeds(cloud, up, file_of(tmp_path, size=LARGE))
        assert "HeadObject" in relay.seen
