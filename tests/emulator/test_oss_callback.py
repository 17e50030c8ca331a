"""What OSS does with other servers: callbacks of uploads, and objects that it fetches itself."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from tests.emulator.raw import Grant, Keys, Reply, call, complete, create, initiate, oss, owner, put_part
from tests.emulator.shop import BUCKET, Shop
from tests.emulator.test_oss_forms import policy_of, post, signed
from tests.helpers.until import until
from vod_widget.emulator import Emulator, Switches


class App:
    """A server that hears of uploads; its path says what it answers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.release = threading.Event()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                app.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                app.release.wait(100 if "/slow" in self.path else 0)
                self.send_response(500 if "/broken" in self.path else 200)
                said = b"no json" if "/rubbish" in self.path else b'{"Status":"OK"}'
                self.send_header("Content-Length", str(len(said)))
                with suppress(OSError):  # nobody may be there any more
                    self.end_headers()
                    self.wfile.write(said)

            def log_message(self, *args: Any) -> None:
                del args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def app() -> Iterator[App]:
    made = App()
    yield made
    made.release.set()
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def wish(url: str, body: str = "key=${object}&size=${size}&who=${x:who}", **more: object) -> str:
    return encoded({"callbackUrl": url, "callbackBody": body, **more})


# --- callbacks -------------------------------------------------------------------------------


