"""The server: its life, its doors, its log."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.emulator.raw import call, create, oss, oss_sign, owner, send
from vod_widget.emulator import Clock, Emulator, connection, server


def test_context_manager_starts_and_stops() -> None:
    before = set(threading.enumerate())
    with Emulator() as emulator:
        assert emulator.endpoint.startswith("http://127.0.0.1:")
        assert create(emulator).media_id
        folder = emulator.data_dir
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(threading.enumerate()) <= before
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.endpoint
    with pytest.raises(RuntimeError, match="closed"):
        emulator.start()
    emulator.close()


def test_connection_taken_in_the_turn_in_which_it_closes_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = Emulator().start()
    address = urlsplit(emulator.endpoint)
    clients: list[socket.socket] = []
    loop, stop = emulator._loop, emulator._stop.set

    def connect_and_stop() -> None:
        """In the loop: the next turn accepts, and the one after begins to close before it makes the transport."""
        clients.append(socket.create_connection((address.hostname, address.port), 60))
        loop.call_soon(stop)

    monkeypatch.setattr(emulator._stop, "set", connect_and_stop)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        emulator.close()
        gc.collect()
    assert [str(warning.message) for warning in told] == []
    with clients[0] as client:
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_start_twice_is_one_server() -> None:
    emulator = Emulator()
    assert emulator.start().endpoint == emulator.start().endpoint
    emulator.close()


def test_never_started_is_closed_quietly() -> None:
    emulator = Emulator()
    folder = emulator.data_dir
    emulator.close()
    assert not folder.exists()


def test_forgotten_emulator_removes_its_folder() -> None:
    emulator = Emulator()
    folder = emulator.data_dir
    del emulator
    gc.collect()
    assert not folder.exists()


@pytest.mark.slow
def test_emulator_left_running_does_not_trouble_the_end_of_a_process() -> None:
    code = "from vod_widget.emulator import Emulator; e = Emulator().start(); print(e.data_dir)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path(done.stdout.strip()).exists()


def test_port_that_is_taken_is_told(emulator: Emulator) -> None:
    port = int(emulator.endpoint.rpartition(":")[2])
    second = Emulator(port=port)
    with pytest.raises(OSError, match="address already in use"):
        second.start()
    second.close()


def test_given_data_dir_keeps_the_bytes(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path / "here") as emulator:
        grant = create(emulator)
        oss(grant, "PUT", body=b"bytes")
        path = emulator.object_path(grant.media_id)
    assert path.read_bytes() == b"bytes"
    assert path.is_relative_to(tmp_path / "here")


def test_works_inside_a_running_loop() -> None:
    async def main() -> str:
        with Emulator() as emulator:
            return await asyncio.to_thread(lambda: create(emulator).media_id)

    assert len(asyncio.run(main())) == 32


def test_two_emulators_do_not_know_each_other() -> None:
    with Emulator() as one, Emulator() as two:
        grant = create(one)
        assert call(two, "GetVideoInfo", {"VideoId": grant.media_id}).code == "InvalidVideo.NotFound"


def test_keys_that_look_real_are_neither_taken_nor_made(emulator: Emulator) -> None:
    assert emulator.access_key_id.startswith("EMU")
    for name in ("LTAI5tExample", "ltai5texample"):
        with pytest.raises(ValueError, match="looks real"):
            Emulator(access_key_id=name)


def test_bad_values_are_refused() -> None:
    for options in ({"upload_auth_ttl_s": 0}, {"account_id": "me"}):
        with pytest.raises(ValueError, match="must be"):
            Emulator(**options)  # type: ignore[arg-type]


def test_own_keys_account_and_region() -> None:
    options = {"access_key_id": "EMUmine", "access_key_secret": "s", "account_id": "42", "region": "cn-beijing"}
    with Emulator(**options, upload_auth_ttl_s=60, oss_endpoint="https://oss-cn-beijing.aliyuncs.com/") as emulator:  # type: ignore[arg-type]
        grant = create(emulator)
        assert grant.endpoint == "https://oss-cn-beijing.aliyuncs.com"
        assert (grant.auth["Expiration"], grant.auth["Region"]) == ("60", "cn-beijing")
        assert emulator.role_arn == "acs:ram::42:role/vod-upload"


def test_seed_repeats_everything() -> None:
    with Emulator(seed=1) as one, Emulator(seed=1) as two:
        assert one.access_key_secret == two.access_key_secret
        assert create(one).media_id == create(two).media_id


def test_reprs_hold_no_secret(emulator: Emulator) -> None:
    grant = create(emulator)
    texts = [repr(x) for x in (emulator, emulator.cloud, emulator.cloud.keys, emulator.cloud.owner, *emulator.requests)]
    texts.append(repr(emulator.cloud.keys.find(grant.keys.access_key_id)))
    for secret in (emulator.access_key_secret, grant.keys.access_key_secret, grant.keys.security_token):
        assert secret not in "".join(texts)


def test_log_tells_all_but_secrets(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", "partNumber=3&uploadId=U", b"abc")
    record = emulator.requests[-1]
    assert (record.op, record.status, record.code, record.part_number) == ("UploadPart", 404, "NoSuchUpload", 3)
    assert (record.bucket, record.key, record.upload_id) == (grant.bucket, grant.key, "U")
    assert record.body_bytes == 3
    assert record.headers["authorization"] == record.headers["x-oss-security-token"] == "***"
    made = emulator.requests[0]
    assert (made.op, made.query["Title"], made.query["Signature"]) == ("CreateUploadVideo", "talk", "***")


# --- Host --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("vod.cn-shanghai.aliyuncs.com", True),
        ("vod.aliyuncs.com", True),
        ("sts.aliyuncs.com", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:80", False),
        ("192.168.1.5", False),
        ("vod.aliyuncs.com.evil.example", False),
        ("", False),
    ],
)
def test_only_loopback_and_vendor_names_are_answered(emulator: Emulator, host: str, good: bool) -> None:
    answer = send(emulator.endpoint, "GET", "/?Action=X&Format=JSON", {"Host": host})
    assert (answer.status != 403) == good
    assert (b"loopback names only" in answer.body) != good


@pytest.mark.parametrize(
    "host", ["{bucket}.oss-cn-shanghai.aliyuncs.com", "{bucket}.localhost:99", "{bucket}.127.0.0.1"]
)
def test_bucket_may_stand_in_the_host(emulator: Emulator, host: str) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"bytes")
    with_host = oss(grant, "GET", headers={"Host": host.format(bucket=grant.bucket)})
    assert with_host.status == 403  # path style and a bucket host: the resource is another one
    from tests.emulator.test_oss_auth import v1_url

    url = v1_url(emulator, f"/{grant.bucket}/{grant.key}", 60).removeprefix(f"/{grant.bucket}")
    answer = send(emulator.endpoint, "GET", url, {"Host": host.format(bucket=grant.bucket)})
    assert answer.body == b"bytes"


def test_localhost_is_answered_by_both_protocols(emulator: Emulator) -> None:
    """Node asks ::1 first."""
    if not has_v6():
        pytest.skip("this machine has no ::1")
    answer = send(emulator.endpoint.replace("127.0.0.1", "[::1]"), "GET", "/?Action=X", {})
    assert answer.code == "MissingVersion"


def has_v6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_other_machines_only_by_a_name_that_was_given(caplog: pytest.LogCaptureFixture) -> None:
    names = ("emulator.test", f"outin-x.{'emulator.test'}", "10.0.0.7")
    with Emulator() as closed:
        for host in names:
            assert send(closed.endpoint, "GET", "/?Action=X", {"Host": host}).status == 403
    assert caplog.text == ""
    with Emulator(network_name="emulator.test", tls_port=0) as opened:
        assert "every interface" in caplog.text
        grant = create(opened)
        port = urlsplit(opened.endpoint).port
        assert grant.endpoint == f"http://emulator.test:{port}"
        assert send(opened.endpoint, "GET", "/?Action=X", {"Host": "emulator.test"}).status == 400
        assert send(opened.endpoint, "GET", "/?Action=X", {"Host": "evil.test"}).status == 403
        local = replace(grant, endpoint=opened.endpoint)
        assert oss(local, "PUT", body=b"bytes", headers={"Host": "Emulator.test:80"}).status == 200
        url = call(opened, "GetMezzanineInfo", {"VideoId": grant.media_id}).json["Mezzanine"]["FileURL"]
        assert url.startswith(f"http://emulator.test:{port}/{grant.bucket}/")
        target = url.removeprefix(grant.endpoint).removeprefix(f"/{grant.bucket}")
        by_host = send(opened.endpoint, "GET", target, {"Host": f"{grant.bucket}.emulator.test"})
        assert by_host.body == b"bytes"
        for path in ("/", "/_emulator/health"):  # not by the other name
            assert send(opened.endpoint, "GET", path, {"Host": "emulator.test"}).status != 200
        context = ssl.create_default_context(cafile=str(opened.tls_ca_file))
        tls = ("127.0.0.1", urlsplit(opened.tls_endpoint).port)
        with socket.create_connection(tls) as plain, context.wrap_socket(plain, server_hostname="a.emulator.test"):
            pass


def test_the_page_and_the_admin_api_stay_for_this_machine(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    class Far:
        """A request of another machine that calls itself this one."""

        class transport:
            @staticmethod
            def get_extra_info(name: str) -> tuple[str, int]:
                assert name == "peername"
                return ("10.0.0.7", 5)

    assert not connection.comes_from_here(Far())  # type: ignore[arg-type]
    monkeypatch.setattr(server, "comes_from_here", lambda _: False)
    secret = {"Authorization": f"Bearer {emulator.admin_secret}"}
    assert send(emulator.endpoint, "GET", "/_emulator/admin/state", secret).status == 403
    assert send(emulator.endpoint, "GET", "/", {}).code == "MissingAction"


@pytest.fixture(scope="module")
def emulator_with_tls() -> Iterator[Emulator]:
    with Emulator(tls_port=0) as made:
        yield made


# --- https -------------------------------------------------------------------------------


def test_https_with_its_own_authority() -> None:
    with Emulator(tls_port=0) as emulator:
        assert emulator.has_tls
        context = ssl.create_default_context(cafile=str(emulator.tls_ca_file))
        for host in ("127.0.0.1", "localhost"):
            url = emulator.tls_endpoint.replace("127.0.0.1", host) + "/?Action=X"
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url, context=context)
            assert caught.value.code == 400
            caught.value.close()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(emulator.tls_endpoint)
        for path in (emulator.data_dir / "server.pem",):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("host", ["vod.cn-shanghai", "sts", "oss-cn-shanghai", "outin-1.oss-cn-shanghai"])
def test_https_by_the_vendors_names(emulator_with_tls: Emulator, host: str) -> None:
    context = ssl.create_default_context(cafile=str(emulator_with_tls.tls_ca_file))
    port = int(emulator_with_tls.tls_endpoint.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=f"{host}.aliyuncs.com") as sock,
    ):
        assert sock.version()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="ecs.aliyuncs.com")


def test_upload_address_follows_the_callers_scheme() -> None:
    import json
    from urllib.parse import urlencode

    from tests.emulator.raw import grant_of, owner, rpc_params, rpc_sign

    with Emulator(tls_port=0) as emulator:
        params = rpc_params("CreateUploadVideo", {"Title": "t", "FileName": "a.mp4"}, owner(emulator))
        params["Signature"] = rpc_sign("GET", params, emulator.access_key_secret)
        context = ssl.create_default_context(cafile=str(emulator.tls_ca_file))
        with urllib.request.urlopen(f"{emulator.tls_endpoint}/?{urlencode(params)}", context=context) as answer:
            assert grant_of(json.load(answer)).endpoint == emulator.tls_endpoint
        assert emulator.requests[-1].secure


def test_without_tls_there_is_no_https(emulator: Emulator) -> None:
    assert not emulator.has_tls
    for name in ("tls_endpoint", "tls_ca_file"):
        with pytest.raises(RuntimeError, match="no https"):
            getattr(emulator, name)


# --- the clock ---------------------------------------------------------------------------


def test_clock_moves_in_two_ways() -> None:
    clock = Clock(lambda: 1000.0)
    clock.advance(10)
    clock.advance(5)
    clock.skew(-100)
    assert (clock.wall_s(), clock.age_s(), clock.signed_url_s()) == (900.0, 1015.0, 915.0)
    assert repr(clock) == "<Clock advanced=15s skew=-100s>"
    clock.reset()
    assert clock.wall_s() == clock.age_s() == 1000.0
    with pytest.raises(ValueError, match=">= 0"):
        clock.advance(-1)


def test_connections_are_kept_and_closed_when_asked(emulator: Emulator) -> None:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(emulator.endpoint)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    sockets = set()
    for _ in range(5):
        connection.request("GET", "/?Action=X")
        sockets.add(connection.sock)
        connection.getresponse().read()
    assert len(sockets) == 1
    connection.request("GET", "/?Action=X", headers={"Connection": "close"})
    answer = connection.getresponse()
    assert answer.headers["Connection"] == "close"
    answer.read()
    connection.close()


def test_faults_over_https() -> None:
    import http.client

    from vod_widget.emulator.faults import Drop, Reset

    with Emulator(tls_port=0) as emulator:
        context = ssl.create_default_context(cafile=str(emulator.tls_ca_file))
        for action in (Drop(), Reset()):
            emulator.faults.add(op="X", action=action)
            with pytest.raises((urllib.error.URLError, http.client.HTTPException, OSError)) as caught:
                urllib.request.urlopen(f"{emulator.tls_endpoint}/?Action=X", context=context)
            assert not isinstance(caught.value, urllib.error.HTTPError)


def test_a_client_that_never_reads_is_left_when_the_server_stops() -> None:
    with Emulator() as emulator:
        grant = create(emulator)
        keys = owner(emulator)
        oss(grant, "PUT", body=bytes(8 << 20))
        date = formatdate(time.time(), usegmt=True)
        signature = oss_sign("GET", f"/{grant.bucket}/{grant.key}", "", {}, keys.access_key_secret, date)
        deaf = socket.create_connection(("127.0.0.1", urlsplit(emulator.endpoint).port), timeout=60)
        deaf.sendall(
            f"GET /{grant.bucket}/{quote(grant.key)} HTTP/1.1\r\nHost: {urlsplit(emulator.endpoint).netloc}\r\n"
            f"Date: {date}\r\nAuthorization: OSS {keys.access_key_id}:{signature}\r\n\r\n".encode()
        )
        assert deaf.recv(1) == b"H"
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            emulator.close()
            gc.collect()
    deaf.close()
    assert [str(warning.message) for warning in seen if "unclosed" in str(warning.message)] == []
