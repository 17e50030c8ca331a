"""Object requests: who asks, and may they? Each mistake shows its own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from email.utils import formatdate
from urllib.parse import quote

import pytest

from tests.emulator.raw import Keys, Reply, create, initiate, oss, oss_sign, owner, put_part, send
from vod_widget.emulator import Emulator, Switches

DATE_TEXT = "OSS authentication requires a valid Date."


@pytest.mark.parametrize(
    ("date", "ec"),
    [
        (None, "0002-00000502"),
        ("yesterday", "0002-00000503"),
        ("2026-01-01T00:00:00Z", "0002-00000503"),
        ("Thu, 1 Jan 2026 00:00:00 GMT", "0002-00000503"),
        ("Thu, 01 Foo 2026 00:00:00 GMT", "0002-00000503"),
    ],
)
def test_date_must_be_there_and_well_formed(emulator: Emulator, date: str | None, ec: str) -> None:
    answer = oss(create(emulator), "PUT", body=b"x", headers={"Date": date})
    assert (answer.status, answer.code, answer.text("Message")) == (403, "AccessDenied", DATE_TEXT)
    assert answer.text("EC") == answer.headers["x-oss-ec"] == ec


def test_x_oss_date_may_stand_for_date(emulator: Emulator) -> None:
    headers = {"Date": None, "x-oss-date": formatdate(time.time(), usegmt=True)}
    assert oss(create(emulator), "PUT", body=b"x", headers=headers).status == 200


@pytest.mark.parametrize(("skew_s", "good"), [(890, True), (-890, True), (1000, False), (-1000, False)])
def test_clock_may_be_fifteen_minutes_off(emulator: Emulator, skew_s: float, good: bool) -> None:
    grant = create(emulator)
    emulator.clock.skew(skew_s)
    answer = oss(grant, "PUT", body=b"x")
    if good:
        assert answer.status == 200
        return
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")
    assert answer.text("MaxAllowedSkewMilliseconds") == "900000"
    server = time.strptime(answer.text("ServerTime") or "", "%Y-%m-%dT%H:%M:%S.000Z")
    assert abs(time.mktime(server) - time.timezone - time.time() - skew_s) < 60


def test_anonymous_is_refused(emulator: Emulator) -> None:
    grant = create(emulator)
    for method, query in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "?uploads"), ("GET", "?acl")):
        body = b"" if method in ("PUT", "POST") else None
        answer = send(grant.endpoint, method, f"/{grant.bucket}/{grant.key}{query}", {}, body)
        assert (answer.status, answer.code) == (403, "AccessDenied")
    assert send(grant.endpoint, "GET", f"/{grant.bucket}/", {}).status == 403


def test_rubbish_authorization_is_refused(emulator: Emulator) -> None:
    for header in ("Basic YTpi", "OSS nocolon", "OSS4-HMAC-SHA256 Credential=x"):
        answer = oss(create(emulator), "PUT", body=b"x", headers={"Authorization": header})
        assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_two_signatures_at_once_are_refused(emulator: Emulator) -> None:
    answer = oss(create(emulator), "GET", "OSSAccessKeyId=a&Expires=1&Signature=x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_unknown_key(emulator: Emulator) -> None:
    answer = oss(create(emulator), "PUT", body=b"x", keys=Keys("EMUnobody", "secret"))
    assert (answer.status, answer.code) == (403, "InvalidAccessKeyId")
    assert answer.text("OSSAccessKeyId") == "EMUnobody"


def test_sts_key_without_token(emulator: Emulator) -> None:
    grant = create(emulator)
    keys = Keys(grant.keys.access_key_id, grant.keys.access_key_secret)
    answer = oss(grant, "PUT", body=b"x", keys=keys)
    assert (answer.status, answer.code, answer.text("EC")) == (403, "InvalidAccessKeyId", "0002-00000003")


def test_sts_key_with_a_foreign_or_broken_token(emulator: Emulator) -> None:
    grant, other = create(emulator), create(emulator)
    for token, ec in ((other.keys.security_token, "0002-00000008"), ("CAISx", "0002-00000006")):
        keys = Keys(grant.keys.access_key_id, grant.keys.access_key_secret, token)
        answer = oss(grant, "PUT", body=b"x", keys=keys)
        assert (answer.status, answer.code, answer.text("EC")) == (403, "InvalidSecurityToken", ec)


def test_expired_token(emulator: Emulator) -> None:
    grant = create(emulator)
    emulator.clock.advance(2999)
    assert oss(grant, "PUT", body=b"x").status == 200
    emulator.clock.advance(2)
    answer = oss(grant, "PUT", body=b"x")
    assert (answer.status, answer.code) == (403, "SecurityTokenExpired")
    assert answer.text("Message") == "The security token you provided has expired."
    assert answer.text("EC") == "0002-00000007"


def test_vanished_key_is_the_other_answer_to_an_expired_token() -> None:
    with Emulator(switches=Switches(expired_answer="InvalidAccessKeyId"), upload_auth_ttl_s=10) as emulator:
        grant = create(emulator)
        emulator.clock.advance(11)
        answer = oss(grant, "PUT", body=b"x")
        assert (answer.status, answer.code, answer.text("EC")) == (403, "InvalidAccessKeyId", "0002-00000002")


def test_expiry_is_told_before_a_bad_signature(emulator: Emulator) -> None:
    grant = create(emulator)
    emulator.clock.advance(3001)
    bad = Keys(grant.keys.access_key_id, "wrong", grant.keys.security_token)
    assert oss(grant, "PUT", body=b"x", keys=bad).code == "SecurityTokenExpired"


def test_each_mistake_is_told_before_the_next(emulator: Emulator) -> None:
    grant, other = create(emulator), create(emulator)
    known, secret, token = grant.keys.access_key_id, grant.keys.access_key_secret, grant.keys.security_token

    def told(key_id: str, secret: str, token: str) -> str | None:
        """The code for another object than the credential's: all that is wrong with rights is there, too."""
        return oss(grant, "PUT", body=b"x", key=other.key, keys=Keys(key_id, secret, token)).code

    assert told("EMUnobody", "wrong", "CAISx") == "InvalidAccessKeyId"
    assert told(known, "wrong", "") == "InvalidAccessKeyId"
    assert told(known, "wrong", token) == "SignatureDoesNotMatch"
    assert told(known, secret, token) == "AccessDenied"
    emulator.clock.advance(3001)
    assert told(known, "wrong", other.keys.security_token) == "InvalidSecurityToken"
    assert told(known, "wrong", token) == "SecurityTokenExpired"
    emulator.clock.skew(1000)
    assert told("EMUnobody", "wrong", "CAISx") == "RequestTimeTooSkewed"