def test_a_server_is_told_of_an_upload_and_answers_its_client(app: App, grant: Grant) -> None:
    headers = {
        "x-oss-callback": wish(f"{app.base}/hook?a=1", callbackHost="app.test", additionalHeaders={"x-more": "1"}),
        "x-oss-callback-var": encoded({"x:who": "a&b 世"}),
    }
    answer = oss(grant, "PUT", body=b"12345", headers=headers)
    assert (answer.status, answer.json) == (200, {"Status": "OK"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == f'"{hashlib.md5(b"12345").hexdigest().upper()}"'
    ((path, heard, body),) = app.heard
    assert (path, heard["host"], heard["x-more"]) == ("/hook?a=1", "app.test", "1")
    assert heard["user-agent"] == "aliyun-oss-callback"
    assert heard["content-type"] == "application/x-www-form-urlencoded"
    assert heard["content-md5"] == base64.b64encode(hashlib.md5(body).digest()).decode()
    assert parse_qs(body.decode()) == {"key": [grant.key], "size": ["5"], "who": ["a&b 世"]}


def test_a_body_may_be_json_of_any_fact(app: App, grant: Grant) -> None:
    names = ("bucket", "object", "etag", "mimeType", "crc64", "contentMd5", "operation", "reqId", "clientIp", "nothing")
    body = "{" + ", ".join(f'"{name}": ${{{name}}}' for name in (*names, "size")) + "}"
    sent = wish(f"{app.base}/", body, callbackBodyType="application/json")
    answer = oss(grant, "PUT", body=b"12345", headers={"x-oss-callback": sent, "Content-Type": 'text/"x"'})
    told = json.loads(app.heard[0][2])
    assert (told["object"], told["size"], told["mimeType"], told["nothing"]) == (grant.key, 5, 'text/"x"', "")
    assert (told["etag"], told["crc64"]) == (
        answer.headers["etag"].strip('"'),
        answer.headers["x-oss-hash-crc64ecma"],
    )
    assert (told["operation"], told["reqId"]) == ("PutObject", answer.headers["x-oss-request-id"])


def test_complete_and_forms_call_back_too(app: App, grant: Grant) -> None:
    upload_id = initiate(grant)
    etag = put_part(grant, upload_id, 1, b"part").headers["etag"]
    answer = complete(grant, upload_id, [(1, etag)], headers={"x-oss-callback": wish(f"{app.base}/complete")})
    assert answer.json == {"Status": "OK"}
    fields = {"key": grant.key, **signed(policy_of(), grant.keys), "callback": wish(f"{app.base}/form"), "x:who": "me"}
    assert post(grant, fields).json == {"Status": "OK"}
    assert [path for path, _, _ in app.heard] == ["/complete", "/form"]
    assert b"who=me" in app.heard[1][2]


def test_a_signed_url_may_name_the_callback(app: App, grant: Grant) -> None:
    query = f"callback={quote(wish(f'{app.base}/by-url'), safe='')}"
    assert oss(grant, "PUT", query, b"x").json == {"Status": "OK"}
    assert oss(grant, "GET").body == b"x"


@pytest.mark.parametrize(
    ("path", "said"),
    [("/broken", "Error status : 500."), ("/rubbish", "not valid json"), ("http://192.0.2.1/", "can not connect")],
)
def test_a_failed_callback_is_203_and_the_object_is_there(app: App, grant: Grant, path: str, said: str) -> None:
    url = app.base + path if path.startswith("/") else path
    answer = oss(grant, "PUT", body=b"stored", headers={"x-oss-callback": wish(url)})
    assert (answer.status, answer.code) == (203, "CallbackFailed")
    assert said in (answer.text("Message") or "")
    assert oss(grant, "GET").body == b"stored"


def test_the_next_address_is_tried(app: App, grant: Grant) -> None:
    urls = f"{app.base}/broken;{app.base}/good;{app.base}/never"
    assert oss(grant, "PUT", body=b"x", headers={"x-oss-callback": wish(urls)}).status == 200
    assert [path for path, _, _ in app.heard] == ["/broken", "/good"]


@pytest.mark.parametrize(
    ("value", "ec"),
    [
        ("x123-*&", "0007-00000002"),
        (base64.b64encode(b"no json").decode(), None),
        (encoded([]), None),
        (wish("www.callback-example.com:test"), "0007-00000004"),
        (wish("ftp://127.0.0.1/"), "0007-00000004"),
        (wish(";".join(f"http://127.0.0.1/{n}" for n in range(6))), "0007-00000005"),
        (wish("http://127.0.0.1/", ""), "0007-00000011"),
        (wish("http://127.0.0.1/", callbackBodyType="text/plain"), "0007-00000012"),
        (wish("http://127.0.0.1/", additionalHeaders={"x-oss-test": "1"}), "0007-00000026"),
        (wish("http://127.0.0.1/", additionalHeaders={"a": "b\r\nc: d"}), "0007-00000026"),
        (wish("http://127.0.0.1/", callbackHost="a\r\nb: c"), None),
        (encoded({"callbackPolicy": "none"}), None),
    ],
)
def test_a_callback_that_cannot_be_understood_is_refused_before_the_effect(
    emulator: Emulator, grant: Grant, value: str, ec: str | None
) -> None:
    for answer in (
        oss(grant, "PUT", body=b"x", headers={"x-oss-callback": value}),
        post(grant, {"key": grant.key, **signed(policy_of(), grant.keys), "callback": value}),
    ):
        assert (answer.status, answer.code, answer.text("EC")) == (400, "InvalidArgument", ec)
    assert oss(grant, "GET").code == "NoSuchKey"


def test_a_callback_without_an_address_is_none(grant: Grant) -> None:
    answer = oss(grant, "PUT", body=b"x", headers={"x-oss-callback": encoded({"callbackBody": "a=b"})})
    assert (answer.status, answer.body) == (200, b"")


def test_an_emulator_that_closes_waits_for_no_callback(app: App) -> None:
    with Emulator() as emulator:
        grant = create(emulator)
        headers: dict[str, str | None] = {"x-oss-callback": wish(f"{app.base}/slow")}
        client = threading.Thread(target=_put_in_vain, args=(grant, headers))
        client.start()
        until(lambda: app.heard, "the callback is heard")
    client.join(60)
    assert not client.is_alive(), "its connection has ended, though the callback's server has not answered"
    assert not app.release.is_set()


def _put_in_vain(grant: Grant, headers: dict[str, str | None]) -> None:
    with suppress(OSError, http.client.HTTPException):
        oss(grant, "PUT", body=b"x", headers=headers)


def test_a_bucket_keeps_callbacks_by_name(app: App, shop: Shop) -> None:
    item = "<PolicyItem><PolicyName>{}</PolicyName><Callback>{}</Callback><CallbackVar>{}</CallbackVar></PolicyItem>"
    document = f"<BucketCallbackPolicy>{item.format('p', wish(f'{app.base}/kept'), encoded({'x:who': 'kept'}))}"
    document += "</BucketCallbackPolicy>"
    query = "policy&comp=callback"
    assert shop.ask("GET", "", query).code == "BucketCallbackPolicyNotExist"
    for bad in (item.format("", wish("http://a/"), ""), item.format("p", "x123-*&", ""), "<Other/>"):
        assert shop.ask("PUT", "", query, f"<BucketCallbackPolicy>{bad}</BucketCallbackPolicy>").status == 400
    assert shop.ask("PUT", "", query, document).status == 200
    assert shop.ask("GET", "", query).text("PolicyItem/PolicyName") == "p"
    assert shop.ask("GET", "", "policy").code == "NoSuchBucketPolicy"
    assert shop.ask("PUT", "a", body=b"x", x_oss_callback=encoded({"callbackPolicy": "p"})).json == {"Status": "OK"}
    assert b"who=kept" in app.heard[0][2]
    assert shop.ask("DELETE", "", query).status == 204
    assert shop.ask("PUT", "a", body=b"x", x_oss_callback=encoded({"callbackPolicy": "p"})).status == 400


# --- fetches ---------------------------------------------------------------------------------


def fetch(shop: Shop, url: str, key: str = "got", **more: str) -> Reply:
    said = {"Url": url.replace("&", "&amp;"), "Object": key, **more}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    body = f"<AsyncFetchTaskConfiguration>{inner}</AsyncFetchTaskConfiguration>".encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    return shop.ask("POST", "", "asyncFetch", body, Content_MD5=digest)


def fetched(emulator: Emulator, shop: Shop, url: str, **more: str) -> Reply:
    made = fetch(shop, url, **more)
    assert made.status == 200, made.body
    assert emulator.settle()
    return shop.ask("GET", "", "asyncFetch", x_oss_task_id=made.text("TaskId") or "")


def source(emulator: Emulator, shop: Shop, data: bytes = b"the source") -> str:
    """Return a signed address of an object here, by the vendor's name."""
    shop.put("source", data, Content_Type="text/css")
    path = emulator.cloud.sign_url("https://oss-cn-shanghai.aliyuncs.com", BUCKET, "source", 60)
    return path.replace("https://", "http://")


def test_an_object_is_fetched_from_the_vendors_name_which_is_here(emulator: Emulator, shop: Shop) -> None:
    digest = base64.b64encode(hashlib.md5(b"the source").digest()).decode()
    url = source(emulator, shop)
    shown = fetched(emulator, shop, url, ContentMD5=digest)
    assert (shown.text("State"), shown.text("ErrorMsg")) == ("Success", "")
    assert (shown.text("TaskInfo/Url"), shown.text("TaskInfo/ContentMD5")) == (url, digest)
    got = shop.ask("GET", "got")
    assert (got.body, got.headers["content-type"]) == (b"the source", "text/css")


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("http://192.0.2.1/a", {}),
        ("http://127.0.0.1:1/a", {}),
        ("", {"ContentMD5": base64.b64encode(bytes(16)).decode()}),
    ],
)
def test_a_fetch_that_fails_says_so(emulator: Emulator, shop: Shop, url: str, more: dict[str, str]) -> None:
    shown = fetched(emulator, shop, url or source(emulator, shop), **more)
    assert shown.text("State") == "Failed"
    assert shown.text("ErrorMsg")
    assert shop.ask("GET", "got").code == "NoSuchKey"


