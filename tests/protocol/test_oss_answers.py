"""What each answer of the storage means: the error map, and answers that are no answers."""

from __future__ import annotations

import base64
import email.utils
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.helpers.raw_server import Peer, RawServer, answering
from tests.protocol.support import Bytes, WallClock, address, upload_auth
from vod_widget import errors
from vod_widget.model import Credentials, Part, RemotePart, UploadAuth
from vod_widget.oss import OssStore

FAULT_KIND = "L"


@pytest.fixture
def ask():
    """Return a function: one call of a session against one scripted answer."""
    stores: list[OssStore] = []

    def run(call, *answers, clock=None, auth=None):
        store = OssStore(clock or WallClock(), pool_size=1, read_timeout_s=10.0)
        stores.append(store)
        with RawServer(answering(*answers)) as server:
            return call(store.open(auth or upload_auth(), address(server.endpoint)))

    run.stores = stores
    yield run
    for store in stores:
        store.close()


def error_xml(code: str, message: str = "no", **extra: str) -> bytes:
    more = "".join(f"<{k}>{v}</{k}>" for k, v in extra.items())
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


def upload_part(session):
    return session.upload_part("U" * 32, 1, Bytes(b"x" * 100))


def complete(session):
    return session.complete("U" * 32, (Part(1, 0, 100, "AB", 5),), {})


# status, code of the storage, our class, our code
REFUSALS = [
    (403, "SecurityTokenExpired", errors.AuthExpiredError, "SecurityTokenExpired"),
    (403, "InvalidAccessKeyId", errors.AuthExpiredError, "InvalidAccessKeyId"),
    (403, "InvalidSecurityToken", errors.KeysRefusedError, "InvalidSecurityToken"),
    (403, "AccessDenied", errors.AccessDeniedError, "AccessDenied"),
    (403, "SignatureDoesNotMatch", errors.KeysRefusedError, "SignatureDoesNotMatch"),
    (403, "SomethingNew", errors.AccessDeniedError, "SomethingNew"),
    (403, "RequestTimeTooSkewed", errors.ClockSkewError, "RequestTimeTooSkewed"),
    (404, "NoSuchUpload", errors.NoSuchUploadError, "NoSuchUpload"),
    (404, "NoSuchKey", errors.NotFoundError, "NoSuchKey"),
    (404, "NoSuchBucket", errors.NotFoundError, "Bucket"),
    (400, "InvalidPart", errors.RequestRefusedError, "Parts"),
    (400, "InvalidPartOrder", errors.RequestRefusedError, "Parts"),
    (400, "EntityTooSmall", errors.RequestRefusedError, "Parts"),
    (400, "InvalidArgument", errors.RequestRefusedError, "InvalidArgument"),
    (409, "FileAlreadyExists", errors.RequestRefusedError, "FileAlreadyExists"),
    (400, "InvalidDigest", errors.IntegrityError, "InvalidDigest"),
    (400, "InvalidCRC64", errors.IntegrityError, "InvalidCRC64"),
    (400, "BadDigest", errors.IntegrityError, "BadDigest"),
    (400, "IncompleteBody", errors.ConnectionLostError, "IncompleteBody"),
    (400, "RequestTimeout", errors.RequestTimeoutError, "RequestTimeout"),
    (408, "Whatever", errors.RequestTimeoutError, "Whatever"),
    (429, "TooMany", errors.ThrottledError, "TooMany"),
    (503, "UploadTrafficRateLimitExceeded", errors.ThrottledError, "UploadTrafficRateLimitExceeded"),
    (503, "TotalQpsLimitExceeded", errors.ThrottledError, "TotalQpsLimitExceeded"),
    (500, "InternalError", errors.ServerFaultError, "InternalError"),
    (503, "ServiceUnavailable", errors.ServerFaultError, "ServiceUnavailable"),
]


@pytest.mark.parametrize(("status", "code", "kind", "ours"), REFUSALS, ids=[r[1] for r in REFUSALS])
def test_each_code_of_the_storage_has_its_error(ask, status, code, kind, ours):
    with pytest.raises(errors.VODError) as caught:
        ask(upload_part, (status, error_xml(code, "the reason"), {"x-oss-request-id": "REQ1"}))
    assert type(caught.value) is kind
    assert caught.value.code == ours
    assert "the reason" in caught.value.message
    if isinstance(caught.value, errors.ServiceError):
        assert (caught.value.status, caught.value.request_id) == (status, "REQ1")
    if isinstance(caught.value, errors.TransportError):
        assert caught.value.was_sent is (code != "IncompleteBody")  # it had half of the body, so nothing happened