def test_token_that_expires_in_the_middle_of_an_upload(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    assert put_part(grant, upload_id, 1, b"a").status == 200
    emulator.clock.advance(3001)
    assert put_part(grant, upload_id, 2, b"b").code == "SecurityTokenExpired"


def test_wrong_secret_shows_the_servers_string_to_sign(emulator: Emulator) -> None:
    grant = create(emulator)
    bad = Keys(grant.keys.access_key_id, "wrong", grant.keys.security_token)
    answer = oss(grant, "PUT", body=b"x", keys=bad)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    text = answer.text("StringToSign") or ""
    assert text.startswith("PUT\n\n\n")
    assert text.endswith(f"/{grant.bucket}/{grant.key}")
    assert bytes.fromhex(answer.text("StringToSignBytes") or "") == text.encode()
    assert answer.text("OSSAccessKeyId") == grant.keys.access_key_id
    assert grant.keys.access_key_secret.encode() not in answer.body


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("PUT", ""),
        ("GET", ""),
        ("HEAD", ""),
        ("POST", "uploads"),
        ("PUT", "partNumber=1&uploadId=U"),
        ("GET", "uploadId=U"),
        ("POST", "uploadId=U"),
        ("DELETE", "uploadId=U"),
    ],
)
def test_a_token_opens_its_own_object_only(emulator: Emulator, method: str, query: str) -> None:
    mine, other = create(emulator), create(emulator)
    answer = oss(mine, method, query, b"" if method in ("PUT", "POST") else None, key=other.key)
    assert answer.status == 403
    if method == "HEAD":
        assert answer.headers["x-oss-ec"] == "0003-00000301"
    else:
        assert (answer.code, answer.text("EC")) == ("AccessDenied", "0003-00000301")


