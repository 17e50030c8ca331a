"""No secret in any log at DEBUG, in the text of an error, in its chain, or in the variables of its frames."""

from __future__ import annotations

import base64
import io
import json
import logging

import pytest

from tests.helpers.raw_server import Peer, RawServer, answering
from tests.protocol.support import (
    KEY_ID,
    SECRET,
    TOKEN,
    Bytes,
    WallClock,
    address,
    leaked,
    printed,
    sts_credentials,
    upload_auth,
)
from vod_widget import errors
from vod_widget.model import UploadMetadata
from vod_widget.oss import OssStore
from vod_widget.vod_api import SdkVodApi

# What a server says of a wrong signature repeats what was signed, token included (seen with the vendor's).
ECHO = (
    f"<Error><Code>SignatureDoesNotMatch</Code><Message>wrong, x-oss-security-token:{TOKEN}</Message>"
    f"<StringToSign>PUT x-oss-security-token:{TOKEN} /b/k</StringToSign><OSSAccessKeyId>{KEY_ID}</OSSAccessKeyId></Error>"
).encode()
RPC_ECHO = json.dumps(
    {
        "Code": "SignatureDoesNotMatch",
        "RequestId": "R",
        "Message": f"not a match. server string to sign is:POST&%2F&AccessKeyId%3D{KEY_ID}%26SecurityToken%3D{TOKEN}",
    }
).encode()


@pytest.fixture
def all_logs(caplog):
    """Everything that any logger writes at DEBUG, as every handler gets it."""
    caplog.set_level(logging.DEBUG)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in ("oss2", "urllib3", "aliyunsdkcore")]
    levels = {}
    for name in names:
        logger = logging.getLogger(name)
        levels[name] = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    yield lambda: stream.getvalue() + caplog.text
    for name in names:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).setLevel(levels[name])


@pytest.fixture
def edges():
    store, api = OssStore(WallClock(), pool_size=1, read_timeout_s=60), SdkVodApi(WallClock(), timeout_s=60)
    yield store, api
    store.close()
    api.close()


def create(api: SdkVodApi, endpoint: str):
    session = api.open(sts_credentials(), "cn-shanghai", endpoint)
    return session.create_upload_video(
        UploadMetadata(title="t"), file_name="a.mp4", size_bytes=1, reference_id="r" * 16
    )


def test_s5_a_successful_call_logs_no_secret(edges, all_logs, capfd, monkeypatch):
    monkeypatch.setenv("DEBUG", "sdk")
    import http.client

    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    store, api = edges
    grant = {
        "VideoId": "v" * 32,
        "RequestId": "R",
        "UploadAuth": encoded(AccessKeyId=KEY_ID, AccessKeySecret=SECRET, SecurityToken=TOKEN, Expiration="3000"),
        "UploadAddress": encoded(Endpoint="https://oss.example", Bucket="bbb", FileName="k"),
    }
    stored = (200, json.dumps(grant).encode(), {"ETag": '"AB"'})
    with RawServer(answering(stored)) as server:
        store.open(upload_auth(), address(server.endpoint)).put_object(Bytes(b"x"), {})
        assert create(api, server.endpoint).media_id == "v" * 32
    logs = all_logs()
    assert "Make signature" in logs  # the logs were really on
    assert leaked(logs) == []
    assert "reply:" not in capfd.readouterr().out
    assert SECRET not in server.requests[1].body.decode()


def encoded(**fields: str) -> str:
    return base64.b64encode(json.dumps(fields).encode()).decode()


def hang_up(peer: Peer) -> None:
    peer.read_head()
    peer.reset()


@pytest.mark.parametrize(
    "script",
    [
        answering((403, ECHO, {})),
        answering((400, RPC_ECHO, {})),
        answering((200, ECHO, {})),
        answering((200, RPC_ECHO, {})),
        answering((500, ECHO + RPC_ECHO, {})),
        answering((307, b"", {"Location": f"http://127.0.0.1:1/?security-token={TOKEN}"})),
        hang_up,
    ],
    ids=["oss echo", "rpc echo", "oss 200", "rpc 200", "both 500", "redirect", "reset"],
)
def test_s4_no_error_shows_a_secret(edges, all_logs, script):
    store, api = edges
    with RawServer(script) as server:
        session = store.open(upload_auth(), address(server.endpoint))
        for call in (
            lambda: session.put_object(Bytes(b"x" * 10), {}),
            lambda: session.init_multipart({}),
            lambda: session.complete("U", (), {}),
            lambda: create(api, server.endpoint),
            lambda: api.assume_role(sts_credentials(), "acs:ram::1:role/r", "name", endpoint=server.endpoint),
        ):
            with pytest.raises(errors.VODError) as caught:
                call()
            assert caught.value.__context__ is None
            assert leaked(printed(caught.value)) == []
    assert leaked(all_logs()) == []


def test_an_unreadable_grant_shows_none_of_its_secrets(edges):
    _, api = edges
    half = {
        "VideoId": "v",
        "UploadAuth": encoded(AccessKeyId=KEY_ID, AccessKeySecret=SECRET, Expiration="3000"),
        "UploadAddress": "",
    }
    body = json.dumps(half).encode()
    with RawServer(answering((200, body, {}))) as server, pytest.raises(errors.UnexpectedAnswerError) as caught:
        create(api, server.endpoint)
    assert caught.value.code == "Protocol.Auth"
    assert "SecurityToken" in caught.value.message  # the field's name
    shown = printed(caught.value)
    assert leaked(shown) == []
    assert half["UploadAuth"] not in shown


def test_s1_reprs_show_no_secret(edges):
    store, api = edges
    session = store.open(upload_auth(), address("https://oss-cn-shanghai.aliyuncs.com"))
    control = api.open(sts_credentials(), "cn-shanghai", None)
    assert leaked(repr((store, api, session, control, vars(session), vars(control)))) == []


def test_s5_the_filter_is_put_once_on_each_logger(edges):
    from vod_widget.secret import RedactingFilter

    OssStore(WallClock(), pool_size=1).close()
    SdkVodApi(WallClock()).close()
    for name in ("oss2.auth", "oss2.http", "oss2.api", "urllib3.connectionpool", "aliyunsdkcore.http.http_response"):
        assert [type(f) for f in logging.getLogger(name).filters].count(RedactingFilter) == 1