def test_a_fetch_calls_back(emulator: Emulator, app: App, shop: Shop) -> None:
    url = source(emulator, shop)
    assert fetched(emulator, shop, url, Callback=wish(f"{app.base}/")).text("State") == "Success"
    assert app.heard[0][2].startswith(b"key=got&size=10")
    shown = fetched(emulator, shop, url, Callback=wish(f"{app.base}/broken"), IgnoreSameKey="false")
    assert (shown.text("State"), shown.text("ErrorMsg")) == ("FetchSuccessCallbackFailed", "Error status : 500.")
    nowhere = "http://127.0.0.1:1/a"
    fetched(emulator, shop, nowhere, Callback=wish(f"{app.base}/never"), IgnoreSameKey="false")
    told = wish(f"{app.base}/told")
    shown = fetched(emulator, shop, nowhere, Callback=told, IgnoreSameKey="false", CallbackWhenFailed="true")
    assert shown.text("State") == "Failed"
    assert [path for path, _, _ in app.heard] == ["/", "/broken", "/told"]


def test_wrong_fetches_are_refused(emulator: Emulator, shop: Shop) -> None:
    url = "http://127.0.0.1:1/a"
    for more, code in (
        ({"Url": "moon"}, "InvalidArgument"),
        ({"Object": ""}, "InvalidArgument"),
        ({"Object": "/a"}, "InvalidObjectName"),
        ({"ContentMD5": "short"}, "InvalidDigest"),
        ({"IgnoreSameKey": "maybe"}, "InvalidArgument"),
        ({"Callback": "x123-*"}, "InvalidArgument"),
    ):
        assert fetch(shop, **{"url": url, **more}).code == code, more
    shop.put("there", b"x")
    assert fetch(shop, url, "there").code == "ObjectAlreadyExists"
    assert shop.ask("POST", "", "asyncFetch", b"<AsyncFetchTaskConfiguration/>").code == "MissingArgument"
    assert shop.ask("GET", "", "asyncFetch", x_oss_task_id="none").code == "NoSuchAsyncFetchTask"
    assert emulator.cloud.fetches.tasks == {}


def test_a_fetch_needs_the_right_to_put_its_object() -> None:
    with Emulator(switches=Switches(role_actions=("oss:PutObject", "oss:PutBucket", "sts:*"))) as emulator:
        assert Shop(create(emulator), owner(emulator)).ask("PUT", "").status == 200
        policy = {"Effect": "Allow", "Action": "oss:PutObject", "Resource": ["*/mine*", f"*:{BUCKET}"]}
        session = json.dumps({"Version": "1", "Statement": [policy]})
        named = {"RoleArn": emulator.role_arn, "RoleSessionName": "me", "Policy": session}
        made = call(emulator, "AssumeRole", named).json["Credentials"]
        role = Shop(create(emulator), Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"]))
        assert fetch(role, "http://127.0.0.1:1/a", "mine").status == 200
        assert fetch(role, "http://127.0.0.1:1/a", "yours").code == "AccessDenied"