def test_an_unknown_long_lived_key_is_refused_and_not_refreshed(ask):
    auth = UploadAuth(Credentials("EMUlonglivedkey", "secretsecret"), 9e9, 0.0)
    with pytest.raises(errors.AccessDeniedError):
        ask(upload_part, (403, error_xml("InvalidAccessKeyId"), {}), auth=auth)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_page_of_a_gateway_is_a_fault_of_the_server(ask, status):
    with pytest.raises(errors.ServerFaultError):
        ask(upload_part, (status, b"<!DOCTYPE html><html>bad gateway</html>", {"Content-Type": "text/html"}))


def test_a_page_of_a_proxy_is_not_taken_for_a_refusal_of_the_storage(ask):
    with pytest.raises(errors.UnexpectedAnswerError) as caught:
        ask(upload_part, (403, b"<html>blocked by policy</html>", {}))
    assert caught.value.status == 403


def test_a_captive_portal_is_not_taken_for_success(ask):
    page = (200, b"<html>please log in</html>", {"Content-Type": "text/html"})
    for call in (upload_part, complete, lambda s: s.init_multipart({}), lambda s: s.list_parts("U")):
        with pytest.raises(errors.UnexpectedAnswerError):
            ask(call, page)


def test_retry_after_is_read_as_seconds_and_as_a_date(ask):
    clock = WallClock()
    late = email.utils.formatdate(clock.now_s() + 100, usegmt=True)
    for value, low, high in (("7", 7, 7), (late, 95, 101), ("soon", None, None), ("-3", None, None)):
        with pytest.raises(errors.ServerFaultError) as caught:
            ask(upload_part, (503, b"", {"Retry-After": value}))
        wait = caught.value.retry_after_s
        assert wait is None if low is None else low <= wait <= high


@pytest.mark.parametrize("fraction", [".000Z", "Z"])
def test_skew_is_learned_from_server_time_and_signed_with_next(ask, fraction):
    clock = WallClock(error_s=-86_400)
    real = clock.now_s() + 86_400
    stamp = email.utils.formatdate(real, usegmt=True)
    iso = email.utils.parsedate_to_datetime(stamp).strftime(f"%Y-%m-%dT%H:%M:%S{fraction}")
    xml = error_xml("RequestTimeTooSkewed", ServerTime=iso)
    with pytest.raises(errors.ClockSkewError) as caught:
        ask(upload_part, (403, xml, {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}), clock=clock)
    assert caught.value.server_time_s == pytest.approx(real, abs=60)
    store = ask.stores[-1]
    assert store.clock_offset_s == pytest.approx(86_400, abs=60)
    with RawServer(answering((200, b"", {"ETag": '"A"'}))) as server:
        upload_part(store.open(upload_auth(), address(server.endpoint)))
    signed = email.utils.parsedate_to_datetime(server.requests[0].headers["date"]).timestamp()
    assert signed == pytest.approx(real, abs=60)


def test_skew_without_server_time_is_learned_from_the_date_header(ask):
    clock = WallClock(error_s=3600)
    stamp = email.utils.formatdate(clock.now_s() - 3600, usegmt=True)
    with pytest.raises(errors.ClockSkewError):
        ask(upload_part, (403, error_xml("RequestTimeTooSkewed"), {"Date": stamp}), clock=clock)
    assert ask.stores[-1].clock_offset_s == pytest.approx(-3600, abs=60)


def test_a_long_error_text_is_read_to_its_end(ask):
    # oss2 cuts at 4,096 bytes and then knows no code at all.
    xml = error_xml("SecurityTokenExpired", StringToSignBytes="41 " * 3000)
    with pytest.raises(errors.AuthExpiredError):
        ask(upload_part, (403, xml, {}))


def test_an_error_text_is_shortened_and_freed_of_control_characters(ask):
    with pytest.raises(errors.AccessDeniedError) as caught:
        ask(upload_part, (403, error_xml("AccessDenied", "line\nline &#x202E;" + "x" * 5000), {}))
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()


# --- success that is none


def test_a_part_without_etag_is_not_stored(ask):
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(upload_part, (200, b"", {}))


def test_a_part_without_crc_says_so(ask):
    assert ask(upload_part, (200, b"", {"ETag": '"AA"'})) == RemotePart(1, 100, "AA", None)


def test_callback_failed_is_not_success(ask):
    body = error_xml("CallbackFailed", "Error status : 502.")
    for call in (complete, lambda s: s.put_object(Bytes(b"x"), {})):
        with pytest.raises(errors.UnexpectedAnswerError) as caught:
            ask(call, (203, body, {"ETag": '"A"'}))
        assert (caught.value.code, caught.value.status) == ("CallbackFailed", 203)


