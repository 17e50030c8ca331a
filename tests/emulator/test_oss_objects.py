"""PutObject, GetObject, HeadObject: bytes, headers, checks."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import socket
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from tests.emulator.raw import Grant, create, initiate, oss, owner
from vod_widget.emulator import Emulator, Switches, crc64

DATA = bytes(range(256)) * 40


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def test_put_confirms_what_it_stored(emulator: Emulator, grant: Grant) -> None:
    answer = oss(grant, "PUT", body=DATA, headers={"Content-MD5": md5_of(DATA), "Content-Type": "video/mp4"})
    assert answer.status == 200
    assert answer.headers["etag"] == f'"{hashlib.md5(DATA).hexdigest().upper()}"'
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64.update(DATA))
    assert answer.headers["content-md5"] == md5_of(DATA)
    assert emulator.object_path(grant.media_id).read_bytes() == DATA


def test_every_answer_carries_the_service_headers(grant: Grant) -> None:
    for method, body in (("PUT", b"x"), ("GET", None), ("HEAD", None), ("DELETE", None)):
        headers = oss(grant, method, body=body).headers
        assert len(headers["x-oss-request-id"]) == 24
        assert headers["server"] == "AliyunOSS"
        assert headers["date"].endswith("GMT")


def test_head_and_get_tell_the_same(grant: Grant) -> None:
    oss(grant, "PUT", body=DATA, headers={"Content-Type": "a/b", "x-oss-meta-a": "1", "Cache-Control": "no-store"})
    head, got = oss(grant, "HEAD"), oss(grant, "GET")
    assert got.body == DATA
    assert head.body == b""
    for name in ("etag", "content-length", "content-type", "x-oss-meta-a", "cache-control", "content-md5"):
        assert head.headers[name] == got.headers[name]
    assert head.headers["content-length"] == str(len(DATA))
    assert head.headers["x-oss-object-type"] == "Normal"
    assert head.headers["x-oss-hash-crc64ecma"] == str(crc64.update(DATA))


def test_missing_object(grant: Grant) -> None:
    got, head = oss(grant, "GET"), oss(grant, "HEAD")
    assert (got.status, got.code, got.text("Key")) == (404, "NoSuchKey", grant.key)
    assert got.text("RequestId") == got.headers["x-oss-request-id"]
    assert got.text("HostId")
    assert (head.status, head.body) == (404, b"")
    error = ET.fromstring(base64.b64decode(head.headers["x-oss-err"]))
    assert error.findtext("Code") == "NoSuchKey"


@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=0-9", 206, DATA[:10]),
        ("bytes=100-", 206, DATA[100:]),
        ("bytes=-7", 206, DATA[-7:]),
        ("bytes=5-99999999", 206, DATA[5:]),
        ("bytes=9-5", 200, DATA),
        ("rubbish", 200, DATA),
        ("bytes=0-1,3-4", 200, DATA),
    ],
)
def test_ranges(grant: Grant, header: str, status: int, expected: bytes) -> None:
    oss(grant, "PUT", body=DATA)
    answer = oss(grant, "GET", headers={"Range": header})
    assert (answer.status, answer.body) == (status, expected)
    assert ("content-range" in answer.headers) == (status == 206)


def test_range_past_the_end(grant: Grant) -> None:
    oss(grant, "PUT", body=DATA)
    answer = oss(grant, "GET", headers={"Range": f"bytes={len(DATA)}-"})
    assert (answer.status, answer.code) == (416, "InvalidRange")


def test_conditions(grant: Grant) -> None:
    etag = oss(grant, "PUT", body=DATA).headers["etag"]
    assert oss(grant, "GET", headers={"If-Match": etag}).status == 200
    assert oss(grant, "GET", headers={"If-Match": '"x"'}).code == "PreconditionFailed"
    assert oss(grant, "GET", headers={"If-None-Match": etag}).status == 304
    assert oss(grant, "GET", headers={"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"}).status == 304
    assert oss(grant, "GET", headers={"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}).status == 412


def test_response_headers_can_be_overridden(grant: Grant) -> None:
    oss(grant, "PUT", body=DATA)
    assert oss(grant, "GET", "response-content-type=x%2Fy").headers["content-type"] == "x/y"


@pytest.mark.parametrize("digest", [md5_of(b"other"), "not base64!", "YQ=="])
def test_wrong_content_md5_stores_nothing(emulator: Emulator, grant: Grant, digest: str) -> None:
    answer = oss(grant, "PUT", body=DATA, headers={"Content-MD5": digest})
    assert (answer.status, answer.code) == (400, "InvalidDigest")
    assert oss(grant, "HEAD").status == 404
    assert list((emulator.data_dir / "blobs").iterdir()) == []


def test_wrong_crc_sent_by_the_client_stores_nothing(grant: Grant) -> None:
    good = {"x-oss-hash-crc64ecma": str(crc64.update(DATA))}
    assert oss(grant, "PUT", body=DATA, headers=good).status == 200
    answer = oss(grant, "PUT", body=b"x", headers=good)
    assert (answer.status, answer.code) == (400, "InvalidCRC64")
    assert oss(grant, "GET").body == DATA


def test_chunked_bodies_are_taken(grant: Grant) -> None:
    answer = oss(grant, "PUT", body=iter([b"one", b"two"]))
    assert answer.status == 200
    assert oss(grant, "GET").body == b"onetwo"


def test_neither_length_nor_chunks(grant: Grant) -> None:
    # http.client adds Content-Length: 0 to an empty PUT, so this one is written by hand.
    headers = _signed_headers(grant, "PUT")
    lines = [f"PUT /{grant.bucket}/{grant.key} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    answer = _raw(grant, "\r\n".join(lines).encode())
    assert answer.startswith(b"HTTP/1.1 411")
    assert b"MissingContentLength" in answer


def test_body_shorter_than_announced(emulator: Emulator, grant: Grant) -> None:
    headers = _signed_headers(grant, "PUT")
    lines = [f"PUT /{grant.bucket}/{grant.key} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 100", *headers, "", ""]
    answer = _raw(grant, "\r\n".join(lines).encode() + b"only this", half_close=True)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"<Code>IncompleteBody</Code>" in answer
    assert oss(grant, "HEAD").status == 404
    assert list((emulator.data_dir / "blobs").iterdir()) == []


def test_expect_continue_is_answered_before_the_body(grant: Grant) -> None:
    headers = [*_signed_headers(grant, "PUT"), "Expect: 100-continue", "Content-Length: 3"]
    head = "\r\n".join([f"PUT /{grant.bucket}/{grant.key} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""])
    parts = urlsplit(grant.endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100")
        sock.sendall(b"abc")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    assert oss(grant, "GET").body == b"abc"


def test_too_large_is_told_before_the_body(grant: Grant) -> None:
    lines = [f"PUT /{grant.bucket}/{grant.key} HTTP/1.1", "Host: 127.0.0.1", "Expect: 100-continue"]
    lines += [f"Content-Length: {5 * 1024**3 + 1}", *_signed_headers(grant, "PUT"), "", ""]
    answer = _raw(grant, "\r\n".join(lines).encode())
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"EntityTooLarge" in answer


def test_empty_object(grant: Grant) -> None:
    answer = oss(grant, "PUT", body=b"")
    assert answer.headers["x-oss-hash-crc64ecma"] == "0"
    assert oss(grant, "GET").body == b""


def test_overwrite_can_be_forbidden(grant: Grant) -> None:
    forbid = {"x-oss-forbid-overwrite": "true"}
    assert oss(grant, "PUT", body=b"1", headers=forbid).status == 200
    answer = oss(grant, "PUT", body=b"2", headers=forbid)
    assert (answer.status, answer.code) == (409, "FileAlreadyExists")
    assert oss(grant, "PUT", body=b"3").status == 200


def test_overwriting_leaves_no_old_bytes_behind(emulator: Emulator, grant: Grant) -> None:
    for body in (b"1", b"22", b"333"):
        oss(grant, "PUT", body=body)
    assert [path.read_bytes() for path in (emulator.data_dir / "blobs").iterdir()] == [b"333"]


def test_too_much_metadata(grant: Grant) -> None:
    answer = oss(grant, "PUT", body=b"x", headers={"x-oss-meta-a": "v" * 8200})
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["x-oss-callback"])
def test_wishes_that_would_not_be_met_are_refused(emulator: Emulator, grant: Grant, name: str) -> None:
    for method, query in (("POST", "append&position=0"), ("POST", "uploads")):
        answer = oss(grant, method, query, b"", headers={name: "v"}, keys=owner(emulator))
        assert (answer.status, answer.code, answer.text("Header")) == (400, "NotImplemented", name)


def test_a_get_is_answered_without_the_body_that_it_announces(grant: Grant) -> None:
    oss(grant, "PUT", body=b"stored")
    answer = oss(grant, "GET", headers={"Content-Length": "9"})  # which never comes
    assert (answer.status, answer.body) == (200, b"stored")


# --- x-oss-notification ------------------------------------------------------------------


def test_notification_is_recorded(emulator: Emulator, grant: Grant) -> None:
    text = json.dumps({"Vod": {"Title": "t"}})
    headers = {"x-oss-notification": base64.b64encode(text.encode()).decode()}
    assert oss(grant, "PUT", body=b"x", headers=headers).status == 200
    assert emulator.asset(grant.media_id).notification == text


@pytest.mark.parametrize(
    "value", ["{}", base64.b64encode(b"{}").decode(), base64.b64encode(b"Vod").decode(), "a=", "%%%"]
)
def test_notification_that_is_no_base64_json_with_vod(grant: Grant, value: str) -> None:
    for method, query in (("PUT", ""), ("POST", "uploads")):
        answer = oss(grant, method, query, b"", headers={"x-oss-notification": value})
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert answer.text("ArgumentName") == "x-oss-notification"


def test_empty_notification_is_fine_and_signed(grant: Grant) -> None:
    assert oss(grant, "PUT", body=b"x", headers={"x-oss-notification": ""}).status == 200


def test_lax_notification_is_a_switch() -> None:
    with Emulator(switches=Switches(strict_notification=False)) as emulator:
        grant = create(emulator)
        assert oss(grant, "PUT", body=b"x", headers={"x-oss-notification": "rubbish"}).status == 200
        assert initiate(grant, headers={"x-oss-notification": "rubbish"})


# --- helpers -----------------------------------------------------------------------------


def _signed_headers(grant: Grant, method: str) -> list[str]:
    import time
    from email.utils import formatdate

    from tests.emulator.raw import oss_sign

    date = formatdate(time.time(), usegmt=True)
    token = {"x-oss-security-token": grant.keys.security_token}
    resource = f"/{grant.bucket}/{grant.key}"
    signature = oss_sign(method, resource, "", token, grant.keys.access_key_secret, date)
    return [
        f"Date: {date}",
        f"x-oss-security-token: {grant.keys.security_token}",
        f"Authorization: OSS {grant.keys.access_key_id}:{signature}",
    ]


def _raw(grant: Grant, data: bytes, *, half_close: bool = False) -> bytes:
    parts = urlsplit(grant.endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
        sock.sendall(data)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n".encode()
        body = answer.read()
        answer.close()
        return head + body


def test_a_text_is_compressed_for_who_asks(grant: Grant) -> None:
    data = b"a text " * 300
    oss(grant, "PUT", body=data, headers={"Content-Type": "text/plain"})
    answer = oss(grant, "GET", headers={"Accept-Encoding": "gzip, deflate"})
    assert (answer.headers["content-encoding"], gzip.decompress(answer.body)) == ("gzip", data)
    assert not {"content-length", "etag", "content-md5"} & answer.headers.keys()
    for headers in ({"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip", "Range": "bytes=0-1999"}, {}):
        assert "content-encoding" not in oss(grant, "GET", headers=headers).headers
    assert "content-encoding" not in oss(grant, "HEAD", headers={"Accept-Encoding": "gzip"}).headers
    for kind, body, encoding in (("video/mp4", data, ""), ("text/plain", data[:1023], ""), ("text/plain", data, "br")):
        more = {"Content-Encoding": encoding} if encoding else {}
        oss(grant, "PUT", body=body, headers={"Content-Type": kind, **more})
        assert oss(grant, "GET", headers={"Accept-Encoding": "gzip"}).body == body


def test_a_document_has_the_digest_that_it_is_sent_with(emulator: Emulator, grant: Grant) -> None:
    body = "<Tagging><TagSet/></Tagging>"
    right = base64.b64encode(hashlib.md5(body.encode()).digest()).decode()
    for digest, code in (
        (right, None),
        (base64.b64encode(bytes(16)).decode(), "InvalidDigest"),
        ("x", "InvalidDigest"),
    ):
        answer = oss(grant, "PUT", "tagging", body, {"Content-MD5": digest}, keys=owner(emulator), key="")
        assert answer.code == code


def test_a_word_that_means_nothing_is_refused(emulator: Emulator, grant: Grant) -> None:
    assert oss(grant, "PUT", body=b"first", headers={"x-oss-forbid-overwrite": "yes"}).code == "InvalidArgument"
    assert oss(grant, "PUT", body=b"first").status == 200
    assert oss(grant, "GET", "response-content-type=a%0d%0ab:c", keys=owner(emulator)).code == "InvalidArgument"
    assert oss(grant, "GET", "encoding-type=base64", key="", keys=owner(emulator)).code == "InvalidArgument"
    assert oss(grant, "POST", "uploads&encoding-type=base64").code == "InvalidArgument"


def test_a_verb_that_there_is_not_is_refused(emulator: Emulator, grant: Grant) -> None:
    answer = oss(grant, "PATCH", body=b"x", keys=owner(emulator))
    assert (answer.status, answer.code, answer.text("ResourceType")) == (405, "MethodNotAllowed", "OBJECT")
    assert answer.headers["allow"] == "GET, HEAD, PUT, POST, DELETE"
