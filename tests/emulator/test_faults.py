"""Faults: each does what its name says, at the moment asked for, and no more."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.emulator.raw import Grant, call, complete, create, info, initiate, oss, put_part
from vod_widget.emulator import Emulator, crc64
from vod_widget.emulator.faults import (
    CorruptBody,
    Drop,
    ErrorIn200,
    ExpireToken,
    NoCrc,
    NoETag,
    Redirect,
    Reset,
    SpoilHeaders,
    Stall,
    Status,
    Throttle,
    Truncate,
    WrongCrc,
    WrongETag,
)

GOOD = {"Title": "talk", "FileName": "talk.mp4"}
LOST = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


def test_nth_and_times_choose_the_requests(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", nth=2, times=2, action=Status(503, "ServiceUnavailable"))
    statuses = [oss(grant, "PUT", body=b"x").status for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert [f.op for f in emulator.faults.fired] == ["PutObject", "PutObject"]


def test_part_number_chooses_the_part(emulator: Emulator, grant: Grant) -> None:
    upload_id = initiate(grant)
    fault = emulator.faults.add(op="UploadPart", part_number=2, times=None, action=Status(500))
    assert [put_part(grant, upload_id, n, b"x").status for n in (1, 2, 3, 2)] == [200, 500, 200, 500]
    assert fault.fired == 2
    emulator.faults.clear()
    assert put_part(grant, upload_id, 2, b"x").status == 200
    assert emulator.faults.fired == []


def test_status_before_has_no_effect_and_after_has(emulator: Emulator) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(500, "InternalError", headers={"Retry-After": "3"}))
    before = call(emulator, "CreateUploadVideo", GOOD)
    assert (before.status, before.code, before.headers["retry-after"]) == (500, "InternalError", "3")
    assert emulator.assets == []
    emulator.faults.add(op="CreateUploadVideo", when="after", action=Status(503, "ServiceUnAvailable"))
    assert call(emulator, "CreateUploadVideo", GOOD).code == "ServiceUnAvailable"
    assert len(emulator.assets) == 1


def test_throttling(emulator: Emulator) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Throttle())
    answer = call(emulator, "CreateUploadVideo", GOOD)
    assert (answer.status, answer.code) == (400, "Throttling.User")
    assert answer.json["Message"] == "Request was denied due to user flow throttling."


def test_lost_answer_of_create_leaves_an_asset(emulator: Emulator) -> None:
    emulator.faults.add(op="CreateUploadVideo", when="after", action=Drop())
    with pytest.raises(LOST):
        call(emulator, "CreateUploadVideo", {**GOOD, "ReferenceId": "ref-000001"})
    assert call(emulator, "CreateUploadVideo", {**GOOD, "ReferenceId": "ref-000001"}).code == "ReferenceIdExists"
    assert call(emulator, "GetVideoInfo", {"ReferenceId": "ref-000001"}).status == 200


def test_lost_answer_of_complete(emulator: Emulator, grant: Grant) -> None:
    upload_id = initiate(grant)
    etag = put_part(grant, upload_id, 1, b"bytes").headers["etag"]
    emulator.faults.add(op="CompleteMultipartUpload", when="after", action=Drop())
    with pytest.raises(LOST):
        complete(grant, upload_id, [(1, etag)])
    assert complete(grant, upload_id, [(1, etag)]).code == "NoSuchUpload"
    assert oss(grant, "HEAD").headers["x-oss-hash-crc64ecma"] == str(crc64.update(b"bytes"))
    assert info(emulator, grant.media_id)["Size"] == 5


def test_lost_answer_of_a_part(emulator: Emulator, grant: Grant) -> None:
    upload_id = initiate(grant)
    emulator.faults.add(op="UploadPart", part_number=1, when="after", action=Drop())
    with pytest.raises(LOST):
        put_part(grant, upload_id, 1, b"bytes")
    assert oss(grant, "GET", f"uploadId={upload_id}").text("Part/Size") == "5"
    etag = put_part(grant, upload_id, 1, b"again").headers["etag"]
    assert complete(grant, upload_id, [(1, etag)]).status == 200
    assert oss(grant, "GET").body == b"again"


@pytest.mark.parametrize("action", [Drop(), Reset(), Reset(after_body_bytes=70_000)])
def test_broken_connection_before_the_effect(emulator: Emulator, grant: Grant, action: Drop | Reset) -> None:
    emulator.faults.add(op="PutObject", action=action)
    with pytest.raises(LOST):
        oss(grant, "PUT", body=bytes(3_000_000))
    assert oss(grant, "HEAD").status == 404
    record = next(r for r in emulator.requests if r.op == "PutObject")
    assert (record.status, record.faults) == (0, (type(action).__name__,))
    if isinstance(action, Reset):
        assert record.body_bytes == action.after_body_bytes
    assert oss(grant, "PUT", body=b"x").status == 200


def test_stall_until_released(emulator: Emulator, grant: Grant) -> None:
    fault = emulator.faults.add(op="PutObject", action=Stall())
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(oss(grant, "PUT", body=b"x").status))
    thread.start()
    while not fault._on_release and thread.is_alive():  # it waits, or it was answered
        thread.join(0.005)
    assert statuses == []
    assert oss(grant, "HEAD").status == 404
    fault.release()
    thread.join(60)
    assert statuses == [200]


def test_stall_for_some_time_and_after_the_effect(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", when="after", action=Stall(0.05))
    start = time.monotonic()
    assert oss(grant, "PUT", body=b"x").status == 200
    assert time.monotonic() - start >= 0.05


def test_close_ends_a_stall() -> None:
    emulator = Emulator().start()
    grant = create(emulator)
    emulator.faults.add(op="PutObject", action=Stall())
    failures: list[BaseException] = []

    def put() -> None:
        try:
            oss(grant, "PUT", body=b"x")
        except OSError as exc:
            failures.append(exc)

    thread = threading.Thread(target=put)
    thread.start()
    while not emulator.faults.fired:
        thread.join(0.005)
    emulator.close()
    thread.join(60)
    assert not thread.is_alive()


def test_spoiled_headers(emulator: Emulator, grant: Grant) -> None:
    real = str(crc64.update(b"x"))
    for action, name, expected in (
        (WrongCrc(), "x-oss-hash-crc64ecma", "1"),
        (NoCrc(), "x-oss-hash-crc64ecma", None),
        (WrongETag(), "etag", '"00000000000000000000000000000000"'),
        (NoETag(), "etag", None),
        (SpoilHeaders(set={"Date": "never"}), "date", "never"),
    ):
        emulator.faults.add(op="PutObject", action=action)
        answer = oss(grant, "PUT", body=b"x")
        assert (answer.status, answer.headers.get(name)) == (200, expected)
    assert oss(grant, "HEAD").headers["x-oss-hash-crc64ecma"] == real


def test_redirect_does_not_act(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", action=Redirect("http://127.0.0.1:9/evil"))
    answer = oss(grant, "PUT", body=b"x")
    assert (answer.status, answer.headers["location"]) == (307, "http://127.0.0.1:9/evil")
    assert oss(grant, "HEAD").status == 404


def test_error_in_200(emulator: Emulator, grant: Grant) -> None:
    upload_id = initiate(grant)
    emulator.faults.add(op="CompleteMultipartUpload", action=ErrorIn200())
    answer = complete(grant, upload_id, [(1, "x")])
    assert (answer.status, answer.code) == (200, "InternalError")


def test_truncated_answers(emulator: Emulator, grant: Grant) -> None:
    oss(grant, "PUT", body=b"0123456789")
    emulator.faults.add(op="GetObject", action=Truncate(4))
    with pytest.raises(http.client.IncompleteRead) as caught:
        oss(grant, "GET")
    assert caught.value.partial == b"0123"
    emulator.faults.add(op="GetVideoInfo", when="after", action=Truncate(10))
    with pytest.raises(http.client.IncompleteRead):
        call(emulator, "GetVideoInfo", {"VideoId": grant.media_id})
    assert [(r.op, r.status, r.code) for r in emulator.requests[-2:]] == [
        ("GetObject", 200, ""),
        ("GetVideoInfo", 200, ""),
    ]
    emulator.faults.add(op="PutObject", when="after", action=Truncate(0))
    assert oss(grant, "PUT", body=b"x").status == 200  # there was nothing to cut


def test_the_log_tells_how_much_of_a_body_an_injected_answer_waited_for(emulator: Emulator, grant: Grant) -> None:
    for action, body_bytes in (
        (Status(503), 5),
        (Status(503, read_body=False), 0),
        (ErrorIn200(), 5),
        (Redirect("http://127.0.0.1:9/"), 5),
    ):
        emulator.faults.add(op="PutObject", action=action)
        oss(grant, "PUT", body=b"bytes")
        assert emulator.requests[-1].body_bytes == body_bytes, action


def test_corrupt_body_shows_in_the_checksum(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", action=CorruptBody())
    answer = oss(grant, "PUT", body=b"abc")
    assert answer.headers["x-oss-hash-crc64ecma"] != str(crc64.update(b"abc"))
    assert emulator.object_path(grant.media_id).read_bytes() == bytes([ord("a") ^ 0xFF]) + b"bc"


def test_corrupt_body_spoils_a_document_too(emulator: Emulator, grant: Grant) -> None:
    upload_id = initiate(grant)
    etag = put_part(grant, upload_id, 1, b"bytes").headers["etag"]
    emulator.faults.add(op="CompleteMultipartUpload", action=CorruptBody())
    assert complete(grant, upload_id, [(1, etag)]).code == "MalformedXML"
    assert complete(grant, upload_id, [(1, etag)]).status == 200


def test_token_expires_before_or_after_the_request(emulator: Emulator) -> None:
    first, second = create(emulator), create(emulator)
    emulator.faults.add(op="PutObject", action=ExpireToken())
    assert oss(first, "PUT", body=b"x").code == "SecurityTokenExpired"
    emulator.faults.add(op="PutObject", when="after", action=ExpireToken())
    assert oss(second, "PUT", body=b"x").status == 200
    assert oss(second, "PUT", body=b"x").code == "SecurityTokenExpired"


def test_answer_without_reading_the_body_closes_the_connection(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="PutObject", action=Status(503, read_body=False))
    answer = oss(grant, "PUT", body=b"x")
    assert (answer.status, answer.headers["connection"]) == (503, "close")


def test_a_refused_upload_keeps_the_connection(emulator: Emulator, grant: Grant) -> None:
    parts = urlsplit(emulator.endpoint)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    for _ in range(3):
        connection.request("PUT", f"/{grant.bucket}/{grant.key}", body=bytes(2_000_000))
        sock = connection.sock
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 403
        assert connection.sock is sock is not None
    connection.close()


def test_star_means_any_operation(emulator: Emulator, grant: Grant) -> None:
    emulator.faults.add(op="*", action=Status(500))
    assert oss(grant, "HEAD").status == 500
    assert oss(grant, "PUT", body=b"x").status == 200


def test_wrong_rules_are_refused(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match=">= 1"):
        emulator.faults.add(op="PutObject", nth=0, action=Drop())
    with pytest.raises(ValueError, match="before"):
        emulator.faults.add(op="PutObject", when="after", action=CorruptBody())


def test_reprs_are_readable(emulator: Emulator) -> None:
    fault = emulator.faults.add(op="UploadPart", part_number=3, action=Drop(), when="after")
    assert repr(fault) == "<Fault after UploadPart part 3: Drop() fired=0>"
    assert repr(emulator.faults) == "<Faults armed=1 fired=0>"
