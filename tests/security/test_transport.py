"""Where bytes and tokens may go: to the vendor's hosts by https, wherever the environment or an answer points."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.helpers.raw_server import RawServer, answering
from tests.protocol.support import Bytes, WallClock, address, sts_credentials, upload_auth
from vod_widget import errors
from vod_widget.model import UploadMetadata
from vod_widget.options import OPTIONS
from vod_widget.oss import OssStore
from vod_widget.vod_api import SdkVodApi

ROOT = Path(__file__).parents[2]


@pytest.fixture
def edges() -> Any:
    store, api = OssStore(WallClock(), pool_size=1, read_timeout_s=60), SdkVodApi(WallClock(), timeout_s=60)
    yield store, api
    store.close()
    api.close()


def _calls(store: OssStore, api: SdkVodApi, endpoint: str) -> list[Any]:
    session = store.open(upload_auth(), address(endpoint))
    vod = api.open(sts_credentials(), "cn-shanghai", endpoint)
    metadata = UploadMetadata(title="t")
    return [
        lambda: session.put_object(Bytes(b"x" * 10), {}),
        lambda: session.init_multipart({}),
        lambda: session.upload_part("U", 1, Bytes(b"x" * 10)),
        lambda: session.complete("U", (), {}),
        session.head,
        lambda: session.abort("U"),
        lambda: vod.create_upload_video(metadata, file_name="a.mp4", size_bytes=1, reference_id="r" * 16),
        lambda: vod.refresh_upload_video("v" * 32),
        lambda: vod.find_video(video_id="v" * 32),
        lambda: api.assume_role(sts_credentials(), "acs:ram::1:role/r", "name", endpoint=endpoint),
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s8_a_redirect_is_followed_by_no_call_and_the_other_host_hears_nothing(edges: Any, status: int) -> None:
    with RawServer(answering((200, b"{}", {}))) as other:
        moved = answering((status, b"", {"Location": f"{other.endpoint}/elsewhere"}))
        with RawServer(moved) as server:
            for call in _calls(*edges, server.endpoint):
                with pytest.raises(errors.VODError):
                    call()
            assert server.requests
        assert other.requests == []


def test_s9_proxies_and_netrc_of_the_environment_are_not_looked_at(
    edges: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login joe password hunter2\n")
    (home / ".netrc").chmod(0o600)
    with RawServer(answering((500, b"", {}))) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.endpoint)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home / "nothing"))
        monkeypatch.setenv("SSL_CERT_FILE", str(home / "nothing"))
        with RawServer(answering((403, b"", {}))) as server:
            for call in _calls(*edges, server.endpoint):
                with pytest.raises(errors.VODError):
                    call()
            assert len(server.requests) >= 10
            said = [r.headers.get("authorization", "") for r in server.requests]
        assert proxy.requests == []
    assert not any("Basic" in text or "am9l" in text for text in said)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://10.0.0.1",
        "https://10.0.0.1",
        "https://vod.cn-shanghai.aliyuncs.com.evil.example",
        "https://user@vod.cn-shanghai.aliyuncs.com",
        "ftp://127.0.0.1",
        "https://evil.example",
    ],
)
def test_s7_an_endpoint_that_is_neither_the_vendors_nor_loopback_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(errors.InvalidArgumentError):
        vw.VODUpload(endpoint=endpoint)


def test_s7_the_vendors_api_is_spoken_to_by_https_whatever_was_given() -> None:
    from vod_widget.addresses import check_api_endpoint

    assert check_api_endpoint("http://vod.cn-shanghai.aliyuncs.com") == "https://vod.cn-shanghai.aliyuncs.com"


def test_s7_the_vendors_storage_is_spoken_to_by_https_whatever_the_address_says() -> None:
    from vod_widget.addresses import check_address
    from vod_widget.model import UploadAddress

    for scheme in ("", "http://", "https://"):
        given = UploadAddress(f"{scheme}oss-cn-shanghai.aliyuncs.com", "bucket-1", "a/b.mp4")
        checked = check_address(given, "cn-shanghai", loopback_allowed=False)
        assert checked.endpoint == "https://oss-cn-shanghai.aliyuncs.com"
    for loopback in ("http://127.0.0.1:80", "http://localhost", "http://[::1]:8080"):
        with pytest.raises(errors.EndpointRefusedError):
            check_address(UploadAddress(loopback, "bucket-1", "a"), "cn-shanghai", loopback_allowed=False)


def test_s10_there_is_no_switch_that_turns_the_check_of_certificates_off() -> None:
    words = [option.name for option in OPTIONS]
    assert [word for word in words if "verify" in word or "insecure" in word or "tls" in word or "ssl" in word] == []
    for path in (ROOT / "vod_widget").rglob("*.py"):
        if "node_modules" in path.parts or "emulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname", "cert_reqs"}:
                assert ast.unparse(node.value) not in {"False", "0", "ssl.CERT_NONE", "'CERT_NONE'"}, path
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"CERT_NONE", "_create_unverified_context"}, path


HOSTILE = [
    "https://oss-cn-shanghai.aliyuncs.com.evil.example",
    "https://oss-cn-shanghai.aliyuncs.com@evil.example",
    "https://evil.example/oss-cn-shanghai.aliyuncs.com",
    "https://evil.example#oss-cn-shanghai.aliyuncs.com",
    "https://evil.example\\oss-cn-shanghai.aliyuncs.com",
    "https://oss-cn-shanghai.aliyuncs.com:8443",
    "https://oss-cn-shanghai。aliyuncs。com",
    "https://oss-cn-shanghai.aliyuncs.com%2eevil.example",
    "https://169.254.169.254",
    "https://100.100.100.200",
    "https://[::ffff:10.0.0.1]",
    "https://2130706433",
    "https://0x7f.1",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("endpoint", HOSTILE)
def test_s11_an_upload_address_elsewhere_gets_no_byte_and_no_token(tmp_path: Path, endpoint: str) -> None:
    """The application answers with it, as a compromised server would; the network guard would see any try."""
    encoded = base64.b64encode(
        json.dumps({"Endpoint": endpoint, "Bucket": "bucket-1", "FileName": "a/b.mp4"}).encode()
    ).decode()
    auth = base64.b64encode(
        json.dumps(
            {
                "AccessKeyId": "STS.x",
                "AccessKeySecret": "secret-of-the-grant",
                "SecurityToken": "token-of-the-grant",
                "Expiration": "3000",
                "ExpireUTCTime": "2099-01-01T00:00:00Z",
                "Region": "cn-shanghai",
            }
        ).encode()
    ).decode()
    up = vw.VODUpload(get_auth=lambda _: {"UploadAuth": auth, "UploadAddress": encoded, "VideoId": "v" * 32})
    up.checkpoint_dir = str(tmp_path)
    with up:
        info = up.add_file(b"x", name="clip.mp4")
        up.run(60)
        assert info.state == "Failure"
        assert info.error.code.startswith(("Endpoint", "InvalidUploadAuth", "Protocol"))
        assert "secret-of-the-grant" not in str(info.error)
        assert "token-of-the-grant" not in str(info.error)
