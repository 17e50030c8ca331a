"""Copies of objects and parts, access control lists, and what nobody in particular may do."""

from __future__ import annotations

import hashlib
import random
from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.raw import Grant, Keys, Reply, complete, initiate, oss, put_part, send

DATA = random.Random(31).randbytes(250_000)


def copy(grant: Grant, keys: Keys, source: str, target: str, query: str = "", **headers: str) -> Reply:
    named = {"x-oss-copy-source": f"/{grant.bucket}/{quote(source)}"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return oss(grant, "PUT", query, b"", named, keys=keys, key=target)


def put(grant: Grant, keys: Keys, key: str, **headers: str) -> Reply:
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return oss(grant, "PUT", "", DATA, named, keys=keys, key=key)


def nobody(grant: Grant, method: str, key: str, query: str = "", body: bytes | None = None, **headers: str) -> Reply:
    return send(grant.endpoint, method, f"/{grant.bucket}/{key}{query}", headers, body)


# --- copies ------------------------------------------------------------------------------


def test_a_copy_has_the_bytes_and_the_metadata(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "from ü+%", Content_Type="video/mp4", x_oss_meta_a="1")
    answer = copy(grant, keys, "from ü+%", "to")
    digest = hashlib.md5(DATA).hexdigest().upper()
    assert (answer.status, answer.xml.tag, answer.text("ETag")) == (200, "CopyObjectResult", f'"{digest}"')
    found = oss(grant, "GET", keys=keys, key="to")
    assert found.body == DATA
    assert (found.headers["content-type"], found.headers["x-oss-meta-a"]) == ("video/mp4", "1")
    assert found.headers["x-oss-hash-crc64ecma"] == answer.headers["x-oss-hash-crc64ecma"]


def test_metadata_is_replaced_when_asked_and_on_itself(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a", x_oss_meta_a="1")
    copy(grant, keys, "a", "b", x_oss_metadata_directive="REPLACE", x_oss_meta_b="2")
    copy(grant, keys, "a", "a", x_oss_meta_c="3")
    for key, name in (("b", "x-oss-meta-b"), ("a", "x-oss-meta-c")):
        found = oss(grant, "GET", keys=keys, key=key)
        assert found.body == DATA
        assert [title for title in found.headers if title.startswith("x-oss-meta")] == [name]
    assert copy(grant, keys, "a", "b", x_oss_metadata_directive="KEEP").code == "InvalidArgument"


def test_parts_are_copied_by_range(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a")
    upload_id = initiate(grant, keys=keys, key="b")
    parts = []
    for number, (start, end) in enumerate(((0, 149_999), (150_000, 249_999)), 1):
        answer = copy(
            grant,
            keys,
            "a",
            "b",
            f"partNumber={number}&uploadId={upload_id}",
            x_oss_copy_source_range=f"bytes={start}-{end}",
        )
        assert (answer.status, answer.xml.tag) == (200, "CopyPartResult")
        parts.append((number, answer.text("ETag") or ""))
    assert complete(grant, upload_id, parts, keys=keys, key="b").status == 200
    assert oss(grant, "GET", keys=keys, key="b").body == DATA


def test_a_copied_multipart_object_is_whole(grant: Grant, keys: Keys) -> None:
    upload_id = initiate(grant)
    etags = [put_part(grant, upload_id, n, DATA[at : at + 125_000]).headers["etag"] for n, at in ((1, 0), (2, 125_000))]
    complete(grant, upload_id, list(enumerate(etags, 1)))
    assert copy(grant, keys, grant.key, "to").status == 200
    assert oss(grant, "GET", keys=keys, key="to").body == DATA


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x_oss_copy_source": "bucket/key"}, 400, "InvalidArgument"),
        ({"x_oss_copy_source": "/bucket"}, 400, "InvalidArgument"),
        ({"x_oss_copy_source": "/no-such-bucket/key"}, 404, "NoSuchBucket"),
        ({"x_oss_copy_source_if_match": "X"}, 412, "PreconditionFailed"),
        ({"x_oss_copy_source_if_unmodified_since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412, "PreconditionFailed"),
        ({"x_oss_copy_source_if_none_match": "*"}, 304, None),
        ({"x_oss_copy_source_range": "bytes=250000-"}, 416, "InvalidRange"),
    ],
)
def test_bad_sources_are_refused(grant: Grant, keys: Keys, headers: dict[str, str], status: int, code: str) -> None:
    put(grant, keys, "a")
    answer = copy(grant, keys, "a", "b", **headers)
    assert answer.status == status
    assert code is None or answer.code == code
    assert oss(grant, "HEAD", keys=keys, key="b").status == 404


def test_copies_spare_what_must_not_be_overwritten(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a")
    oss(grant, "PUT", "", b"mine", keys=keys, key="b")
    assert copy(grant, keys, "a", "b", x_oss_forbid_overwrite="true").code == "FileAlreadyExists"
    assert oss(grant, "GET", keys=keys, key="b").body == b"mine"


def test_an_upload_credential_copies_nothing_of_others(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "secret")
    answer = copy(grant, grant.keys, "secret", grant.key)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert copy(grant, keys, "nothing", grant.key).code == "NoSuchKey"


# --- access control lists ----------------------------------------------------------------


def test_acls_are_kept_and_shown(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a", x_oss_object_acl="public-read")
    put(grant, keys, "b")

    def shown(key: str) -> str | None:
        return oss(grant, "GET", "acl", keys=keys, key=key).xml.findtext("AccessControlList/Grant")

    assert (shown("a"), shown("b")) == ("public-read", "default")
    assert oss(grant, "PUT", "acl", headers={"x-oss-object-acl": "private"}, keys=keys, key="a").status == 200
    assert shown("a") == "private"
    upload_id = initiate(grant, keys=keys, key="c", headers={"x-oss-object-acl": "public-read-write"})
    etag = put_part(grant, upload_id, 1, b"x", keys=keys, key="c").headers["etag"]
    complete(grant, upload_id, [(1, etag)], keys=keys, key="c")
    assert shown("c") == "public-read-write"


@pytest.mark.parametrize(("method", "query"), [("PUT", ""), ("PUT", "acl"), ("POST", "uploads")])
def test_unknown_acls_are_refused(grant: Grant, keys: Keys, method: str, query: str) -> None:
    oss(grant, "PUT", "", b"first", keys=keys, key="a")
    answer = oss(grant, method, query, b"", {"x-oss-object-acl": "public"}, keys=keys, key="a")
    assert (answer.code, answer.text("ArgumentName")) == ("InvalidArgument", "x-oss-object-acl")
    assert oss(grant, "GET", keys=keys, key="a").body == b"first"
    assert oss(grant, "PUT", "acl", keys=keys, key="a").code == "InvalidArgument"


def test_an_upload_credential_may_not_open_its_object_to_all(grant: Grant) -> None:
    oss(grant, "PUT", "", b"x")
    answer = oss(grant, "PUT", "acl", headers={"x-oss-object-acl": "public-read"})
    assert (answer.status, answer.code) == (403, "AccessDenied")


# --- nobody in particular ----------------------------------------------------------------


def test_nobody_reads_what_is_private(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a")
    for method, query in (("GET", ""), ("HEAD", ""), ("DELETE", ""), ("GET", "?acl"), ("POST", "?uploads")):
        assert nobody(grant, method, "a", query).status == 403
    assert nobody(grant, "PUT", "a", body=b"x").status == 403
    assert nobody(grant, "GET", "").status == 403
    assert oss(grant, "GET", keys=keys, key="a").body == DATA


def test_everybody_reads_what_is_public_and_changes_nothing(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a", x_oss_object_acl="public-read")
    assert nobody(grant, "GET", "a").body == DATA
    assert nobody(grant, "PUT", "a", body=b"x").status == 403
    assert nobody(grant, "GET", "a", "?acl").status == 403
    answer = nobody(grant, "GET", "a", "?response-content-type=text%2Fhtml")
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_a_bucket_for_all_is_for_all(grant: Grant, keys: Keys) -> None:
    oss(grant, "PUT", "", b"", {"x-oss-acl": "public-read-write"}, keys=keys, bucket="for-all", key="")
    assert send(grant.endpoint, "PUT", "/for-all/a", {}, b"open").status == 200
    assert send(grant.endpoint, "GET", "/for-all/a", {}).body == b"open"
    assert b"<Key>a</Key>" in send(grant.endpoint, "GET", "/for-all/?list-type=2", {}).body
    assert send(grant.endpoint, "PUT", "/for-all/a", {"x-oss-object-acl": "private"}, b"x").status == 403
    oss(grant, "PUT", "", b"mine", {"x-oss-object-acl": "private"}, keys=keys, bucket="for-all", key="b")
    assert send(grant.endpoint, "GET", "/for-all/b", {}).status == 403
    assert send(grant.endpoint, "GET", "/nobody-has-this/b", {}).code == "NoSuchBucket"


def test_response_headers_replace_and_do_not_repeat(grant: Grant, keys: Keys) -> None:
    put(grant, keys, "a", Content_Type="text/plain")
    answer = oss(grant, "GET", "response-content-type=image%2Fjpeg", keys=keys, key="a")
    assert answer.headers["content-type"] == "image/jpeg"
