"""Buckets, listings, batch delete, CORS rules and appended objects, mostly through oss2."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

import oss2
import pytest
from oss2.models import BucketCors, CorsRule

from tests.emulator.raw import Grant, Reply, create, info, initiate, oss, owner, send
from vod_widget.emulator import Emulator, Switches, crc64

ORIGIN = "https://app.example"


@pytest.fixture
def service(emulator: Emulator) -> Iterator[oss2.Service]:
    session = oss2.Session()
    auth = oss2.Auth(emulator.access_key_id, emulator.access_key_secret)
    yield oss2.Service(auth, emulator.endpoint, session=session)
    session.session.close()


def bucket_of(service: oss2.Service, name: str) -> oss2.Bucket:
    return oss2.Bucket(service.auth, service.endpoint, name, session=service.session)


@pytest.fixture
def bucket(service: oss2.Service) -> oss2.Bucket:
    made = bucket_of(service, "my-bucket")
    made.create_bucket(oss2.BUCKET_ACL_PRIVATE)
    return made


def as_owner(
    emulator: Emulator, grant: Grant, method: str, query: str = "", body: object = None, **more: object
) -> Reply:
    return oss(grant, method, query, body, keys=owner(emulator), **more)  # type: ignore[arg-type]


# --- buckets -----------------------------------------------------------------------------


def test_a_bucket_lives_and_dies(emulator: Emulator, service: oss2.Service, bucket: oss2.Bucket) -> None:
    assert {b.name for b in service.list_buckets().buckets} == {"my-bucket", emulator.bucket}
    assert [b.name for b in service.list_buckets(prefix="my").buckets] == ["my-bucket"]
    found = bucket.get_bucket_info()
    assert (found.name, found.acl.grant, found.location) == ("my-bucket", "private", "oss-cn-shanghai")
    assert found.owner.id == emulator.account_id
    assert bucket.get_bucket_location().location == "oss-cn-shanghai"
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
    assert bucket.get_bucket_acl().acl == oss2.BUCKET_ACL_PUBLIC_READ
    assert list(oss2.LiveChannelIterator(bucket)) == []
    bucket.put_object("a", b"x")
    with pytest.raises(oss2.exceptions.BucketNotEmpty):
        bucket.delete_bucket()
    bucket.delete_object("a")
    upload_id = bucket.init_multipart_upload("b").upload_id
    with pytest.raises(oss2.exceptions.BucketNotEmpty):
        bucket.delete_bucket()
    bucket.abort_multipart_upload("b", upload_id)
    bucket.delete_bucket()
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.put_object("a", b"x")
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.delete_bucket()


def test_buckets_come_in_pages(service: oss2.Service) -> None:
    for number in range(5):
        bucket_of(service, f"page-{number}").create_bucket()
    first = service.list_buckets(prefix="page-", max_keys=2)
    assert ([b.name for b in first.buckets], first.is_truncated) == (["page-0", "page-1"], True)
    names = [b.name for b in oss2.BucketIterator(service, prefix="page-", max_keys=2)]
    assert names == [f"page-{number}" for number in range(5)]


def test_bad_acl_and_bad_body_make_no_bucket(emulator: Emulator, grant: Grant, service: oss2.Service) -> None:
    answer = as_owner(emulator, grant, "PUT", key="", bucket="new-bucket", headers={"x-oss-acl": "open"})
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    answer = as_owner(emulator, grant, "PUT", "", "<Wrong/>", key="", bucket="new-bucket")
    assert (answer.status, answer.code) == (400, "MalformedXML")
    assert [b.name for b in service.list_buckets(prefix="new").buckets] == []


def test_the_bucket_of_vod_stays(emulator: Emulator, service: oss2.Service) -> None:
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket_of(service, emulator.bucket).delete_bucket()


@pytest.mark.parametrize(
    ("method", "query", "key"),
    [
        ("PUT", "", ""),
        ("DELETE", "", ""),
        ("GET", "", ""),
        ("GET", "list-type=2", ""),
        ("GET", "bucketInfo", ""),
        ("GET", "acl", ""),
        ("GET", "cors", ""),
        ("GET", "location", ""),
        ("GET", "live", ""),
        ("PUT", "cors", ""),
        ("PUT", "acl", ""),
        ("DELETE", "cors", ""),
    ],
)
def test_an_upload_credential_may_do_nothing_to_the_bucket(grant: Grant, method: str, query: str, key: str) -> None:
    answer = oss(grant, method, query, key=key)
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_an_upload_credential_deletes_no_list_of_objects(emulator: Emulator, grant: Grant) -> None:
    oss(grant, "PUT", "", b"x")
    body = f"<Delete><Object><Key>{grant.key}</Key></Object></Delete>".encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = oss(grant, "POST", "delete", body, {"Content-MD5": digest}, key="")
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert emulator.object_path(grant.media_id).read_bytes() == b"x"


@pytest.mark.parametrize(
    ("method", "query"),
    [("PUT", "replication"), ("POST", "versionId"), ("PUT", "x-oss-async-process"), ("POST", "x-oss-process")],
)
def test_unknown_sub_resources_do_not_touch_the_object(
    emulator: Emulator, grant: Grant, method: str, query: str
) -> None:
    oss(grant, "PUT", "", b"the object")
    answer = as_owner(emulator, grant, method, query, b"tags")
    assert (answer.status, answer.code) == (400, "NotImplemented")
    assert oss(grant, "GET").body == b"the object"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("name", ["userDefinedLogFieldsConfig", "responseHeader", "accessPointPolicy"])
def test_unknown_sub_resources_do_not_touch_the_bucket(
    emulator: Emulator, grant: Grant, method: str, name: str
) -> None:
    answer = as_owner(emulator, grant, method, name, key="")
    assert (answer.status, answer.code) == (400, "NotImplemented")
    assert as_owner(emulator, grant, "GET", "bucketInfo", key="").status == 200


def test_a_new_bucket_says_how_it_stores(service: oss2.Service) -> None:
    bucket = bucket_of(service, "cold-bucket")
    wanted = oss2.models.BucketCreateConfig("IA", "ZRS")
    bucket.create_bucket("private", wanted)
    found = bucket.get_bucket_info()
    assert (found.storage_class, found.data_redundancy_type) == ("IA", "ZRS")
    bucket.create_bucket("private", oss2.models.BucketCreateConfig("Archive", "LRS"))  # it is there already
    assert bucket.get_bucket_info().storage_class == "IA"
    for refused in (oss2.models.BucketCreateConfig("Cheap", "LRS"), oss2.models.BucketCreateConfig("IA", "RAID")):
        with pytest.raises(oss2.exceptions.InvalidArgument):
            bucket.create_bucket("private", refused)


def test_what_lies_in_a_bucket_is_counted(emulator: Emulator, grant: Grant) -> None:
    oss(grant, "PUT", "", b"seven b")
    oss(grant, "POST", "uploads")
    answer = as_owner(emulator, grant, "GET", "stat", key="")
    shown = [answer.text(name) for name in ("Storage", "ObjectCount", "MultipartUploadCount", "ArchiveStorage")]
    assert shown == ["7", "1", "1", "0"]
    assert as_owner(emulator, grant, "GET", "versioning", key="").body.endswith(
        b"<VersioningConfiguration></VersioningConfiguration>"
    )


# --- listings ----------------------------------------------------------------------------

KEYS = ["a/1", "a/2", "b", "b/x", "c/d/e", "ü & <世>", "z"]


@pytest.fixture
def full(bucket: oss2.Bucket) -> oss2.Bucket:
    for key in KEYS:
        bucket.put_object(key, key.encode())
    return bucket


@pytest.mark.parametrize("max_keys", [1, 2, 3, 100])
def test_listing_v1_goes_page_by_page(full: oss2.Bucket, max_keys: int) -> None:
    assert [o.key for o in oss2.ObjectIterator(full, max_keys=max_keys)] == sorted(KEYS, key=str.encode)
    grouped = [(o.key, o.is_prefix()) for o in oss2.ObjectIterator(full, delimiter="/", max_keys=max_keys)]
    assert grouped == [("a/", True), ("b", False), ("b/", True), ("c/", True), ("z", False), ("ü & <世>", False)]


@pytest.mark.parametrize("max_keys", [1, 2, 100])
def test_listing_v2_goes_page_by_page(full: oss2.Bucket, max_keys: int) -> None:
    assert [o.key for o in oss2.ObjectIteratorV2(full, max_keys=max_keys)] == sorted(KEYS, key=str.encode)
    found = [o.key for o in oss2.ObjectIteratorV2(full, prefix="a/", max_keys=max_keys)]
    assert found == ["a/1", "a/2"]
    assert [o.key for o in oss2.ObjectIteratorV2(full, start_after="b", max_keys=max_keys)][:1] == ["b/x"]


def test_listing_tells_what_head_tells(full: oss2.Bucket) -> None:
    item = full.list_objects(prefix="b/x").object_list[0]
    head = full.head_object("b/x")
    assert (item.etag, item.size, item.type) == (head.etag, head.content_length, "Normal")
    assert item.owner.id
    plain = full.list_objects_v2(prefix="b/x").object_list[0]
    assert plain.owner is None
    assert full.list_objects_v2(prefix="b/x", fetch_owner=True).object_list[0].owner.id
    assert full.list_objects(marker="z").object_list[0].key == "ü & <世>"


@pytest.mark.parametrize("value", ["0", "1001", "x"])
def test_page_sizes_have_limits(emulator: Emulator, grant: Grant, value: str) -> None:
    answer = as_owner(emulator, grant, "GET", f"max-keys={value}", key="")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_a_made_up_continuation_token_is_refused(emulator: Emulator, grant: Grant) -> None:
    answer = as_owner(emulator, grant, "GET", "list-type=2&continuation-token=%25%25%25", key="")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("max_uploads", [1, 2, 100])
def test_uploads_by_group_go_page_by_page(bucket: oss2.Bucket, max_uploads: int) -> None:
    for key in ("a/1", "a/2", "b", "b", "c/1"):
        bucket.init_multipart_upload(key)
    found = [u.key for u in oss2.MultipartUploadIterator(bucket, delimiter="/", max_uploads=max_uploads)]
    assert sorted(found) == ["a/", "b", "b", "c/"]


# --- batch delete ------------------------------------------------------------------------


def test_batch_delete(full: oss2.Bucket) -> None:
    result = full.batch_delete_objects(["a/1", "ü & <世>", "not there"])
    assert result.deleted_keys == ["a/1", "ü & <世>", "not there"]
    assert "a/1" not in [o.key for o in oss2.ObjectIterator(full)]


def test_keys_with_control_characters_are_deleted(bucket: oss2.Bucket) -> None:
    for key in ("form\x0cfeed\x01.txt", "<hello>"):
        bucket.put_object(key, b"x")
        assert bucket.batch_delete_objects([key]).deleted_keys == [key]
        assert not bucket.object_exists(key)


def delete_many(emulator: Emulator, grant: Grant, body: str, md5: str | None = "") -> Reply:
    if md5 == "":
        md5 = base64.b64encode(hashlib.md5(body.encode()).digest()).decode()
    return as_owner(emulator, grant, "POST", "delete", body.encode(), key="", headers={"Content-MD5": md5})


def keys_xml(count: int, extra: str = "") -> str:
    items = "".join(f"<Object><Key>k{n}</Key></Object>" for n in range(count))
    return f"<Delete>{extra}{items}</Delete>"


def test_batch_delete_can_be_quiet(emulator: Emulator, grant: Grant) -> None:
    oss(grant, "PUT", "", b"x")
    body = f"<Delete><Quiet>true</Quiet><Object><Key>{grant.key}</Key></Object></Delete>"
    answer = delete_many(emulator, grant, body)
    assert (answer.status, answer.body) == (200, b"")
    assert oss(grant, "HEAD").status == 404


@pytest.mark.parametrize(
    ("body", "md5", "code"),
    [
        (keys_xml(1), None, "MissingArgument"),
        (keys_xml(1), "AAAAAAAAAAAAAAAAAAAAAA==", "InvalidDigest"),
        (keys_xml(1), "no base64!", "InvalidDigest"),
        (keys_xml(0), "", "MalformedXML"),
        (keys_xml(1001), "", "MalformedXML"),
        (keys_xml(1, "<Other/>"), "", "MalformedXML"),
        ("<Delete><Object></Object></Delete>", "", "MalformedXML"),
        ("<Delete", "", "MalformedXML"),
    ],
)
def test_batch_delete_refuses(emulator: Emulator, grant: Grant, body: str, md5: str | None, code: str) -> None:
    answer = delete_many(emulator, grant, body, md5)
    assert (answer.status, answer.code) == (400, code)


def test_a_thousand_keys_are_fine(emulator: Emulator, grant: Grant) -> None:
    assert delete_many(emulator, grant, keys_xml(1000)).status == 200


# --- appended objects --------------------------------------------------------------------


def test_append_grows_one_object(emulator: Emulator, grant: Grant) -> None:
    session = oss2.Session()
    keys = grant.keys
    auth = oss2.StsAuth(keys.access_key_id, keys.access_key_secret, keys.security_token)
    bucket = oss2.Bucket(auth, grant.endpoint, grant.bucket, session=session)
    first = bucket.append_object(grant.key, 0, b"abc", headers={"Content-Type": "video/mp4"}, init_crc=0)
    second = bucket.append_object(grant.key, first.next_position, b"defg", init_crc=first.crc)
    assert (second.next_position, second.crc) == (7, crc64.update(b"abcdefg"))
    head = bucket.head_object(grant.key)
    assert (head.object_type, head.headers["x-oss-next-append-position"]) == ("Appendable", "7")
    assert head.headers["Content-Type"] == "video/mp4"
    assert bucket.get_object(grant.key, byte_range=(2, 4)).read() == b"cde"
    with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as caught:
        bucket.append_object(grant.key, 3, b"x")
    assert caught.value.next_position == 7
    assert emulator.object_path(grant.media_id).read_bytes() == b"abcdefg"
    bucket.append_object(grant.key, 7, b"h")
    assert bucket.get_object(grant.key).read() == b"abcdefgh"
    assert info(emulator, grant.media_id)["Size"] == 8
    session.session.close()


@pytest.mark.parametrize(
    ("position", "status", "code"),
    [
        ("", 400, "InvalidArgument"),
        ("-1", 400, "InvalidArgument"),
        ("x", 400, "InvalidArgument"),
        ("1", 409, "PositionNotEqualToLength"),
    ],
)
def test_append_refuses_positions(grant: Grant, position: str, status: int, code: str) -> None:
    answer = oss(grant, "POST", f"append&position={position}", b"x")
    assert (answer.status, answer.code) == (status, code)
    assert oss(grant, "HEAD").status == 404


def test_append_only_to_appendable_objects(grant: Grant) -> None:
    oss(grant, "PUT", "", b"normal")
    answer = oss(grant, "POST", "append&position=6", b"x")
    assert (answer.status, answer.code) == (409, "ObjectNotAppendable")
    assert oss(grant, "GET").body == b"normal"


def test_append_checks_the_body_like_put(grant: Grant) -> None:
    answer = oss(grant, "POST", "append&position=0", b"x", {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert (answer.status, answer.code) == (400, "InvalidDigest")
    assert oss(grant, "HEAD").status == 404


# --- conditions and meta -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"no", "{etag}"'}, 200),
        ({"If-Match": '"no"'}, 412),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"no", W/"{etag}"'}, 304),
        ({"If-None-Match": '"no"'}, 200),
        ({"If-None-Match": '"no"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ({"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(grant: Grant, method: str, headers: dict[str, str], status: int) -> None:
    etag = oss(grant, "PUT", "", b"x").headers["etag"].strip('"')
    sent = {name: value.replace("{etag}", etag) for name, value in headers.items()}
    assert oss(grant, method, headers=sent).status == status


def test_object_meta(bucket: oss2.Bucket) -> None:
    put = bucket.put_object("a", b"xyz", headers={"Content-Type": "video/mp4"})
    meta = bucket.get_object_meta("a")
    assert (meta.content_length, meta.etag) == (3, put.etag)
    assert "x-oss-object-type" not in meta.headers


# --- CORS --------------------------------------------------------------------------------


def preflight(emulator: Emulator, bucket: str, method: str, headers: str = "", origin: str = ORIGIN) -> Reply:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return send(emulator.endpoint, "OPTIONS", f"/{bucket}/key", asked)


def test_a_bucket_without_rules_allows_no_page(emulator: Emulator, bucket: oss2.Bucket) -> None:
    for origin in (ORIGIN, "http://localhost:8888"):
        answer = preflight(emulator, "my-bucket", "PUT", origin=origin)
        assert (answer.status, answer.code) == (403, "AccessForbidden")
    with pytest.raises(oss2.exceptions.NoSuchCors):
        bucket.get_bucket_cors()


def test_rules_decide_in_their_order(emulator: Emulator, bucket: oss2.Bucket) -> None:
    rules = [
        CorsRule([ORIGIN], ["PUT"], ["x-oss-*", "Authorization"], ["ETag"], 60),
        CorsRule(["*"], ["GET"], [], [], None),
        CorsRule(["https://*.example"], ["PUT", "GET"], ["*"], ["x-oss-request-id"], None),
    ]
    bucket.put_bucket_cors(BucketCors(rules))
    got = bucket.get_bucket_cors().rules
    assert [(r.allowed_origins, r.allowed_methods, r.expose_headers) for r in got] == [
        (r.allowed_origins, r.allowed_methods, r.expose_headers) for r in rules
    ]
    first = preflight(emulator, "my-bucket", "PUT", "authorization, x-oss-date")
    assert first.status == 200
    assert first.headers["access-control-allow-origin"] == ORIGIN
    assert first.headers["access-control-allow-methods"] == "PUT"
    assert first.headers["access-control-expose-headers"] == "ETag"
    assert first.headers["access-control-max-age"] == "60"
    other = preflight(emulator, "my-bucket", "PUT", "content-type")
    assert other.headers["access-control-expose-headers"] == "x-oss-request-id"
    anyone = preflight(emulator, "my-bucket", "GET")
    assert anyone.headers["access-control-allow-origin"] == "*"
    assert preflight(emulator, "my-bucket", "DELETE").status == 403
    assert preflight(emulator, "my-bucket", "PUT", "content-type", "https://evil.test").status == 403
    plain = send(emulator.endpoint, "GET", "/my-bucket/key", {"Origin": "https://evil.test"})
    assert plain.headers["access-control-allow-origin"] == "*"
    bucket.delete_bucket_cors()
    assert preflight(emulator, "my-bucket", "PUT", "authorization").status == 403


def test_own_rules_replace_those_of_the_vod_bucket(emulator: Emulator, service: oss2.Service) -> None:
    assert preflight(emulator, emulator.bucket, "PUT", origin="http://localhost:8888").status == 200
    rule = CorsRule([ORIGIN], ["PUT"], [], [], None)
    bucket_of(service, emulator.bucket).put_bucket_cors(BucketCors([rule]))
    assert preflight(emulator, emulator.bucket, "PUT", origin="http://localhost:8888").status == 403
    assert preflight(emulator, emulator.bucket, "PUT").status == 200


def test_vod_buckets_can_deny_by_a_switch() -> None:
    with Emulator(switches=Switches(vod_bucket_cors=False)) as strict:
        assert preflight(strict, strict.bucket, "PUT", origin="http://localhost:8888").status == 403
        api = send(
            strict.endpoint, "OPTIONS", "/", {"Origin": "http://localhost", "Access-Control-Request-Method": "GET"}
        )
        assert api.status == 200


@pytest.mark.parametrize(
    "rule",
    [
        CorsRule(["http://*.*"], ["PUT"], [], [], None),
        CorsRule([ORIGIN], ["OPTIONS"], [], [], None),
        CorsRule([ORIGIN], ["PUT"], [], ["x-oss-*"], None),
        CorsRule([], ["PUT"], [], [], None),
        CorsRule([ORIGIN], [], [], [], None),
        CorsRule([ORIGIN], ["PUT"], [], [], "soon"),
    ],
)
def test_bad_rules_are_refused(bucket: oss2.Bucket, rule: CorsRule) -> None:
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.put_bucket_cors(BucketCors([rule]))
    assert caught.value.status == 400


@pytest.mark.parametrize("wanted", [True, False])
def test_response_vary_is_kept(bucket: oss2.Bucket, wanted: bool) -> None:
    bucket.put_bucket_cors(BucketCors([CorsRule([ORIGIN], ["PUT"], [], [], None)], response_vary=wanted))
    assert bucket.get_bucket_cors().response_vary is wanted


def test_more_than_ten_rules_are_refused(bucket: oss2.Bucket) -> None:
    rule = CorsRule([ORIGIN], ["PUT"], [], [], None)
    bucket.put_bucket_cors(BucketCors([rule] * 10))
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.put_bucket_cors(BucketCors([rule] * 11))


def test_reset_forgets_buckets_and_rules(emulator: Emulator, service: oss2.Service, bucket: oss2.Bucket) -> None:
    bucket_of(service, emulator.bucket).put_bucket_cors(BucketCors([CorsRule([ORIGIN], ["PUT"], [], [], None)]))
    initiate(create(emulator))
    emulator.reset()
    assert [b.name for b in service.list_buckets().buckets] == [emulator.bucket]
    assert preflight(emulator, emulator.bucket, "PUT", origin="http://localhost:8888").status == 200