def test_a_token_may_not_delete_nor_list_uploads(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"x")
    assert oss(grant, "DELETE").code == "AccessDenied"
    assert oss(grant, "GET", "uploads", key="").code == "AccessDenied"
    assert emulator.object_path(grant.media_id).read_bytes() == b"x"


def test_rights_of_a_token_are_switches() -> None:
    switches = Switches(
        upload_token_may_head=False, upload_token_may_list_parts=False, upload_token_may_list_uploads=True
    )
    with Emulator(switches=switches) as emulator:
        grant = create(emulator)
        upload_id = initiate(grant)
        assert oss(grant, "HEAD").status == 403
        assert oss(grant, "GET", f"uploadId={upload_id}").code == "AccessDenied"
        assert oss(grant, "GET", "uploads", key="").status == 200


def test_the_owner_may_list_and_delete(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"x")
    keys = owner(emulator)
    assert oss(grant, "DELETE", keys=keys).status == 204
    assert oss(grant, "DELETE", keys=keys).status == 204
    assert oss(grant, "HEAD", keys=keys).status == 404
    assert oss(grant, "GET", "uploads", key="", keys=keys).status == 200


def test_unknown_bucket_and_bad_names(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    assert oss(grant, "GET", bucket="outin-nobody", keys=keys).code == "NoSuchBucket"
    for bad in ("UPPER", "ab", "a" * 64, "-ab", "ab-", "a_b"):
        assert oss(grant, "GET", bucket=bad, keys=keys).code == "InvalidBucketName"
    assert oss(grant, "GET", key="k" * 1024, keys=keys).code == "InvalidObjectName"
    assert oss(grant, "GET", key="\\k", keys=keys).code == "InvalidObjectName"


def test_unknown_operations_are_not_implemented(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    for method, query in (("GET", "userDefinedLogFieldsConfig"), ("PUT", "metaQuery"), ("PUT", "policy&comp=other")):
        assert oss(grant, method, query, key="", keys=keys).code == "NotImplemented"


@pytest.mark.parametrize("key", ["a b+c%d&e?f=g#h", "dir//x", "世界/ü.mp4", "..", "a/../b", "%2e%2e/%2f"])
def test_keys_are_signed_and_stored_as_they_are(emulator: Emulator, key: str) -> None:
    grant, keys = create(emulator), owner(emulator)
    assert oss(grant, "PUT", body=key.encode(), key=key, keys=keys).status == 200
    assert oss(grant, "GET", key=key, keys=keys).body == key.encode()
    inside = emulator.data_dir / "blobs"
    outside = {p.name for p in emulator.data_dir.rglob("*") if p.is_file() and p.parent != inside}
    assert {name.partition(".")[0] for name in outside} == {"state"}


def test_a_plus_in_a_path_is_a_plus(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    assert oss(grant, "PUT", body=b"x", key="a+b", keys=keys).status == 200
    assert send(emulator.endpoint, "GET", v1_url(emulator, f"/{grant.bucket}/a+b", 60), {}).body == b"x"


# --- signed URLs -------------------------------------------------------------------------


def v1_url(emulator: Emulator, target: str, expires_s: float, method: str = "GET") -> str:
    keys = owner(emulator)
    expires = str(int(time.time() + expires_s))
    signature = oss_sign(method, target, "", {}, keys.access_key_secret, expires)
    return f"{target}?Signature={quote(signature, safe='')}&OSSAccessKeyId={keys.access_key_id}&Expires={expires}"


def test_v1_url_in_any_order_until_it_expires(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"bytes")
    url = v1_url(emulator, f"/{grant.bucket}/{grant.key}", 60)
    assert send(emulator.endpoint, "GET", url, {}).body == b"bytes"
    assert send(emulator.endpoint, "HEAD", url, {}).status == 403
    emulator.clock.advance(100)
    assert send(emulator.endpoint, "GET", url, {}).text("Message") == "Request has expired."


def test_v1_url_needs_all_three_and_a_number(emulator: Emulator) -> None:
    grant = create(emulator)
    path = f"/{grant.bucket}/{grant.key}"
    some = send(emulator.endpoint, "GET", f"{path}?Expires=1&Signature=x", {})
    assert (some.status, some.code) == (403, "AccessDenied")
    assert (some.text("Message") or "").startswith("Query-string authentication requires")
    word = send(emulator.endpoint, "GET", f"{path}?Expires=soon&Signature=x&OSSAccessKeyId=y", {})
    assert word.text("Message") == "Invalid date (should be seconds since epoch)."


# --- V4 ----------------------------------------------------------------------------------


def v4(secret: str, scope: str, method: str, path: str, query: str, headers: dict[str, str], date: str) -> str:
    names = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()))
    canonical = f"{method}\n{path}\n{query}\n{names}\n\nUNSIGNED-PAYLOAD"
    text = f"OSS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{secret}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("region", "day", "payload", "status", "code"),
    [
        ("cn-shanghai", "", "UNSIGNED-PAYLOAD", 200, None),
        ("cn-hangzhou", "", "UNSIGNED-PAYLOAD", 400, "InvalidArgument"),
        ("oss-cn-shanghai", "", "UNSIGNED-PAYLOAD", 400, "InvalidArgument"),
        ("cn-shanghai", "20200101", "UNSIGNED-PAYLOAD", 400, "InvalidArgument"),
        ("cn-shanghai", "", "abc", 400, "InvalidArgument"),
    ],
)
def test_v4_header(emulator: Emulator, region: str, day: str, payload: str, status: int, code: str | None) -> None:
    grant = create(emulator)
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{day or date[:8]}/{region}/oss/aliyun_v4_request"
    headers = {
        "x-oss-date": date,
        "x-oss-content-sha256": payload,
        "x-oss-security-token": grant.keys.security_token,
    }
    path = f"/{grant.bucket}/{quote(grant.key)}"
    signature = v4(grant.keys.access_key_secret, scope, "PUT", path, "", headers, date)
    credential = f"{grant.keys.access_key_id}/{scope}"
    headers["Authorization"] = f"OSS4-HMAC-SHA256 Credential={credential}, Signature={signature}"
    answer = send(emulator.endpoint, "PUT", path, headers, b"x")
    assert (answer.status, answer.code if answer.body else None) == (status, code)
    headers["Authorization"] = f"OSS4-HMAC-SHA256 Credential={credential}, Signature={'0' * 64}"
    wrong = send(emulator.endpoint, "PUT", path, headers, b"x")
    assert wrong.code == (code or "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("expires", "advance_s", "status", "code"),
    [("60", 0, 200, None), ("60", 100, 403, "AccessDenied"), ("604801", 0, 400, "InvalidArgument")],
)
def test_v4_url(emulator: Emulator, expires: str, advance_s: float, status: int, code: str | None) -> None:
    grant, keys = create(emulator), owner(emulator)
    oss(grant, "PUT", body=b"bytes")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{date[:8]}/cn-shanghai/oss/aliyun_v4_request"
    pairs = {
        "x-oss-credential": f"{keys.access_key_id}/{scope}",
        "x-oss-date": date,
        "x-oss-expires": expires,
        "x-oss-signature-version": "OSS4-HMAC-SHA256",
    }
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in sorted(pairs.items()))
    path = f"/{grant.bucket}/{quote(grant.key)}"
    signature = v4(keys.access_key_secret, scope, "GET", path, query, {}, date)
    emulator.clock.advance(advance_s)
    answer = send(emulator.endpoint, "GET", f"{path}?{query}&x-oss-signature={signature}", {})
    assert (answer.status, None if status == 200 else answer.code) == (status, code)


