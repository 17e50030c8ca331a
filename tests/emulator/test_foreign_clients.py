"""Clients that nobody here wrote work, and are refused when they should be."""

from __future__ import annotations

import base64
import gc
import json
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss_v2
import oss2
import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkvod.request.v20170321.CreateUploadImageRequest import CreateUploadImageRequest
from aliyunsdkvod.request.v20170321.CreateUploadVideoRequest import CreateUploadVideoRequest
from aliyunsdkvod.request.v20170321.GetVideoInfoRequest import GetVideoInfoRequest
from aliyunsdkvod.request.v20170321.RefreshUploadVideoRequest import RefreshUploadVideoRequest

from tests.emulator.raw import Grant, grant_of, send
from vod_widget.emulator import Emulator
from vod_widget.emulator.faults import Status

DATA = random.Random(3).randbytes(450_000)


@pytest.fixture(autouse=True)
def _clients_that_never_close() -> Iterator[None]:
    """Bury their sockets here: sdk-core and the v2 SDK have no close, and a later test would get the warning."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def vod(emulator: Emulator) -> AcsClient:
    # proxy: the SDK reads the environment and never looks at NO_PROXY.
    return AcsClient(emulator.access_key_id, emulator.access_key_secret, emulator.region, proxy={"none": "none"})


def ask(emulator: Emulator, client: AcsClient, request: Any, **fields: Any) -> dict[str, Any]:
    request.set_endpoint(emulator.endpoint.removeprefix("http://"))
    request.set_accept_format("json")
    for name, value in fields.items():
        getattr(request, f"set_{name}")(value)
    answer: dict[str, Any] = json.loads(client.do_action_with_exception(request))
    return answer


@pytest.fixture
def bucket(grant: Grant) -> Iterator[oss2.Bucket]:
    session = oss2.Session()
    auth = oss2.StsAuth(grant.keys.access_key_id, grant.keys.access_key_secret, grant.keys.security_token)
    yield oss2.Bucket(auth, grant.endpoint, grant.bucket, session=session)
    session.session.close()


# --- the vendor's control plane ----------------------------------------------------------


def test_sdk_vod_creates_refreshes_and_looks(emulator: Emulator, vod: AcsClient) -> None:
    fields = {"Title": "Ü & = + 世", "FileName": "a b.mp4", "Tags": "z,a", "CateId": 7, "ReferenceId": "ref-0001"}
    made = ask(emulator, vod, CreateUploadVideoRequest(), **fields)
    fresh = ask(emulator, vod, RefreshUploadVideoRequest(), VideoId=made["VideoId"])
    assert grant_of(fresh).key == grant_of(made).key
    video = ask(emulator, vod, GetVideoInfoRequest(), VideoId=made["VideoId"])["Video"]
    assert (video["Title"], video["Tags"], video["CateId"]) == ("Ü & = + 世", "z,a", 7)
    found = ask(emulator, vod, GetVideoInfoRequest(), ReferenceId="ref-0001")["Video"]
    assert found["VideoId"] == made["VideoId"]
    assert ask(emulator, vod, CreateUploadImageRequest(), ImageType="default")["ImageId"]


def test_sdk_core_sees_a_wrong_secret_as_such(emulator: Emulator) -> None:
    client = AcsClient(emulator.access_key_id, "wrong", emulator.region, proxy={"none": "none"})
    with pytest.raises(ServerException) as caught:
        ask(emulator, client, GetVideoInfoRequest(), VideoId="x")
    # The SDK compares the server's string to sign with its own: equal, so the secret is wrong.
    assert caught.value.get_error_code() == "InvalidAccessKeySecret"


def test_sdk_core_sees_codes_and_request_ids(emulator: Emulator, vod: AcsClient) -> None:
    with pytest.raises(ServerException) as caught:
        ask(emulator, vod, GetVideoInfoRequest(), VideoId="0" * 32)
    assert caught.value.get_http_status() == 404
    assert caught.value.get_error_code() == "InvalidVideo.NotFound"
    assert caught.value.get_request_id()


def test_sdk_core_assumes_a_role_and_uses_it(emulator: Emulator, vod: AcsClient) -> None:
    request = CommonRequest(
        domain=emulator.endpoint.removeprefix("http://"), version="2015-04-01", action_name="AssumeRole"
    )
    request.add_query_param("RoleArn", emulator.role_arn)
    request.add_query_param("RoleSessionName", "notebook")
    request.set_accept_format("json")
    made = json.loads(vod.do_action_with_exception(request))["Credentials"]
    credential = StsTokenCredential(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])
    client = AcsClient(region_id=emulator.region, credential=credential, proxy={"none": "none"})
    assert ask(emulator, client, CreateUploadVideoRequest(), Title="t", FileName="a.mp4")["VideoId"]


# --- oss2, the ground the library stands on ----------------------------------------------


def test_oss2_put_head_get(emulator: Emulator, grant: Grant, bucket: oss2.Bucket) -> None:
    result = bucket.put_object(grant.key, DATA, headers={"Content-Type": "video/mp4"})
    assert result.status == 200
    assert bucket.head_object(grant.key).content_length == len(DATA)
    assert bucket.get_object(grant.key).read() == DATA
    assert bucket.get_object(grant.key, byte_range=(10, 19)).read() == DATA[10:20]
    assert emulator.object_path(grant.media_id).read_bytes() == DATA


def test_oss2_resumable_upload_resumes_after_failures(
    emulator: Emulator, grant: Grant, bucket: oss2.Bucket, tmp_path: Path
) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(DATA)
    store = oss2.ResumableStore(root=str(tmp_path))
    options = {"store": store, "multipart_threshold": 1, "part_size": 102_400, "num_threads": 2}
    emulator.faults.add(op="UploadPart", part_number=3, action=Status(500))
    with pytest.raises(oss2.exceptions.ServerError):
        oss2.resumable_upload(bucket, grant.key, str(source), **options)
    result = oss2.resumable_upload(bucket, grant.key, str(source), **options)
    assert result.status == 200
    assert emulator.object_path(grant.media_id).read_bytes() == DATA
    # Each part was accepted exactly once: the second run continued the first.
    accepted = [r.part_number for r in emulator.requests if r.op == "UploadPart" and r.status == 200]
    assert sorted(accepted) == [1, 2, 3, 4, 5]


def test_oss2_multipart_by_hand(grant: Grant, bucket: oss2.Bucket) -> None:
    upload_id = bucket.init_multipart_upload(grant.key).upload_id
    parts = []
    for number, start in enumerate(range(0, len(DATA), 150_000), 1):
        result = bucket.upload_part(grant.key, upload_id, number, DATA[start : start + 150_000])
        parts.append(oss2.models.PartInfo(number, result.etag, part_crc=result.crc))
    listed = bucket.list_parts(grant.key, upload_id)
    assert [(p.part_number, p.etag) for p in listed.parts] == [(p.part_number, p.etag) for p in parts]
    bucket.complete_multipart_upload(grant.key, upload_id, parts)  # compares the CRC itself
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket.abort_multipart_upload(grant.key, upload_id)


def test_oss2_aborts(emulator: Emulator, grant: Grant, bucket: oss2.Bucket) -> None:
    upload_id = bucket.init_multipart_upload(grant.key).upload_id
    bucket.abort_multipart_upload(grant.key, upload_id)
    assert emulator.unfinished_uploads == []


def test_oss2_sees_refusals(emulator: Emulator, grant: Grant, bucket: oss2.Bucket) -> None:
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.put_object("elsewhere.mp4", b"x")
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.list_multipart_uploads()
    with pytest.raises(oss2.exceptions.NotFound):
        bucket.head_object(grant.key)
    wrong = oss2.Bucket(oss2.Auth(emulator.access_key_id, "wrong"), grant.endpoint, grant.bucket)
    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
        wrong.put_object(grant.key, b"x")
    wrong.session.session.close()
    emulator.clock.advance(3001)
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.put_object(grant.key, b"x")
    assert (caught.value.status, caught.value.code) == (403, "SecurityTokenExpired")


@pytest.mark.parametrize("auth_class", [oss2.AuthV2, oss2.AuthV4])
def test_oss2_with_newer_signatures(emulator: Emulator, grant: Grant, auth_class: Any) -> None:
    auth = auth_class(emulator.access_key_id, emulator.access_key_secret)
    bucket = oss2.Bucket(auth, grant.endpoint, grant.bucket, region="cn-shanghai")
    assert bucket.put_object(grant.key, DATA).status == 200
    bucket.session.session.close()


@pytest.mark.parametrize("auth_class", [oss2.Auth, oss2.AuthV2, oss2.AuthV4])
def test_oss2_signed_urls(emulator: Emulator, grant: Grant, bucket: oss2.Bucket, auth_class: Any) -> None:
    bucket.put_object(grant.key, DATA)
    auth = auth_class(emulator.access_key_id, emulator.access_key_secret)
    owned = oss2.Bucket(auth, grant.endpoint, grant.bucket, region="cn-shanghai")
    url = owned.sign_url("GET", grant.key, 60, slash_safe=True)
    assert send(emulator.endpoint, "GET", url.removeprefix(emulator.endpoint), {}).body == DATA
    owned.session.session.close()


# --- the v2 SDK signs by V4 --------------------------------------------------------------


def test_oss_v2_puts_and_uploads(emulator: Emulator, grant: Grant, tmp_path: Path) -> None:
    config = oss_v2.config.load_default()
    config.credentials_provider = oss_v2.credentials.StaticCredentialsProvider(
        grant.keys.access_key_id, grant.keys.access_key_secret, grant.keys.security_token
    )
    config.region = emulator.region
    config.endpoint = grant.endpoint
    config.use_path_style = True
    client = oss_v2.Client(config)
    result = client.put_object(oss_v2.PutObjectRequest(bucket=grant.bucket, key=grant.key, body=DATA))
    assert result.status_code == 200
    head = client.head_object(oss_v2.HeadObjectRequest(bucket=grant.bucket, key=grant.key))
    assert head.content_length == len(DATA)
    source = tmp_path / "a.mp4"
    source.write_bytes(DATA)
    uploader = client.uploader(part_size=102_400, parallel_num=2)
    request = oss_v2.PutObjectRequest(bucket=grant.bucket, key=grant.key)
    uploader.upload_file(request, filepath=str(source))
    assert emulator.object_path(grant.media_id).read_bytes() == DATA
    assert [r.op for r in emulator.requests].count("UploadPart") == 5


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_oss_v2_signs_with_a_token_either_way(emulator: Emulator, grant: Grant, version: str) -> None:
    config = oss_v2.config.load_default()
    config.credentials_provider = oss_v2.credentials.StaticCredentialsProvider(
        grant.keys.access_key_id, grant.keys.access_key_secret, grant.keys.security_token
    )
    config.region, config.endpoint, config.use_path_style = emulator.region, grant.endpoint, True
    config.signature_version = version
    client = oss_v2.Client(config)
    assert client.put_object(oss_v2.PutObjectRequest(bucket=grant.bucket, key=grant.key, body=DATA)).status_code == 200
    signed = client.presign(oss_v2.GetObjectRequest(bucket=grant.bucket, key=grant.key))
    assert send(emulator.endpoint, "GET", signed.url.removeprefix(emulator.endpoint), {}).body == DATA
    emulator.clock.advance(3001)
    with pytest.raises(oss_v2.exceptions.OperationError, match="SecurityTokenExpired"):
        client.head_object(oss_v2.HeadObjectRequest(bucket=grant.bucket, key=grant.key))


def test_oss_v2_calls_back_and_reads_what_a_console_sets_up(emulator: Emulator, grant: Grant) -> None:
    """This SDK knows the root of each answer by name, where oss2 takes any."""
    config = oss_v2.config.load_default()
    provider = oss_v2.credentials.StaticCredentialsProvider
    config.credentials_provider = provider(emulator.access_key_id, emulator.access_key_secret)
    config.region, config.endpoint, config.use_path_style = "cn-shanghai", grant.endpoint, True
    client, mine = oss_v2.Client(config), {"bucket": grant.bucket}
    wish = base64.b64encode(b'{"callbackUrl":"http://192.0.2.1/","callbackBody":"a=b"}').decode()
    put = client.put_object(oss_v2.PutObjectRequest(grant.bucket, "a.txt", body=b"hello", callback=wish))
    assert (put.status_code, b"CallbackFailed" in str(put.callback_result).encode()) == (203, True)
    point = oss_v2.CreateAccessPointConfiguration(access_point_name="ap-one", network_origin="internet")
    client.create_access_point(oss_v2.CreateAccessPointRequest(**mine, create_access_point_configuration=point))
    shown = client.get_access_point(oss_v2.GetAccessPointRequest(**mine, access_point_name="ap-one"))
    assert (shown.bucket, shown.network_origin) == (grant.bucket, "internet")
    asked = oss_v2.CreateBucketDataRedundancyTransitionRequest(**mine, target_redundancy_type="ZRS")
    task = client.create_bucket_data_redundancy_transition(asked).bucket_data_redundancy_transition
    client.get_bucket_data_redundancy_transition(
        oss_v2.GetBucketDataRedundancyTransitionRequest(**mine, redundancy_transition_taskid=task.task_id)
    )
    client.list_user_data_redundancy_transition(oss_v2.ListUserDataRedundancyTransitionRequest())
    domain = oss_v2.BucketCnameConfiguration(cname=oss_v2.Cname(domain="www.example.com"))
    client.create_cname_token(oss_v2.CreateCnameTokenRequest(**mine, bucket_cname_configuration=domain))
    assert client.get_cname_token(oss_v2.GetCnameTokenRequest(**mine, cname="www.example.com")).cname_token.token
    client.open_meta_query(oss_v2.OpenMetaQueryRequest(**mine))
    query = oss_v2.MetaQuery(query='{"Field": "Size", "Value": "6", "Operation": "lt"}')
    found = client.do_meta_query(oss_v2.DoMetaQueryRequest(**mine, meta_query=query))
    assert [(file.filename, file.size) for file in found.files.file] == [("a.txt", 5)]
    target = oss_v2.ReplicationDestination(bucket="other", location="oss-cn-beijing")
    rules = oss_v2.ReplicationConfiguration(rules=[oss_v2.ReplicationRule(id="one", destination=target, action="PUT")])
    client.put_bucket_replication(oss_v2.PutBucketReplicationRequest(**mine, replication_configuration=rules))
    told = client.get_bucket_replication_progress(oss_v2.GetBucketReplicationProgressRequest(**mine, rule_id="one"))
    assert told.replication_progress is not None
    client.get_bucket_replication_location(oss_v2.GetBucketReplicationLocationRequest(**mine))
    client.describe_regions(oss_v2.DescribeRegionsRequest())
