"""The cloud without sockets, disk or real time: what a simulator drives."""

from __future__ import annotations

import base64
import json
import random
import time
from email.utils import formatdate

import pytest

from tests.emulator.raw import Keys, oss_sign, rpc_params, rpc_sign
from vod_widget.emulator import Clock, Cloud, crc64
from vod_widget.emulator.blobs import Blob, MemoryBlobs, combined_crc64
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.rpc import RpcAnswer, RpcRequest

NOW = 1_800_000_000.0


class World:
    """A virtual clock, a seeded cloud, and a caller."""

    def __init__(self) -> None:
        self.now = NOW
        self.cloud = Cloud(clock=Clock(lambda: self.now), rng=random.Random(1))
        owner = self.cloud.owner
        self.owner = Keys(owner.access_key_id, owner.access_key_secret)

    def call(self, action: str, **params: str) -> RpcAnswer:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now))
        values = rpc_params(action, {**params, "Timestamp": stamp}, self.owner)
        values["Signature"] = rpc_sign("GET", values, self.owner.access_key_secret)
        return self.cloud.rpc.handle(RpcRequest("GET", tuple(values.items()), oss_endpoint="http://127.0.0.1"))

    def oss(self, keys: Keys, method: str, bucket: str, key: str, body: bytes = b"") -> OssAnswer:
        date = formatdate(self.now, usegmt=True)
        headers = {"date": date, "x-oss-security-token": keys.security_token, "content-length": str(len(body))}
        signature = oss_sign(method, f"/{bucket}/{key}", "", headers, keys.access_key_secret, date)
        headers["authorization"] = f"OSS {keys.access_key_id}:{signature}"
        return self.cloud.oss.handle(OssRequest(method, bucket, key, (), headers), body)


def decoded(text: str) -> dict[str, str]:
    value: dict[str, str] = json.loads(base64.b64decode(text))
    return value


def test_a_whole_upload_in_memory_and_virtual_time() -> None:
    world = World()
    made = world.call("CreateUploadVideo", Title="t", FileName="a.mp4").result
    address, auth = decoded(made["UploadAddress"]), decoded(made["UploadAuth"])
    keys = Keys(auth["AccessKeyId"], auth["AccessKeySecret"], auth["SecurityToken"])
    answer = world.oss(keys, "PUT", address["Bucket"], address["FileName"], b"bytes")
    assert (answer.status, answer.headers["x-oss-hash-crc64ecma"]) == (200, str(crc64.update(b"bytes")))
    assert world.call("GetVideoInfo", VideoId=made["VideoId"]).result["Video"]["Status"] == "UploadSucc"
    world.now += 3001
    assert world.call("GetVideoInfo", VideoId=made["VideoId"]).result["Video"]["Status"] == "Normal"
    late = world.oss(keys, "PUT", address["Bucket"], address["FileName"], b"bytes")
    assert (late.status, late.code) == (403, "SecurityTokenExpired")


def test_same_seed_same_cloud() -> None:
    ids = {World().call("CreateUploadVideo", Title="t", FileName="a.mp4").result["VideoId"] for _ in range(2)}
    assert len(ids) == 1


def test_nonces_are_forgotten_after_their_time() -> None:
    world = World()
    first = world.call("GetCallerIdentity", SignatureNonce="n")
    assert (first.status, world.call("GetCallerIdentity", SignatureNonce="n").code) == (200, "SignatureNonceUsed")
    world.now += 1801
    assert world.call("GetCallerIdentity", SignatureNonce="n").status == 200


def test_bytes_in_memory_have_no_path() -> None:
    world = World()
    made = world.call("CreateUploadVideo", Title="t", FileName="a.mp4").result
    with pytest.raises(LookupError, match="nothing is stored"):
        world.cloud.object_path(made["VideoId"])
    with pytest.raises(LookupError, match="no media"):
        world.cloud.object_path("x")
    address = decoded(made["UploadAddress"])
    auth = decoded(made["UploadAuth"])
    keys = Keys(auth["AccessKeyId"], auth["AccessKeySecret"], auth["SecurityToken"])
    assert world.oss(keys, "PUT", address["Bucket"], address["FileName"], b"x").status == 200
    with pytest.raises(LookupError, match="in memory"):
        world.cloud.object_path(made["VideoId"])


def test_join_in_memory() -> None:
    blobs = MemoryBlobs()
    made: list[Blob] = []
    for data in (b"abc", b"", b"defg"):
        sink = blobs.sink("hint")
        sink.write([data])
        made.append(sink.finish())
    joined = blobs.join(made, "hint")
    assert blobs.read(joined, 1, 4) == b"bcde"
    assert joined.crc64 == combined_crc64(made) == crc64.update(b"abcdefg")
    blobs.remove([joined])
    assert len(blobs.data) == 3
    blobs.clear()
    assert blobs.data == {}