def signed_v4_url(emulator: Emulator, path: str, **change: str) -> str:
    """A signed address whose parts are changed (empty: left out) before they are signed."""
    keys = owner(emulator)
    date = change.get("date") or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{date[:8]}/cn-shanghai/oss/aliyun_v4_request"
    pairs = {
        "x-oss-credential": f"{keys.access_key_id}/{scope}",
        "x-oss-date": date,
        "x-oss-expires": change.get("expires", "60"),
        "x-oss-signature-version": change.get("version", "OSS4-HMAC-SHA256"),
    }
    pairs = {name: value for name, value in pairs.items() if name != change.get("without")}
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in sorted(pairs.items()))
    return f"{path}?{query}&x-oss-signature={v4(keys.access_key_secret, scope, 'GET', path, query, {}, date)}"


def test_v4_urls_have_bounds(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"bytes")
    path = f"/{grant.bucket}/{quote(grant.key)}"
    soon = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 800))
    # An address that lives for a second begins soon: one of now could be over before it arrives.
    for good in ({"expires": "1", "date": soon}, {"expires": "604800"}, {"date": soon}):
        assert send(emulator.endpoint, "GET", signed_v4_url(emulator, path, **good), {}).body == b"bytes"
    later = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 1000))
    for bad, code in (
        ({"expires": "0"}, "InvalidArgument"),
        ({"expires": "604801"}, "InvalidArgument"),
        ({"expires": "soon"}, "InvalidArgument"),
        ({"version": "OSS3"}, "InvalidArgument"),
        ({"version": "OSS2"}, "AccessDenied"),
        ({"without": "x-oss-credential"}, "InvalidArgument"),
        ({"without": "x-oss-date"}, "InvalidArgument"),
        ({"without": "x-oss-expires"}, "InvalidArgument"),
        ({"without": "x-oss-signature-version"}, "InvalidArgument"),
        ({"date": "20260101"}, "AccessDenied"),
        ({"date": later}, "RequestTimeTooSkewed"),
    ):
        assert send(emulator.endpoint, "GET", signed_v4_url(emulator, path, **bad), {}).code == code, bad


