"""Whatever arrives, the emulator answers it, and never by a failure of its own."""

from __future__ import annotations

import random
import socket
import ssl
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.emulator.raw import Keys, call, create, oss, owner, send
from vod_widget.emulator import Emulator

PIECES = ["", "a", "/", "?", "&", "=", "%", "%zz", "%ff", "%00", "+", "..", "ü", "\U0001f389", "x" * 300, "uploads"]
NAMES = ["uploadId", "partNumber", "uploads", "Action", "Version", "Signature", "Expires", "OSSAccessKeyId"]
NAMES += ["x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature", "Timestamp"]
HEADERS = ["Authorization", "Date", "x-oss-date", "Range", "Content-MD5", "x-oss-notification", "Origin", "If-Match"]
VALUES = [
    "",
    "OSS a:b",
    "OSS4-HMAC-SHA256 Credential=a/b/c/oss/aliyun_v4_request,Signature=x",
    "bytes=5-",
    "-1",
    "\xff",
]
VALUES += [
    "OSS4-HMAC-SHA256",
    "Thu, 01 Jan 2026 00:00:00 GMT",
    "20260101T000000Z",
    "e30=",
    "http://localhost",
    "99999999",
]


@pytest.mark.parametrize("seed", range(4))
def test_random_requests_are_never_a_server_error(emulator: Emulator, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"])
        path = "/" + "".join(quote(rng.choice(PIECES), safe="/%?&=") for _ in range(rng.randrange(4)))
        query = "&".join(f"{rng.choice(NAMES)}={quote(rng.choice(VALUES + PIECES))}" for _ in range(rng.randrange(5)))
        headers = {rng.choice(HEADERS): rng.choice(VALUES) for _ in range(rng.randrange(4))}
        body = rng.choice([None, b"", b"x", bytes(3000)])
        answer = send(emulator.endpoint, method, f"{path}?{query}", headers, body)
        assert answer.status < 500, (method, path, query, headers, answer.body)


@pytest.mark.parametrize("seed", range(3))
def test_random_signed_object_requests_are_never_a_server_error(emulator: Emulator, seed: int) -> None:
    rng = random.Random(seed)
    grant, keys = create(emulator), owner(emulator)
    oss(grant, "PUT", body=b"0123456789")
    names = [
        "x-oss-meta-a",
        "Range",
        "If-Match",
        "If-Modified-Since",
        "Content-MD5",
        "x-oss-notification",
        "Content-Type",
    ]
    for _ in range(40):
        method = rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
        items = [
            "uploads",
            "uploadId=x",
            "partNumber=1",
            "max-parts=5",
            "response-content-type=a",
            "key-marker=x",
            "append",
        ]
        query = "&".join(rng.sample(items, rng.randrange(3)))
        headers = {rng.choice(names): rng.choice(VALUES) for _ in range(rng.randrange(3))}
        key = rng.choice([grant.key, grant.key, "", "other"])
        answer = oss(grant, method, query, rng.choice([None, b"x"]), headers, key=key, keys=keys)
        assert answer.status < 500, (method, key, query, headers, answer.body)


@pytest.mark.parametrize("value", ["\x00", "\x1b[2J", "]]>", "<&>\"'", "\ud7ff\ue000\uffff", "\u202e", " ", "%%%"])
def test_any_text_comes_back_readable(emulator: Emulator, value: str) -> None:
    for dress in ("JSON", "XML"):
        made = call(
            emulator, "CreateUploadVideo", {"Title": f"t{value}", "FileName": "a.mp4"}, change={"Format": dress}
        )
        assert made.status == 200
        video_id = made.json["VideoId"] if dress == "JSON" else made.text("VideoId")
        shown = call(emulator, "GetVideoInfo", {"VideoId": str(video_id)}, change={"Format": dress})
        if dress == "JSON":
            assert shown.json["Video"]["Title"] == f"t{value}"
        else:
            assert shown.xml.findtext("Video/Title") is not None


def test_bytes_that_are_no_utf8(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    assert send(emulator.endpoint, "GET", "/?Action=%ff&Format=JSON&Version=2017-03-21", {}).status == 404
    query = urlencode(
        {"Action": "GetVideoInfo", "VideoId": b"\xff", "Version": "2017-03-21", "AccessKeyId": keys.access_key_id}
    )
    query += (
        "&Signature=x&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=1&Timestamp=2026-01-01T00:00:00Z"
    )
    assert send(emulator.endpoint, "GET", f"/?{query}", {}).status == 400
    answer = send(
        emulator.endpoint, "PUT", f"/{grant.bucket}/%ff%fe", {"Authorization": "OSS a:b", "x-oss-meta-a": "\xff"}, b""
    )
    assert answer.status == 403


def test_what_is_no_http_gets_400_and_the_server_lives(emulator: Emulator) -> None:
    parts = urlsplit(emulator.endpoint)
    for data in (b"\x16\x03\x01\x00\xa5\x01", b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while block := sock.recv(4096):
                answer += block
        assert b"aiohttp" not in answer
        assert b"Server: AliyunOSS\r\n" in answer or not answer
    assert create(emulator).media_id


def test_long_queries_and_headers_are_taken(emulator: Emulator) -> None:
    params = {"Title": "t", "FileName": "a.mp4", "UserData": '{"Extend":"' + "x" * 500 + '"}', "Junk": "y" * 20_000}
    assert call(emulator, "CreateUploadVideo", params, method="POST").status == 200


def test_a_key_that_looks_real_is_refused_with_a_warning(emulator: Emulator) -> None:
    keys = Keys("LTAI5tExampleExample", "secret")
    answer = call(emulator, "GetCallerIdentity", keys=keys)
    assert (answer.status, answer.code) == (404, "InvalidAccessKeyId.NotFound")
    assert "looks real" in answer.json["Message"]
    object_answer = oss(create(emulator), "PUT", body=b"x", keys=keys)
    assert (object_answer.status, object_answer.code) == (403, "InvalidAccessKeyId")
    assert "looks real" in (object_answer.text("Message") or "")


def test_full_disk_is_an_internal_error_and_leaves_nothing(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from vod_widget.emulator import blobs

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    grant = create(emulator)
    with monkeypatch.context() as patch:
        patch.setattr(blobs._FileSink, "write", fail)
        answer = oss(grant, "PUT", body=b"x")
    assert (answer.status, answer.code) == (500, "InternalError")
    assert list((emulator.data_dir / "blobs").iterdir()) == []
    assert oss(grant, "PUT", body=b"x").status == 200


@pytest.mark.parametrize("secure", [False, True])
def test_client_that_leaves_in_the_middle_leaves_nothing(caplog: pytest.LogCaptureFixture, secure: bool) -> None:
    from tests.emulator.test_oss_objects import _signed_headers

    with Emulator(tls_port=0 if secure else None) as emulator:
        grant = create(emulator)
        head = [f"PUT /{grant.bucket}/{grant.key} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 5000000"]
        parts = urlsplit(emulator.tls_endpoint if secure else emulator.endpoint)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as plain:
            sock = plain
            if secure:
                context = ssl.create_default_context(cafile=str(emulator.tls_ca_file))
                sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
            sock.sendall("\r\n".join([*head, *_signed_headers(grant, "PUT"), "", ""]).encode() + bytes(100_000))
            while not list((emulator.data_dir / "blobs").iterdir()):
                assert create(emulator).media_id
            sock.close()
        while not any(r.op == "PutObject" for r in emulator.requests):
            assert create(emulator).media_id
        (record,) = (r for r in emulator.requests if r.op == "PutObject")
        assert record.code == "IncompleteBody"
        assert oss(grant, "HEAD").status == 404
        assert list((emulator.data_dir / "blobs").iterdir()) == []
    assert [r.message for r in caplog.records if r.levelname in ("WARNING", "ERROR")] == []
