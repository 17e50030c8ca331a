"""The cloud without sockets, disk or real time: what a simulator drives."""

from __future__ import annotations

import base64
import json
import random
import time
from email.utils import formatdate
from urllib.parse import urlencode

import pytest

from tests.emulator.raw import Keys, oss_sign, rpc_params, rpc_sign
from vod_widget.emulator import Clock, Cloud, ConnectionLost, InMemoryAnswer, InMemoryEmulator, crc64
from vod_widget.emulator.blobs import Blob, MemoryBlobs, combined_crc64
from vod_widget.emulator.faults import CorruptBody, Drip, Redirect, Stall, Status, Truncate
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


# --- the emulator in memory: faults, waits, log, reset -----------------------------------


def signed_call(emulator: InMemoryEmulator, action: str, **params: str) -> InMemoryAnswer:
    keys = Keys(emulator.cloud.owner.access_key_id, emulator.cloud.owner.access_key_secret)
    values = rpc_params(action, params, keys)
    values["Signature"] = rpc_sign("GET", values, keys.access_key_secret)
    return emulator.send("GET", "/?" + urlencode(values))


def test_waits_are_the_simulators() -> None:
    now = [1_800_000_000.0]

    def wait(seconds: float | None) -> None:
        if seconds is None:
            raise ConnectionLost("Stalled")
        now[0] += seconds

    emulator = InMemoryEmulator(clock=Clock(lambda: now[0]), rng=random.Random(1), on_wait=wait)
    emulator.faults.add(op="GetCallerIdentity", action=Stall(7))
    emulator.faults.add(op="GetCallerIdentity", nth=2, action=Stall())
    emulator.faults.add(op="GetCallerIdentity", nth=3, action=Drip(step_bytes=1, pause_s=1))
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now[0]))
    assert signed_call(emulator, "GetCallerIdentity", Timestamp=moment).status == 200
    assert now[0] == 1_800_000_007
    with pytest.raises(ConnectionLost, match="Stalled"):
        signed_call(emulator, "GetCallerIdentity", Timestamp=moment)
    answer = signed_call(emulator, "GetCallerIdentity", Timestamp=moment)
    assert now[0] == 1_800_000_007 + len(answer.body)
    assert [record.code for record in emulator.requests] == ["", "Stalled", ""]


def test_damage_on_the_way_is_stored_and_shown_by_the_checksum() -> None:
    emulator = InMemoryEmulator(rng=random.Random(1))
    emulator.cloud.store.add_bucket("for-all", acl="public-read-write")
    emulator.faults.add(op="PutObject", action=CorruptBody())
    answer = emulator.send("PUT", "/for-all/a", body=b"abc")
    assert answer.headers["x-oss-hash-crc64ecma"] != str(crc64.update(b"abc"))
    assert emulator.send("GET", "/for-all/a").body == bytes([ord("a") ^ 0xFF]) + b"bc"


def test_reset_forgets_all_in_memory_too() -> None:
    emulator = InMemoryEmulator(rng=random.Random(1))
    signed_call(emulator, "CreateUploadVideo", Title="t", FileName="a.mp4")
    emulator.faults.add(op="*", action=Stall())
    emulator.clock.advance(5)
    emulator.reset()
    assert (emulator.requests, emulator.faults.armed, emulator.cloud.vod.assets) == ([], [], {})
    assert emulator.clock.advanced_s == 0
    assert signed_call(emulator, "GetCallerIdentity").status == 200


def test_a_body_of_another_length_is_incomplete() -> None:
    emulator = InMemoryEmulator(rng=random.Random(1))
    emulator.cloud.store.add_bucket("for-all", acl="public-read-write")
    answer = emulator.send("PUT", "/for-all/a", {"Content-Length": "4"}, body=b"abc")
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert emulator.send("GET", "/for-all/a").status == 404


def test_cut_answers_and_refused_bodies_are_logged_as_the_server_logs_them() -> None:
    emulator = InMemoryEmulator(rng=random.Random(1))
    emulator.cloud.store.add_bucket("for-all", acl="public-read-write")
    emulator.faults.add(op="PutObject", action=Status(503))
    emulator.faults.add(op="PutObject", nth=2, action=Truncate(0))
    emulator.faults.add(op="GetObject", action=Truncate(2))
    assert emulator.send("PUT", "/for-all/a", body=b"abc").status == 503
    assert emulator.send("PUT", "/for-all/a", body=b"abc").status == 200  # there was nothing to cut
    with pytest.raises(ConnectionLost) as caught:
        emulator.send("GET", "/for-all/a")
    assert (caught.value.code, caught.value.partial) == ("Truncated", b"ab")
    assert [(r.status, r.body_bytes) for r in emulator.requests] == [(503, 3), (200, 3), (200, 0)]


def test_names_and_redirects_are_those_of_the_server() -> None:
    emulator = InMemoryEmulator(rng=random.Random(1))
    foreign = emulator.send("GET", "/for-all/a", {"Host": "evil.example"})
    assert (foreign.status, foreign.code) == (403, "AccessDenied")
    emulator.faults.add(op="GetObject", action=Redirect("http://127.0.0.1:9/"))
    answer = emulator.send("GET", "/for-all/a")
    assert (answer.status, len(answer.headers["x-oss-request-id"])) == (307, 24)
