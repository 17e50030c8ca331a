"""Signature V3, by a header: the same rules and codes as the older way."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.emulator.raw import Keys, Reply, encode, owner, send
from vod_widget.emulator import Emulator

GOOD = {"Title": "a talk + more", "FileName": "talk.mp4"}


def signed(
    emulator: Emulator,
    action: str,
    query: Mapping[str, str],
    keys: Keys,
    *,
    method: str = "POST",
    body: str = "",
    change: Mapping[str, str | None] | None = None,
    unsigned: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return the headers of a call; `change` replaces (None: removes) some before they are signed."""
    given: dict[str, str | None] = {
        "host": emulator.endpoint.removeprefix("http://"),
        "x-acs-action": action,
        "x-acs-version": "2015-04-01" if action == "GetCallerIdentity" else "2017-03-21",
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": hashlib.sha256(body.encode()).hexdigest(),
        "x-acs-security-token": keys.security_token or None,
        **(change or {}),
    }
    headers = {name: value for name, value in given.items() if value is not None}
    names = sorted(name for name in headers if name not in unsigned)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    pairs = "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(query.items()))
    payload = hashlib.sha256(body.encode()).hexdigest()
    canonical = f"{method}\n/\n{pairs}\n{lines}\n{';'.join(names)}\n{payload}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(keys.access_key_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={keys.access_key_id},SignedHeaders={';'.join(names)},Signature={signature}"
    return {**headers, "Authorization": f"ACS3-HMAC-SHA256 {credential}"}


def call(emulator: Emulator, action: str, query: Mapping[str, str] | None = None, **options: Any) -> Reply:
    query, keys = query or {}, options.pop("keys", None) or owner(emulator)
    headers = signed(emulator, action, query, keys, **options)
    body = options.get("body", "")
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    target = f"/?{urlencode(query)}" if query else "/"
    return send(emulator.endpoint, options.get("method", "POST"), target, {**headers, **form}, body or None)


def test_parameters_in_query_or_form_answered_in_json(emulator: Emulator) -> None:
    assert set(call(emulator, "CreateUploadVideo", GOOD).json) == {
        "RequestId",
        "VideoId",
        "UploadAddress",
        "UploadAuth",
    }
    assert call(emulator, "CreateUploadVideo", GOOD, method="GET").status == 200
    assert call(emulator, "CreateUploadVideo", body=urlencode(GOOD)).status == 200
    assert [asset.title for asset in emulator.assets] == [GOOD["Title"]] * 3
    assert call(emulator, "GetCallerIdentity").json["IdentityType"] == "RAMUser"
    assert call(emulator, "GetCallerIdentity", {"Format": "XML"}).xml.tag == "GetCallerIdentityResponse"
    assert call(emulator, "GetCallerIdentity", change={"accept": "application/xml"}).xml.tag.endswith("Response")


def test_everything_that_says_what_is_called_is_signed(emulator: Emulator) -> None:
    keys, body = owner(emulator), urlencode(GOOD)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    good = signed(emulator, "CreateUploadVideo", {"AppId": "app-1"}, keys, body=body)
    for headers, target, sent in (
        (good, "/?AppId=app-2", body),
        (good, "/?AppId=app-1&Tags=a", body),
        (good, "/?AppId=app-1", f"{body}&Tags=a"),
        ({**good, "x-acs-action": "CreateUploadImage"}, "/?AppId=app-1", body),
        ({**good, "x-acs-signature-nonce": "another"}, "/?AppId=app-1", body),
        ({**good, "x-acs-content-sha256": "0" * 64}, "/?AppId=app-1", body),
    ):
        refused = send(emulator.endpoint, "POST", target, {**headers, **form}, sent)
        assert (refused.status, refused.code) == (400, "SignatureDoesNotMatch")
        assert "server string to sign is:ACS3-HMAC-SHA256\n" in refused.json["Message"]
    wrong = Keys(keys.access_key_id, "wrong")
    assert call(emulator, "CreateUploadVideo", GOOD, keys=wrong).code == "SignatureDoesNotMatch"
    assert emulator.assets == []


@pytest.mark.parametrize(
    "name", ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"]
)
def test_a_signature_that_leaves_something_out_is_incomplete(emulator: Emulator, name: str) -> None:
    refused = call(emulator, "GetCallerIdentity", unsigned=(name,))
    assert (refused.status, refused.code) == (400, "IncompleteSignature")


def test_the_other_rules_are_those_of_the_older_way(emulator: Emulator) -> None:
    for change, code in (
        ({"x-acs-action": None}, "MissingAction"),
        ({"x-acs-version": None}, "MissingVersion"),
        ({"x-acs-action": "Nothing"}, "InvalidApi.NotFound"),
        ({"x-acs-date": None}, "MissingTimestamp"),
        ({"x-acs-date": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"x-acs-date": "2020-01-01T00:00:00Z"}, "InvalidTimeStamp.Expired"),
        ({"x-acs-signature-nonce": None}, "MissingSignatureNonce"),
    ):
        assert call(emulator, "GetCallerIdentity", change=change).code == code
    once = {"x-acs-signature-nonce": "n-1"}
    assert call(emulator, "GetCallerIdentity", change=once).status == 200
    assert call(emulator, "GetCallerIdentity", change=once).code == "SignatureNonceUsed"
    unreadable = send(emulator.endpoint, "POST", "/", {"Authorization": "ACS3-HMAC-SM3 x", "x-acs-action": "A"})
    assert unreadable.status == 400
    assert call(emulator, "GetCallerIdentity", keys=Keys("EMUnobody", "x")).code == "InvalidAccessKeyId.NotFound"


def test_a_token_stands_in_a_header_and_in_no_log(emulator: Emulator) -> None:
    role = {"RoleArn": emulator.role_arn, "RoleSessionName": "me"}
    made = call(emulator, "AssumeRole", role, change={"x-acs-version": "2015-04-01"}).json["Credentials"]
    keys = Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])
    assert call(emulator, "CreateUploadVideo", GOOD, keys=keys).status == 200
    bare = Keys(keys.access_key_id, keys.access_key_secret)
    assert call(emulator, "CreateUploadVideo", GOOD, keys=bare).code == "MissingSecurityToken"
    assert emulator.requests[-2].op == "CreateUploadVideo"
    assert keys.security_token not in repr(emulator.requests)