def test_the_end_of_a_url_is_told_before_its_signature(emulator: Emulator) -> None:
    path = f"/{emulator.bucket}/nothing"
    late = [v1_url(emulator, path, -1), signed_v4_url(emulator, path)]
    emulator.clock.advance(61)
    for url in late:
        answer = send(emulator.endpoint, "GET", f"{url}&acl", {})  # which changes what is signed
        assert (answer.status, answer.text("Message")) == (403, "Request has expired.")


def v4_headers(emulator: Emulator, path: str, date: str, **more: str) -> dict[str, str]:
    keys = owner(emulator)
    scope = f"{date[:8]}/cn-shanghai/oss/aliyun_v4_request"
    headers = {"x-oss-date": date, "x-oss-content-sha256": "UNSIGNED-PAYLOAD"}
    extra = ";".join(sorted(more))
    names = "".join(f"{k}:{v}\n" for k, v in sorted({**headers, **more}.items()))
    canonical = f"PUT\n{path}\n\n{names}\n{extra}\nUNSIGNED-PAYLOAD"
    text = f"OSS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"aliyun_v4{keys.access_key_secret}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    named = f",AdditionalHeaders={extra}" if extra else ""
    credential = f"OSS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}{named},Signature={signature}"
    return {**headers, **more, "Authorization": credential}


def test_v4_signs_the_headers_that_it_names(emulator: Emulator) -> None:
    path = f"/{emulator.bucket}/key"
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = v4_headers(emulator, path, date, abc="value", zabc="other")
    assert send(emulator.endpoint, "PUT", path, headers, b"x").status == 200
    changed = send(emulator.endpoint, "PUT", path, {**headers, "abc": "another"}, b"x")
    assert (changed.status, changed.code) == (403, "SignatureDoesNotMatch")
    plain = v4_headers(emulator, path, date)
    assert send(emulator.endpoint, "PUT", path, {**plain, "abc": "of no matter"}, b"x").status == 200


