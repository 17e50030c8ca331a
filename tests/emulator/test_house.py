"""Health, the admin API behind its secret, and the page."""

from __future__ import annotations

import json
import threading
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.emulator.raw import STORED, Reply, call, create, initiate, oss, put_part, send
from vod_widget.emulator import Emulator
from vod_widget.emulator.faults import ACTIONS

ADMIN = "/_emulator/admin/"


def admin(emulator: Emulator, method: str, path: str, value: Any = None, **headers: str) -> Reply:
    sent = {"Authorization": f"Bearer {emulator.admin_secret}", **headers}
    return send(emulator.endpoint, method, ADMIN + path, sent, None if value is None else json.dumps(value))


# --- health ------------------------------------------------------------------------------


def test_health_needs_no_secret(emulator: Emulator) -> None:
    answer = send(emulator.endpoint, "GET", "/_emulator/health", {})
    assert (answer.status, answer.json) == (200, {"service": "vod_widget.emulator"})


@pytest.mark.parametrize("host", ["evil.example", "vod.cn-shanghai.aliyuncs.com", "my-bucket.localhost", "0.0.0.0"])
def test_own_paths_answer_to_loopback_names_only(emulator: Emulator, host: str) -> None:
    for path in ("/_emulator/health", "/_emulator/admin/state", "/"):
        answer = send(
            emulator.endpoint, "GET", path, {"Host": host, "Authorization": f"Bearer {emulator.admin_secret}"}
        )
        assert answer.status != 200
        assert b"vod_widget.emulator" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:80"])
def test_every_loopback_name_is_fine(emulator: Emulator, host: str) -> None:
    assert send(emulator.endpoint, "GET", "/_emulator/health", {"Host": host}).status == 200


# --- who may -----------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [None, "", "Bearer", "Bearer x", "Basic x", "Bearer \xff"])
def test_the_admin_api_wants_its_secret(emulator: Emulator, auth: str | None) -> None:
    headers = {} if auth is None else {"Authorization": auth}
    for method, path in (("GET", "state"), ("POST", "reset"), ("DELETE", "faults"), ("POST", "clock")):
        assert send(emulator.endpoint, method, ADMIN + path, headers, "{}").status == 401


def test_no_page_of_a_browser_gets_in(emulator: Emulator) -> None:
    origin = {"Origin": "http://localhost:8888"}
    answer = admin(emulator, "GET", "state", **origin)
    assert "access-control-allow-origin" not in answer.headers
    ask = {**origin, "Access-Control-Request-Method": "POST"}
    assert send(emulator.endpoint, "OPTIONS", ADMIN + "reset", ask).status == 401
    assert "access-control-allow-origin" not in send(emulator.endpoint, "GET", "/", origin).headers


def test_the_secret_is_in_no_log_and_no_repr(emulator: Emulator) -> None:
    admin(emulator, "GET", "state")
    texts = [repr(emulator), repr(emulator.requests), send(emulator.endpoint, "GET", "/", {}).body.decode()]
    assert not any(emulator.admin_secret in text for text in texts)


def test_a_get_changes_nothing(emulator: Emulator) -> None:
    create(emulator)
    for path in ("reset", "clock", "faults/1/release", "nothing"):
        assert admin(emulator, "GET", path).status == 404
    assert len(emulator.assets) == 1


# --- what it does ------------------------------------------------------------------------