COMPLETED = b'<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>"AB-1"</ETag></CompleteMultipartUploadResult>'


def test_complete_reads_the_etag_and_the_crc(ask):
    info = ask(complete, (200, COMPLETED, {"x-oss-hash-crc64ecma": "42", "x-oss-request-id": "R"}))
    assert (info.etag, info.crc64, info.request_id) == ("AB-1", 42, "R")


@pytest.mark.parametrize(
    "body",
    [b"", COMPLETED[:60], b"\xff\xfe garbage", b"{}", b"<Other/>", b"<CompleteMultipartUploadResult/>"],
    ids=["empty", "cut", "garbage", "json", "other", "no etag"],
)
def test_complete_without_a_whole_result_is_doubtful(ask, body):
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(complete, (200, body, {}))


def test_an_error_inside_a_200_is_raised_with_its_code(ask):
    with pytest.raises(errors.UnexpectedAnswerError) as caught:
        ask(complete, (200, error_xml("InternalError", "try again"), {"ETag": '"A"'}))
    assert (caught.value.code, "try again" in caught.value.message) == ("InternalError", True)


BOMB = (
    b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<InitiateMultipartUploadResult><UploadId>&b;</UploadId></InitiateMultipartUploadResult>"
)


@pytest.mark.parametrize("body", [BOMB, BOMB.decode().encode("utf-16")], ids=["utf-8", "utf-16"])
def test_f27_document_type_is_refused_before_any_entity_is_read(ask, body, monkeypatch):
    import oss2.xml_utils

    seen: list[bytes] = []
    parse = oss2.xml_utils.ElementTree.fromstring
    monkeypatch.setattr(oss2.xml_utils.ElementTree, "fromstring", lambda text: (seen.append(text), parse(text))[1])
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.init_multipart({}), (200, body, {}))
    assert seen == [b""]  # the vendor's parser never saw it


@pytest.mark.parametrize("upload_id", ["", "   "])
def test_an_empty_upload_id_is_not_an_upload_id(ask, upload_id):
    body = f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.init_multipart({}), (200, body.encode(), {}))


# --- lists


def page(numbers: range, following: str | None, crc: bool = True) -> tuple[int, bytes, dict[str, str]]:
    parts = "".join(
        f'<Part><PartNumber>{n}</PartNumber><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>"E{n}"</ETag>'
        + (f"<HashCrc64ecma>{n * 7}</HashCrc64ecma>" if crc else "")
        + f"<Size>{n}</Size></Part>"
        for n in numbers
    )
    more = "true" if following is not None else "false"
    text = (
        f"<ListPartsResult><NextPartNumberMarker>{following or ''}</NextPartNumberMarker>"
        f"<IsTruncated>{more}</IsTruncated>{parts}</ListPartsResult>"
    )
    return 200, text.encode(), {}


def test_a_page_is_read_with_its_crcs_and_the_place_of_the_next(ask):
    full = ask(lambda s: s.list_parts("U"), page(range(1, 1001), "1000"))
    assert [p.part_number for p in full.parts] == list(range(1, 1001))
    assert full.parts[999] == RemotePart(1000, 1000, "E1000", 7_000)
    assert full.following == 1000
    assert ask(lambda s: s.list_parts("U"), page(range(1, 4), None)).following is None


def test_the_next_page_is_asked_for_by_its_marker():
    store = OssStore(WallClock(), pool_size=1)
    with RawServer(answering(page(range(1, 3), "2"), page(range(3, 4), None))) as server:
        session = store.open(upload_auth(), address(server.endpoint))
        session.list_parts("U1")
        session.list_parts("U1", 2)
    store.close()
    assert "part-number-marker=" not in server.requests[0].target.replace("part-number-marker=&", "&")
    assert "max-parts=1000" in server.requests[0].target
    assert "part-number-marker=2" in server.requests[1].target


def test_a_part_listed_without_crc_has_none(ask):
    assert ask(lambda s: s.list_parts("U"), page(range(1, 2), None, crc=False)).parts[0].crc64 is None


@pytest.mark.parametrize("marker", ["", "x"])
def test_a_listing_whose_next_page_cannot_be_found_is_refused(ask, marker):
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.list_parts("U"), page(range(1, 2), marker))