def test_v4_header_wants_a_date_of_now(emulator: Emulator) -> None:
    path = f"/{emulator.bucket}/key"
    for seconds, code in ((800, None), (-800, None), (1000, "RequestTimeTooSkewed"), (-1000, "RequestTimeTooSkewed")):
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))
        answer = send(emulator.endpoint, "PUT", path, v4_headers(emulator, path, date), b"x")
        assert (answer.code if answer.body else None) == code
    for date, ec in (
        ("2026101T000000Z", "0002-00000503"),
        ("2026-01-01", "0002-00000503"),
        ("20261301T000000Z", "0002-00000503"),
        ("", "0002-00000502"),
    ):
        answer = send(emulator.endpoint, "PUT", path, v4_headers(emulator, path, date), b"x")
        assert (answer.status, answer.text("Message"), answer.text("EC")) == (403, DATE_TEXT, ec)


def v2_text(method: str, resource: str, date: str, headers: dict[str, str], names: str, query: str = "") -> str:
    signed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return f"{method}\n\n\n{date}\n{signed}{names}\n{quote(resource, safe='')}{query}"


def v2_sign(text: str, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def test_v2_header(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    path = f"/{grant.bucket}/{grant.key}"

    def ask(date: str, names: str = "range", sent: str = "bytes=0-1", query: str = "") -> Reply:
        text = v2_text("GET", path, date, {"x-oss-a": "1", "range": "bytes=0-1"}, names)
        value = f"OSS2 AccessKeyId:{keys.access_key_id},AdditionalHeaders:{names},"
        headers = {"Date": date, "x-oss-a": "1", "Range": sent}
        headers["Authorization"] = f"{value}Signature:{v2_sign(text, keys.access_key_secret)}"
        return send(emulator.endpoint, "GET", path + query, headers)

    oss(grant, "PUT", body=b"bytes")
    now = formatdate(time.time(), usegmt=True)
    assert ask(now).body == b"by"
    assert ask(now, sent="bytes=0-2").code == "SignatureDoesNotMatch", "a header that is named is signed"
    assert ask(now, query="?a").code == "SignatureDoesNotMatch", "and so is the whole query"
    assert ask(formatdate(time.time() - 1000, usegmt=True)).code == "RequestTimeTooSkewed"
    assert ask("now").code == "AccessDenied"
    headers = {"Authorization": "OSS2 AccessKeyId:a", "Date": now}
    assert send(emulator.endpoint, "GET", path, headers).code == "InvalidArgument"


def test_v2_url(emulator: Emulator) -> None:
    grant, keys = create(emulator), owner(emulator)
    oss(grant, "PUT", body=b"bytes")
    path = f"/{grant.bucket}/{grant.key}"

    def ask(expires: str, secret: str = keys.access_key_secret, without: str = "") -> Reply:
        pairs = {
            "x-oss-access-key-id": keys.access_key_id,
            "x-oss-expires": expires,
            "x-oss-signature-version": "OSS2",
        }
        tail = "&".join(f"{name}={value}" for name, value in pairs.items())
        pairs["x-oss-signature"] = v2_sign(v2_text("GET", path, expires, {}, "", f"?{tail}"), secret)
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items() if name != without)
        return send(emulator.endpoint, "GET", f"{path}?{query}", {})

    soon = str(int(time.time()) + 60)
    assert ask(soon).body == b"bytes"
    assert ask(soon, "wrong").code == "SignatureDoesNotMatch"
    for bad in ("soon", str(int(time.time()) - 1)):
        assert ask(bad).code == "AccessDenied"
    for name in ("x-oss-access-key-id", "x-oss-expires", "x-oss-signature"):
        assert ask(soon, without=name).code == "AccessDenied"