def test_state_requests_and_reset(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    put_part(grant, upload_id, 3, b"x")
    oss(grant, "PUT", "", b"x")
    state = admin(emulator, "GET", "state").json
    assert state["assets"][0]["media_id"] == grant.media_id
    assert state["assets"][0]["status"] in STORED
    assert state["unfinished_uploads"][0]["parts"] == [3]
    assert state["events"][0]["event_type"] == "FileUploadComplete"
    rows: Any = json.loads(admin(emulator, "GET", "requests").body)
    assert [row["op"] for row in rows[:2]] == ["CreateUploadVideo", "InitiateMultipartUpload"]
    newer: Any = json.loads(admin(emulator, "GET", f"requests?after={rows[1]['number']}").body)
    assert newer[0]["op"] == "UploadPart"
    assert admin(emulator, "POST", "reset", {}).status == 200
    assert emulator.assets == []


def test_the_clock_moves(emulator: Emulator) -> None:
    assert admin(emulator, "POST", "clock", {"advance_s": 3001}).json == {"advanced_s": 3001, "skew_s": 0}
    assert admin(emulator, "POST", "clock", {"skew_s": -7.5}).json == {"advanced_s": 3001, "skew_s": -7.5}
    for bad in ({"advance_s": -1}, {"advance_s": True}, {"skew_s": "1"}, {"x": 1}):
        assert admin(emulator, "POST", "clock", bad).status == 400


def test_faults_are_armed_listed_released_removed(emulator: Emulator) -> None:
    wanted = {"op": "GetVideoInfo", "action": {"kind": "Status", "status": 503, "code": "Busy"}, "times": 2}
    made = admin(emulator, "POST", "faults", wanted).json
    assert (made["id"], made["nth"], made["action"]["status"]) == (1, 1, 503)
    assert (call(emulator, "GetVideoInfo").status, call(emulator, "GetVideoInfo").status) == (503, 503)
    assert call(emulator, "GetVideoInfo").status == 400
    (listed,) = json.loads(admin(emulator, "GET", "faults").body)
    assert listed["fired"] == 2  # type: ignore[call-overload]
    admin(emulator, "POST", "faults", {"op": "*", "action": {"kind": "Throttle"}, "times": None})
    assert call(emulator, "GetCallerIdentity").code == "Throttling.User"
    assert admin(emulator, "DELETE", "faults/2").status == 200
    assert call(emulator, "GetCallerIdentity").status == 200
    assert admin(emulator, "DELETE", "faults/2").status == 404
    assert admin(emulator, "DELETE", "faults").status == 200
    assert json.loads(admin(emulator, "GET", "faults").body) == []


def test_a_stall_is_released_from_outside(emulator: Emulator) -> None:
    made = admin(emulator, "POST", "faults", {"op": "GetCallerIdentity", "action": {"kind": "Stall"}}).json
    answers: list[Reply] = []
    thread = threading.Thread(target=lambda: answers.append(call(emulator, "GetCallerIdentity")))
    thread.start()
    while emulator.faults.fired == []:
        thread.join(0.01)
    assert admin(emulator, "POST", f"faults/{made['id']}/release").status == 200
    thread.join(60)
    assert [answer.status for answer in answers] == [200]


def test_every_action_can_be_armed_by_its_name(emulator: Emulator) -> None:
    needed: dict[str, dict[str, Any]] = {"Status": {"status": 500}, "Redirect": {"location": "http://localhost/"}}
    names = [action.__name__ for action in ACTIONS] + ["Throttle", "WrongCrc", "NoCrc", "WrongETag", "NoETag"]
    for name in names:
        action = {"kind": name, **needed.get(name, {})}
        assert admin(emulator, "POST", "faults", {"op": "Never", "action": action}).status == 200, name


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"op": "X"},
        {"op": "X", "action": {"kind": "Explode"}},
        {"op": "X", "action": {"kind": "Status"}},
        {"op": "X", "action": {"kind": "Status", "status": "500"}},
        {"op": "X", "action": {"kind": "Status", "status": 500, "colour": 1}},
        {"op": "X", "action": {"kind": "Status", "status": 500, "headers": {"a": 1}}},
        {"op": "X", "action": {"kind": "Drip", "step_bytes": 0}},
        {"op": "X", "action": {"kind": "Drop"}, "nth": 0},
        {"op": "X", "action": {"kind": "Drop"}, "nth": True},
        {"op": "X", "action": {"kind": "Drop"}, "when": "later"},
        {"op": "X", "action": {"kind": "CorruptBody"}, "when": "after"},
        {"op": "X", "action": {"kind": "Drop"}, "unknown": 1},
        {"op": 3, "action": {"kind": "Drop"}},
        ["op"],
    ],
)
def test_bad_faults_are_refused(emulator: Emulator, wanted: Any) -> None:
    assert admin(emulator, "POST", "faults", wanted).status == 400
    assert emulator.faults.armed == []


def test_a_body_that_is_no_json(emulator: Emulator) -> None:
    headers = {"Authorization": f"Bearer {emulator.admin_secret}"}
    assert send(emulator.endpoint, "POST", ADMIN + "clock", headers, "{").status == 400


# --- drip --------------------------------------------------------------------------------


def test_drip_sends_all_of_it_slowly(emulator: Emulator) -> None:
    from vod_widget.emulator.faults import Drip

    grant = create(emulator)
    oss(grant, "PUT", "", b"0123456789")
    emulator.faults.add(op="GetObject", action=Drip(step_bytes=3, pause_s=0.001))
    assert oss(grant, "GET").body == b"0123456789"
    emulator.faults.add(op="GetCallerIdentity", action=Drip(step_bytes=50, pause_s=0.001))
    assert call(emulator, "GetCallerIdentity").json["AccountId"] == emulator.account_id
    fault = emulator.faults.add(op="GetObject", action=Drip(pause_s=3600))
    got: list[Reply] = []
    thread = threading.Thread(target=lambda: got.append(oss(grant, "GET")))
    thread.start()
    thread.join(0.1)
    assert got == []
    fault.release()
    thread.join(60)
    assert got[0].body == b"0123456789"


# --- the page ----------------------------------------------------------------------------

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"


class Page(HTMLParser):
    """Every tag with its attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(emulator: Emulator) -> tuple[Reply, Page]:
    answer = send(emulator.endpoint, "GET", "/", {})
    return answer, Page(answer.body.decode())


def test_the_page_shows_what_is_there(emulator: Emulator) -> None:
    grant = create(emulator, Title="My talk", Description="about it", Tags="a,b")
    oss(grant, "PUT", "", b"film")
    image = call(emulator, "CreateUploadImage", {"ImageType": "default", "Title": "A picture"}).json
    other = create(emulator, Title="half")
    upload_id = initiate(other)
    put_part(other, upload_id, 1, b"12345")
    answer, page = page_of(emulator)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for text in (
        "My talk",
        "about it",
        "A picture",
        "half",
        upload_id,
        "CreateUploadVideo",
        "UploadPart",
    ):
        assert text in page.text
    assert any(status in page.text for status in STORED)
    assert image["ImageId"] in page.text
    (video,) = [attrs for tag, attrs in page.tags if tag == "video"]
    assert send(emulator.endpoint, "GET", video["src"] or "", {}).body == b"film"
    part = send(emulator.endpoint, "GET", video["src"] or "", {"Range": "bytes=1-2"})
    assert (part.status, part.body) == (206, b"il")


def test_the_page_escapes_everything(emulator: Emulator) -> None:
    create(emulator, Title=NASTY, Description=NASTY, Tags="<b>", FileName="<i>.mp4")
    send(emulator.endpoint, "GET", f"/{emulator.bucket}/%3Cscript%3E?uploadId=%3Cscript%3E", {})
    answer, page = page_of(emulator)
    assert {tag for tag, _ in page.tags} & {"script", "b", "i", "iframe", "object", "form"} == set()
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert NASTY in page.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_api_is_still_there(emulator: Emulator) -> None:
    assert send(emulator.endpoint, "GET", "/?Format=JSON", {}).code == "MissingAction"
    assert send(emulator.endpoint, "POST", "/", {}).code == "MissingAction"
