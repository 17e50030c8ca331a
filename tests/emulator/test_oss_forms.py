"""PostObject: what a browser's form, and the vendor's mini program SDK, sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest

from tests.emulator.raw import STORED, Grant, Keys, Reply, info, oss, owner, send
from vod_widget.emulator import Emulator
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.oss_forms import FormReader, boundary_of

DATA = random.Random(8).randbytes(300_000)
FAR = "2100-01-01T00:00:00.000Z"
Fields = Sequence[tuple[str, str]]


def policy_of(conditions: Sequence[Any] = (), expiration: str = FAR) -> str:
    document = {"expiration": expiration, "conditions": list(conditions)}
    return base64.b64encode(json.dumps(document).encode()).decode()


def signed(policy: str, keys: Keys) -> dict[str, str]:
    digest = hmac.new(keys.access_key_secret.encode(), policy.encode(), hashlib.sha1).digest()
    fields = {
        "OSSAccessKeyId": keys.access_key_id,
        "policy": policy,
        "Signature": base64.b64encode(digest).decode(),
    }
    if keys.security_token:
        fields["x-oss-security-token"] = keys.security_token
    return fields


def encoded(fields: Fields, files: Sequence[tuple[str, str, bytes]] = (("file", "a b.mp4", DATA),)) -> bytes:
    parts = [f'--XyZ\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields]
    for name, file_name, data in files:
        head = f'--XyZ\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: video/mp4\r\n\r\n".encode() + data + b"\r\n")
    return b"".join(parts) + b"--XyZ--\r\n"


def post(grant: Grant, fields: dict[str, str] | Fields, body: bytes | None = None, bucket: str = "") -> Reply:
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    headers = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    target = f"/{bucket or grant.bucket}/"
    return send(grant.endpoint, "POST", target, headers, encoded(pairs) if body is None else body)


def form(grant: Grant, conditions: Sequence[Any] = (), **more: str) -> dict[str, str]:
    return {"key": grant.key, **more, **signed(policy_of(conditions), grant.keys)}


def test_the_mini_program_way(emulator: Emulator, grant: Grant) -> None:
    fields = form(grant, [["content-length-range", 0, 1048576000]], success_action_status="200")
    answer = post(grant, fields)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == f'"{hashlib.md5(DATA).hexdigest().upper()}"'
    assert emulator.object_path(grant.media_id).read_bytes() == DATA
    assert info(emulator, grant.media_id)["Status"] in STORED
    head = oss(grant, "HEAD")
    assert (head.headers["x-oss-object-type"], head.headers["content-type"]) == ("Normal", "video/mp4")


def test_answers_by_success_action_status(grant: Grant) -> None:
    assert post(grant, form(grant)).status == 204
    assert post(grant, form(grant, success_action_status="418")).status == 204
    made = post(grant, form(grant, success_action_status="201"))
    assert (made.status, made.text("Bucket"), made.text("Key")) == (201, grant.bucket, grant.key)
    assert made.text("ETag") == made.headers["etag"]
    there = post(grant, form(grant, success_action_redirect="http://localhost/done?a=1"))
    assert there.status == 303
    assert there.headers["location"].startswith(f"http://localhost/done?a=1&bucket={grant.bucket}&etag=")


def test_a_form_is_as_slow_as_it_asks_for(grant: Grant, held_up_s: list[float]) -> None:
    fields = list(form(grant, [{"x-oss-traffic-limit": "819200"}], **{"x-oss-traffic-limit": "819200"}).items())
    assert post(grant, fields, encoded(fields, [("file", "a", b"s" * 4_096)])).status == 204
    assert sum(held_up_s) >= 0.04


def test_field_names_ignore_case_and_become_headers(grant: Grant) -> None:
    fields = form(grant, [{"x-oss-meta-a": "b"}])
    changed = {name.upper(): value for name, value in fields.items()}
    changed["Content-Type"] = "text/plain"
    changed["X-Oss-Meta-A"] = "b"
    assert post(grant, changed).status == 204
    head = oss(grant, "HEAD").headers
    assert (head["content-type"], head["x-oss-meta-a"]) == ("text/plain", "b")


def test_filename_variable(emulator: Emulator, grant: Grant) -> None:
    fields = {"key": "dir/${filename}", **signed(policy_of([["starts-with", "$key", "dir/"]]), owner(emulator))}
    assert post(grant, fields).status == 204
    assert oss(grant, "GET", key="dir/a b.mp4", keys=owner(emulator)).body == DATA


@pytest.mark.parametrize(
    "condition",
    [
        {"key": "other"},
        {"bucket": "other"},
        ["eq", "$key", "other"],
        ["starts-with", "$key", "other"],
        ["eq", "$x-oss-meta-missing", "a"],
        ["in", "$content-type", ["image/png"]],
        ["not-in", "$key", ["KEY"]],
    ],
)
def test_every_condition_counts(grant: Grant, condition: Any) -> None:
    text = json.dumps(condition).replace("KEY", grant.key)
    answer = post(grant, form(grant, [json.loads(text)]))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert answer.text(
        "Message",
    ).startswith("Invalid according to Policy: Policy Condition failed: ")  # type: ignore[union-attr]
    assert oss(grant, "HEAD").status == 404


def test_conditions_that_hold(grant: Grant) -> None:
    conditions = [
        {"bucket": grant.bucket},
        {"key": grant.key},
        ["eq", "$key", grant.key],
        ["starts-with", "$key", grant.key[:5]],
        ["starts-with", "$x-oss-meta-none", ""],
        ["in", "$Content-Type", ["video/mp4", "text/plain"]],
        ["not-in", "$content-type", ["image/png"]],
        ["content-length-range", len(DATA), len(DATA)],
    ]
    assert post(grant, {"Content-Type": "text/plain", **form(grant, conditions)}).status == 204


@pytest.mark.parametrize(
    ("low", "high", "code"),
    [(len(DATA) + 1, len(DATA) + 2, "EntityTooSmall"), (0, len(DATA) - 1, "EntityTooLarge")],
)
def test_length_range(grant: Grant, low: int, high: int, code: str) -> None:
    answer = post(grant, form(grant, [["content-length-range", low, high]]))
    assert (answer.status, answer.code) == (400, code)
    assert oss(grant, "HEAD").status == 404


def test_policy_expires(emulator: Emulator, grant: Grant) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 300))
    fields = {"key": grant.key, **signed(policy_of((), soon), grant.keys)}
    assert post(grant, fields).status == 204
    emulator.clock.advance(301)
    answer = post(grant, fields)
    assert (answer.status, answer.text("Message")) == (403, "Invalid according to Policy: Policy expired.")


@pytest.mark.parametrize(
    "policy",
    [
        "%%%",
        base64.b64encode(b"{").decode(),
        base64.b64encode(b"[]").decode(),
        policy_of((), "soon"),
        policy_of((), "2026-13-01T00:00:00.000Z"),
        base64.b64encode(json.dumps({"expiration": FAR}).encode()).decode(),
        policy_of(["what"]),
        policy_of([{}]),
        policy_of([["eq", "key", "x"]]),
        policy_of([["like", "$key", "x"]]),
        policy_of([["content-length-range", 5, 1]]),
        policy_of([["content-length-range", "0", "1"]]),
    ],
)
def test_a_policy_must_be_one(grant: Grant, policy: str) -> None:
    answer = post(grant, {"key": grant.key, **signed(policy, grant.keys)})
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument")


def test_wrong_signature(grant: Grant) -> None:
    answer = post(grant, {**form(grant), "Signature": "AAAA"})
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("missing", ["OSSAccessKeyId", "policy", "Signature", "key"])
def test_missing_fields(grant: Grant, missing: str) -> None:
    fields = form(grant)
    del fields[missing]
    answer = post(grant, fields)
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_anonymous_forms_are_refused(grant: Grant) -> None:
    assert (post(grant, {"key": grant.key}).status, post(grant, {"key": grant.key}).code) == (403, "AccessDenied")


def test_the_token_must_be_there_and_alive(emulator: Emulator, grant: Grant) -> None:
    fields = form(grant)
    without = {name: value for name, value in fields.items() if name != "x-oss-security-token"}
    assert post(grant, without).code == "InvalidAccessKeyId"
    assert post(grant, {**fields, "x-oss-security-token": "CAISx"}).code == "InvalidSecurityToken"
    emulator.clock.advance(3001)
    assert post(grant, fields).code == "SecurityTokenExpired"


def test_a_credential_opens_its_own_key_only(grant: Grant) -> None:
    answer = post(grant, {**form(grant), "key": "elsewhere.mp4"})
    assert (answer.status, answer.code, answer.headers["x-oss-ec"]) == (403, "AccessDenied", "0003-00000301")


def test_forbid_overwrite_and_names_hold_for_forms(emulator: Emulator, grant: Grant) -> None:
    assert post(grant, form(grant)).status == 204
    answer = post(grant, {"x-oss-forbid-overwrite": "true", **form(grant)})
    assert (answer.status, answer.code) == (409, "FileAlreadyExists")
    bad = {"key": "/x", **signed(policy_of(), owner(emulator))}
    assert post(grant, bad).code == "InvalidObjectName"
    assert post(grant, form(grant), bucket="no-such-bucket").code == "NoSuchBucket"


def test_the_file_is_one_and_last(grant: Grant) -> None:
    fields = list(form(grant).items())
    last = encoded(fields)[: -len(b"--XyZ--\r\n")]
    after = last + b'--XyZ\r\nContent-Disposition: form-data; name="x"\r\n\r\nv\r\n--XyZ--\r\n'
    assert post(grant, [], after).code == "InvalidArgument"
    two = encoded(fields, [("file", "a", b"1"), ("file", "b", b"2")])
    assert post(grant, [], two).code == "IncorrectNumberOfFilesInPOSTRequest"
    none = encoded(fields, [])
    assert post(grant, [], none).code == "IncorrectNumberOfFilesInPOSTRequest"
    assert oss(grant, "HEAD").status == 404


def test_a_field_twice(grant: Grant) -> None:
    fields = [*form(grant).items(), ("key", "other")]
    assert post(grant, fields).code == "InvalidArgument"


def test_long_fields(grant: Grant) -> None:
    assert post(grant, {**form(grant), "x" * 9000: "v"}).code == "FieldItemTooLong"
    assert post(grant, {**form(grant), "x": "v" * (2 * 1024 * 1024 + 1)}).code == "FieldItemTooLong"


def test_a_cut_form_stores_nothing(grant: Grant) -> None:
    whole = encoded(list(form(grant).items()))
    assert post(grant, [], whole[: len(whole) // 2]).code == "MalformedPOSTRequest"
    assert post(grant, [], whole.replace(b"--XyZ\r\n", b"--XyZ??", 1)).code == "MalformedPOSTRequest"
    assert oss(grant, "HEAD").status == 404


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/mixed; boundary=XyZ"])
def test_not_a_form(grant: Grant, content_type: str) -> None:
    answer = send(grant.endpoint, "POST", f"/{grant.bucket}/", {"Content-Type": content_type}, b"{}")
    assert (answer.status, answer.code) == (400, "RequestIsNotMultiPartContent")


def v4_form(emulator: Emulator, grant: Grant) -> dict[str, str]:
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{date[:8]}/{emulator.region}/oss/aliyun_v4_request"
    policy = policy_of([{"key": grant.key}])
    key = f"aliyun_v4{grant.keys.access_key_secret}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    return {
        "key": grant.key,
        "policy": policy,
        "x-oss-signature-version": "OSS4-HMAC-SHA256",
        "x-oss-credential": f"{grant.keys.access_key_id}/{scope}",
        "x-oss-date": date,
        "x-oss-signature": hmac.new(key, policy.encode(), hashlib.sha256).hexdigest(),
        "x-oss-security-token": grant.keys.security_token,
    }


def test_forms_signed_by_v4(emulator: Emulator, grant: Grant) -> None:
    good = v4_form(emulator, grant)
    assert post(grant, good).status == 204
    assert post(grant, {**good, "x-oss-signature": "0" * 64}).code == "SignatureDoesNotMatch"
    assert post(grant, {**good, "x-oss-signature-version": "OSS5"}).code == "InvalidArgument"
    elsewhere = good["x-oss-credential"].replace(emulator.region, "cn-beijing")
    assert post(grant, {**good, "x-oss-credential": elsewhere}).code == "InvalidArgument"
    assert post(grant, {n: v for n, v in good.items() if n != "x-oss-date"}).code == "InvalidArgument"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
def test_the_reader_does_not_care_how_bytes_arrive(step: int) -> None:
    data = b"\r\n--XyZ\r\n-\r\n--Xy\r\n--" * 3 + b"\r"
    body = encoded([("Key", "k"), ("empty", "")], [("file", "f", data.replace(b"--XyZ", b"--XyY"))])
    seen: list[dict[str, str]] = []
    reader = FormReader(boundary_of("multipart/form-data; boundary=XyZ"), lambda r: seen.append(dict(r.fields)))
    out = b"".join(reader.feed(body[at : at + step]) for at in range(0, len(body), step))
    reader.close()
    assert out == data.replace(b"--XyZ", b"--XyY")
    assert seen == [{"key": "k", "empty": ""}]


def test_the_reader_says_when_the_end_is_missing() -> None:
    reader = FormReader(b"XyZ", lambda _: None)
    reader.feed(encoded([("key", "k")])[:-20])
    with pytest.raises(OssError, match="MalformedPOSTRequest"):
        reader.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "a\r\nb: c"),
        ("x-oss-meta-a", "a\0b"),
        ("x-oss-meta-a b", "c"),
        ("success_action_redirect", "http://127.0.0.1/\r\nx: y"),
    ],
)
def test_a_field_that_cannot_be_a_header_is_refused(emulator: Emulator, grant: Grant, name: str, value: str) -> None:
    answer = post(grant, {"key": grant.key, **signed(policy_of(), grant.keys), name: value})
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert oss(grant, "GET", keys=owner(emulator)).code == "NoSuchKey"