@pytest.mark.parametrize("encoding", ["", "<EncodingType>url</EncodingType>"])
def test_uploads_of_this_very_object_are_listed_and_not_those_of_longer_names(ask, encoding):
    keys = {"U1": "sv/one/two.mp4", "U2": "sv/one/two.mp4.bak", "U3": "sv%2Fone%2Ftwo.mp4"}
    uploads = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId><Initiated>2026-11-22T00:00:00.000Z</Initiated></Upload>"
        for name, key in keys.items()
    )
    body = (
        f"<ListMultipartUploadsResult>{encoding}<Bucket>outin-bucket</Bucket><NextKeyMarker></NextKeyMarker>"
        f"<NextUploadIdMarker></NextUploadIdMarker><IsTruncated>false</IsTruncated>{uploads}"
        "</ListMultipartUploadsResult>"
    )
    assert ask(lambda s: s.list_uploads(), (200, body.encode(), {})) == (("U1", "U3") if encoding else ("U1",))
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.list_uploads(), (200, b"<html/>", {}))


@pytest.mark.parametrize("damage", [b"<Size>", b"<PartNumber>", b"<IsTruncated>"])
def test_a_damaged_listing_is_refused(ask, damage):
    status, body, headers = page(range(1, 4), None)
    broken = body.replace(damage, damage + b"z", 1)
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.list_parts("U"), (status, broken, headers))


# --- head and abort


def test_head_reads_length_etag_and_crc(ask):
    def script(session):
        return session.head()

    info = ask(script, (200, b"", {"ETag": '"E"', "x-oss-hash-crc64ecma": "9", "Content-Length": "12345"}))
    assert (info.size_bytes, info.etag, info.crc64) == (12345, "E", 9)


def head_error(code: str) -> dict[str, str]:
    return {"x-oss-err": base64.b64encode(error_xml(code)).decode()}


def test_head_of_a_missing_object_is_none_with_and_without_a_code(ask):
    assert ask(lambda s: s.head(), (404, b"", {})) is None
    assert ask(lambda s: s.head(), (404, b"", head_error("NoSuchKey"))) is None


def test_head_of_a_missing_bucket_is_an_error(ask):
    with pytest.raises(errors.NotFoundError) as caught:
        ask(lambda s: s.head(), (404, b"", head_error("NoSuchBucket")))
    assert caught.value.code == "Bucket"


def test_a_refused_head_tells_expiry_by_its_header_alone(ask):
    with pytest.raises(errors.AuthExpiredError):
        ask(lambda s: s.head(), (403, b"", {"x-oss-ec": "0002-00000007"}))
    with pytest.raises(errors.AuthExpiredError):
        ask(lambda s: s.head(), (403, b"", head_error("SecurityTokenExpired")))
    with pytest.raises(errors.AccessDeniedError):
        ask(lambda s: s.head(), (403, b"", {"x-oss-err": "!!not base64!!"}))


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", error_xml("InternalError")])
def test_abort_believes_no_other_success_than_its_own(ask, body):
    with pytest.raises(errors.UnexpectedAnswerError):
        ask(lambda s: s.abort("U"), (200, body, {}))


def test_abort_is_content_with_an_upload_that_is_gone(ask):
    assert ask(lambda s: s.abort("U"), (204, b"", {})) is None
    assert ask(lambda s: s.abort("U"), (404, error_xml("NoSuchUpload"), {})) is None
    with pytest.raises(errors.NotFoundError):
        ask(lambda s: s.abort("U"), (404, error_xml("NoSuchBucket"), {}))


def test_f73_complete_has_more_time_than_other_calls():
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.server.released.wait(0.4)
        peer.answer(200, COMPLETED)

    store = OssStore(WallClock(), pool_size=1, read_timeout_s=0.2)
    with RawServer(script) as server:
        assert complete(store.open(upload_auth(), address(server.endpoint))).etag == "AB-1"
    store.close()


def test_time_for_sending_is_that_of_the_length_of_the_body():
    asked: list[int] = []
    store = OssStore(WallClock(), pool_size=1, send_deadline_s=lambda length: asked.append(length) or 60.0)
    with RawServer(answering((200, b"", {"ETag": '"A"'}))) as server:
        session = store.open(upload_auth(), address(server.endpoint))
        session.upload_part("U", 1, Bytes(b"x" * 1234))
        session.head()
    store.close()
    assert asked == [1234, 0]


def test_signed_url_of_a_part_lives_by_the_clock_of_the_storage():
    store = OssStore(WallClock(), pool_size=1, read_timeout_s=1)
    session = store.open(upload_auth(), address("https://oss-cn-shanghai.aliyuncs.com"))

    def ends_at_s() -> int:
        query = parse_qs(urlsplit(session.signed_part_url("U", 1, 600).reveal()).query)
        return int(query["Expires"][0])

    before_s = ends_at_s()
    store.clock_offset_s = 86_400.4
    assert ends_at_s() - before_s == pytest.approx(86_400, abs=60)
    store.close()
