"""`aliyun-upload-vod`, the vendor's browser SDK, judges the emulator from a page in Chromium.

The page believes it speaks to the vendor's hosts: Chromium resolves those names to the emulator, so bucket names in Host,
TLS, preflights and exposed headers are all met for real.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.harness import CHROMIUM_FLAGS, chromium_path
from tests.emulator.conftest import CLIENTS
from tests.emulator.raw import call
from tests.helpers.media import Media
from vod_widget.emulator import Emulator, Switches
from vod_widget.emulator.faults import ExpireToken

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DATA = random.Random(11).randbytes(450_000)
SCRIPTS = (
    CLIENTS / "node_modules/ali-oss/dist/aliyun-oss-sdk.min.js",
    CLIENTS / "node_modules/aliyun-upload-vod/dist/aliyun-upload-vod.js",
)

# One uploader; `says` holds what its callbacks said, `ended` is fulfilled by the last of them.
UPLOADER = """
(given) => {
  window.says = [];
  window.ended = new Promise((resolve) => {
    const say = (name, resolved) => (item, ...rest) => {
      window.says.push([name, ...rest.filter((one) => typeof one === "string")]);
      if (resolved) resolve(name);
    };
    window.uploader = new AliyunUpload.Vod({
      userId: "1", region: given.region, partSize: 102400, parallel: 3, retryCount: 0,
      addFileSuccess: say("add"),
      onUploadstarted: (item) => { window.says.push(["start"]); given.sts ? window.useToken(item) : window.useAuth(item); },
      onUploadProgress: () => {},
      onUploadSucceed: say("success"),
      onUploadFailed: say("failed", true),
      onUploadCanceled: say("canceled"),
      onUploadTokenExpired: () => { window.says.push(["expired"]); window.renew(); },
      onUploadEnd: () => { window.says.push(["end"]); resolve("end"); },
    });
  });
  window.useAuth = (item) => window.uploader.setUploadAuthAndAddress(item, given.auth, given.address, given.video_id);
  window.useToken = (item) => window.uploader.setSTSToken(item, given.key, given.secret, given.token);
  window.renew = async () => window.uploader.resumeUploadWithAuth(await window.freshAuth());
  for (const file of document.querySelector("input").files)
    window.uploader.addFile(file, null, null, null, '{"Vod":{"Title":"From a page","CateId":5}}');
  window.uploader.startUpload();
  return window.ended;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """A page of this machine, which the browser must see arrive from this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<input type=file multiple>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk ü.mp4"
    path.write_bytes(DATA)
    return path


def open_page(chromium: Any, origin: str, emulator: Emulator, *, secure: bool) -> Any:
    """A page with the SDK, for which the vendor's hosts are the emulator, and no other host exists."""
    port = urlsplit(emulator.tls_endpoint if secure else emulator.endpoint).port
    services = ",".join(f"MAP {name}.aliyuncs.com 127.0.0.1:{port}" for name in ("vod.*", "*.oss-*"))
    rules = f"{services},MAP * ~NOTFOUND,EXCLUDE 127.0.0.1"  # the SDK's telemetry finds nobody
    flags = [*CHROMIUM_FLAGS, f"--host-resolver-rules={rules}", "--ignore-certificate-errors"]
    page = chromium.launch(executable_path=chromium_path(), args=flags).new_page()
    page.goto(origin)
    for script in SCRIPTS:
        page.add_script_tag(path=script)
        page.evaluate("void (window['ali-oss'] = window.OSS)")
    return page


def upload(page: Any, *files: Path, **given: Any) -> list[list[str]]:
    """Upload files, close the browser, and return what the callbacks said."""
    page.set_input_files("input", files)
    page.evaluate(UPLOADER, {"region": "cn-shanghai", **given})
    said: list[list[str]] = page.evaluate("says")
    page.context.browser.close()
    return said


@pytest.mark.parametrize("secure", [False, True])
def test_an_upload_auth_serves_it(node: str, browser: Any, origin: str, talk: Path, secure: bool) -> None:
    scheme = "https" if secure else "http"
    with Emulator(tls_port=0, oss_endpoint=f"{scheme}://oss-cn-shanghai.aliyuncs.com") as emulator:
        made = call(emulator, "CreateUploadVideo", {"Title": "talk", "FileName": "talk.mp4"}).json
        given = {"auth": made["UploadAuth"], "address": made["UploadAddress"], "video_id": made["VideoId"]}
        said = upload(open_page(browser, origin, emulator, secure=secure), talk, **given)
        assert said == [["add"], ["start"], ["success"], ["end"]]
        assert emulator.object_path(made["VideoId"]).read_bytes() == DATA
        assert emulator.unfinished_uploads == []
        seen = [record for record in emulator.requests if record.op != "CreateUploadVideo"]
        assert {record.host for record in seen} == {f"{emulator.bucket}.oss-cn-shanghai.aliyuncs.com"}
        assert {record.secure for record in seen} == {secure}
        assert [record.op for record in seen].count("UploadPart") == 5


def test_a_token_lets_the_page_create_its_videos_and_images(
    node: str, browser: Any, origin: str, talk: Path, media: Media
) -> None:
    switches = Switches(allow_missing_timestamp=True)  # this SDK sends none
    with Emulator(tls_port=0, oss_endpoint="https://oss-cn-shanghai.aliyuncs.com", switches=switches) as emulator:
        role = {"RoleArn": emulator.role_arn, "RoleSessionName": "page"}
        keys = call(emulator, "AssumeRole", role).json["Credentials"]
        given = {
            "sts": True,
            "key": keys["AccessKeyId"],
            "secret": keys["AccessKeySecret"],
            "token": keys["SecurityToken"],
        }
        page = open_page(browser, origin, emulator, secure=True)
        said = upload(page, talk, media.png, **given)
        assert said == [["add"], ["add"], ["start"], ["success"], ["start"], ["success"], ["end"]]
        video, image = emulator.assets
        assert (video.title, image.title) == ("From a page", "From a page")
        assert emulator.object_path(video.media_id).read_bytes() == DATA
        assert emulator.object_path(image.media_id).read_bytes() == media.png.read_bytes()


def test_it_resumes_with_a_new_credential_after_the_old_one_expired(
    node: str, browser: Any, origin: str, talk: Path
) -> None:
    with Emulator(oss_endpoint="http://oss-cn-shanghai.aliyuncs.com") as emulator:
        made = call(emulator, "CreateUploadVideo", {"Title": "talk", "FileName": "talk.mp4"}).json
        given = {"auth": made["UploadAuth"], "address": made["UploadAddress"], "video_id": made["VideoId"]}
        page = open_page(browser, origin, emulator, secure=False)
        refresh = {"VideoId": made["VideoId"]}
        page.expose_function("freshAuth", lambda: call(emulator, "RefreshUploadVideo", refresh).json["UploadAuth"])
        emulator.faults.add(op="UploadPart", part_number=3, action=ExpireToken())
        said = upload(page, talk, **given)
        assert said == [["add"], ["start"], ["expired"], ["success"], ["end"]]
        assert emulator.object_path(made["VideoId"]).read_bytes() == DATA
        assert [record.code for record in emulator.requests].count("SecurityTokenExpired") >= 1
        assert [record.op for record in emulator.requests].count("InitiateMultipartUpload") == 1


def test_a_refused_credential_is_seen_as_such(node: str, browser: Any, origin: str, talk: Path) -> None:
    with Emulator(oss_endpoint="http://oss-cn-shanghai.aliyuncs.com") as emulator:
        mine, other = (call(emulator, "CreateUploadVideo", {"Title": "t", "FileName": "a.mp4"}).json for _ in "12")
        given = {"auth": other["UploadAuth"], "address": mine["UploadAddress"], "video_id": mine["VideoId"]}
        said = upload(open_page(browser, origin, emulator, secure=False), talk, **given)
        assert said[:2] == [["add"], ["start"]]
        assert said[2][:2] == ["failed", "AccessDenied"]
