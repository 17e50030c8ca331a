"""What the service does by itself: pulls by URL, and callbacks over HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.raw import STORED, call, create, info, oss
from vod_widget.emulator import Emulator, Switches
from vod_widget.emulator.courier import Courier, host_is_here

DATA = bytes(range(256)) * 5000


class Site:
    """A small web server that remembers what it was sent."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/moved"):
                    self.send_response(302)
                    place = "/moved.mp4" if "round" in self.path else "/film.mp4"
                    self.send_header("Location", "http://192.0.2.1/film.mp4" if "away" in self.path else place)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if "huge" in self.path:
                    self.send_response(200)
                    self.send_header("Content-Length", str((5 << 30) + 1))
                    self.end_headers()
                    self.close_connection = True
                    return
                if "film" not in self.path and "short" not in self.path:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(len(DATA) + (9 if "short" in self.path else 0)))
                self.end_headers()
                self.wfile.write(DATA)
                self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.posts.append((self.path, json.loads(body)))
                site.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/slow":
                    site.release.wait(100)
                if self.path == "/drip":
                    self.drip()
                    return
                broken = self.path == "/broken" or (self.path == "/broken-once" and len(site.posts) == 1)
                self.send_response(500 if broken else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def drip(self) -> None:
                """Send a byte of a header now and then: no single read takes long."""
                self.close_connection = True
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not site.release.wait(0.05):
                        self.wfile.write(b".")

            def log_message(self, *args: Any) -> None:
                del args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def pull(emulator: Emulator, *urls: str, **params: str) -> list[str]:
    reply = call(emulator, "UploadMediaByURL", {"UploadURLs": ",".join(quote(u, safe="") for u in urls), **params})
    assert reply.status == 200, reply.body
    return [job["JobId"] for job in reply.json["UploadJobs"]]


def rows(emulator: Emulator, *job_ids: str) -> list[dict[str, Any]]:
    assert emulator.settle()
    return call(emulator, "GetURLUploadInfos", {"JobIds": ",".join(job_ids)}).json["URLUploadInfoList"]


# --- pulls -------------------------------------------------------------------------------


def test_a_file_is_really_pulled(emulator: Emulator, site: Site) -> None:
    url = f"{site.base}/film.mp4?a=1,2"
    metadata = json.dumps([{"SourceURL": quote(url, safe=""), "Title": "Pulled", "Tags": "a,b", "CateId": 4}])
    user_data = json.dumps({"Extend": {"n": 1}, "MessageCallback": {"CallbackURL": f"{site.base}/hook"}})
    (job_id,) = pull(emulator, url, UploadMetadatas=metadata, UserData=user_data)
    (row,) = rows(emulator, job_id)
    assert (row["Status"], row["UploadURL"], row["FileSize"]) == ("SUCCESS", url, str(len(DATA)))
    assert row["UserData"] == user_data
    video = info(emulator, row["MediaId"])
    assert (video["Title"], video["Tags"], video["CateId"], video["Size"]) == ("Pulled", "a,b", 4, len(DATA))
    assert emulator.object_path(row["MediaId"]).read_bytes() == DATA
    assert emulator.settle()
    (event,) = emulator.events
    assert (event.event_type, event.job_id, event.delivery) == ("UploadByURLComplete", job_id, "200")
    ((_, body),) = site.posts
    assert (body["JobId"], body["SourceURL"], body["Status"], body["Extend"]) == (job_id, url, "success", {"n": 1})


def test_redirects_are_followed_but_not_for_ever_and_not_away(emulator: Emulator, site: Site) -> None:
    ids = pull(emulator, f"{site.base}/moved.mp4", f"{site.base}/moved-round.mp4", f"{site.base}/moved-away.mp4")
    good, around, away = rows(emulator, *ids)
    assert good["Status"] == "SUCCESS"
    assert around["Status"] == "SUCCESS"
    assert (away["Status"], "loopback" in away["ErrorMessage"]) == ("DOWNLOAD_FAIL", True)


def test_failures_are_told(emulator: Emulator, site: Site) -> None:
    urls = [f"{site.base}/gone.mp4", f"{site.base}/short.mp4", "http://127.0.0.1:1/x.mp4", "http://192.0.2.1/x.mp4"]
    found = rows(emulator, *pull(emulator, *urls))
    assert [row["Status"] for row in found] == ["DOWNLOAD_FAIL"] * 4
    assert [row["ErrorCode"] for row in found] == ["DownloadFailed"] * 4
    assert "404" in found[0]["ErrorMessage"]
    assert "loopback" in found[3]["ErrorMessage"]
    assert emulator.assets == []
    assert [event.status for event in emulator.events] == ["fail"] * 4


def test_what_is_too_large_is_not_pulled_at_all(
    emulator: Emulator, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = rows(emulator, *pull(emulator, f"{site.base}/huge.mp4"))
    assert (row["Status"], row["ErrorMessage"]) == ("DOWNLOAD_FAIL", "the file is larger than 5 GB")
    monkeypatch.setattr("vod_widget.emulator.courier.MAX_BODY_BYTES", len(DATA) - 1)  # as if it had not been announced
    (row,) = rows(emulator, *pull(emulator, f"{site.base}/film.mp4"))
    assert (row["Status"], row["ErrorMessage"]) == ("DOWNLOAD_FAIL", "the file is larger than 5 GB")
    assert emulator.assets == []
    assert list((emulator.data_dir / "blobs").iterdir()) == []


def test_infos_by_address_and_what_is_unknown(emulator: Emulator, site: Site) -> None:
    url = f"{site.base}/film.mp4"
    ids = {*pull(emulator, url), *pull(emulator, url)}
    assert emulator.settle()
    got = call(emulator, "GetURLUploadInfos", {"UploadURLs": f"{quote(url, safe='')},http%3A%2F%2Fx"}).json
    assert {row["JobId"] for row in got["URLUploadInfoList"]} == ids
    assert got["NonExists"] == ["http://x"]
    assert call(emulator, "GetURLUploadInfos", {"JobIds": "nope"}).json["NonExists"] == ["nope"]
    assert call(emulator, "GetURLUploadInfos").code == "MissingJobIds"
    many = ",".join(map(str, range(11)))
    assert call(emulator, "GetURLUploadInfos", {"JobIds": many}).code == "InvalidParameter"


def test_the_same_session_again_is_an_error_for_ten_minutes(emulator: Emulator, site: Site) -> None:
    url = f"{site.base}/film.mp4"
    (first,) = pull(emulator, url, SessionId="s-1")
    again = call(emulator, "UploadMediaByURL", {"UploadURLs": quote(url, safe=""), "SessionId": "s-1"})
    assert (again.status, again.code) == (400, "InvalidParameter")
    assert pull(emulator, url) != pull(emulator, url)  # without one nothing is compared
    emulator.clock.advance(601)
    assert pull(emulator, url, SessionId="s-1") != [first]
    assert emulator.settle()


def test_a_job_that_a_reset_took_stays_gone(site: Site, tmp_path: Path) -> None:
    with Emulator(tmp_path) as emulator:
        pull(emulator, f"{site.base}/film.mp4")
        (job,) = emulator.cloud.pulls.jobs.values()
        assert emulator.settle()
        emulator.reset()
        with emulator.cloud.lock:
            emulator.cloud.pulls.begin(job)
            emulator.cloud.pulls.fail(job, "DownloadFailed", "late")
        assert emulator.events == []
    with Emulator(tmp_path) as emulator:
        assert emulator.cloud.pulls.jobs == {}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "MissingUploadURLs"),
        ({"UploadURLs": ","}, "InvalidParameter.UploadURLs"),
        ({"UploadURLs": ",".join(["http%3A%2F%2F127.0.0.1%2Fa.mp4"] * 21)}, "InvalidParameter.UploadURLs"),
        ({"UploadURLs": "file%3A%2F%2F%2Fetc%2Fa.mp4"}, "InvalidParameter.UploadURLs"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa"}, "InvalidFileName.Extension"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "UploadMetadatas": "{"}, "InvalidParameter"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "UploadMetadatas": "{}"}, "InvalidParameter"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "UploadMetadatas": "[{}]"}, "InvalidParameter"),
        (
            {
                "UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4",
                "UploadMetadatas": '[{"SourceURL":"http://127.0.0.1/a.mp4"}]',
            },
            "MissingTitle",
        ),
        ({"UploadURLs": "http%3A%2F%2F%5B%2Fa.mp4"}, "InvalidParameter.UploadURLs"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%3A99999%2Fa.mp4"}, "InvalidParameter.UploadURLs"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "SessionId": "s" * 51}, "InvalidParameter"),
        ({"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "SessionId": "a b"}, "InvalidParameter"),
        (
            {
                "UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4",
                "UploadMetadatas": '[{"SourceURL":"http://127.0.0.1/a.mp4","Title":"t","Tags":["a"]}]',
            },
            "InvalidParameter",
        ),
        (
            {
                "UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4",
                "UploadMetadatas": '[{"SourceURL":"http://127.0.0.1/a.mp4","Title":null}]',
            },
            "MissingTitle",
        ),
    ],
)
def test_bad_pulls_are_refused(emulator: Emulator, params: dict[str, str], code: str) -> None:
    reply = call(emulator, "UploadMediaByURL", params)
    assert (reply.status, reply.code) == (400, code)
    assert emulator.cloud.pulls.jobs == {}


def test_a_template_is_known_or_refused_for_pulls_too(emulator: Emulator) -> None:
    url = "http%3A%2F%2F127.0.0.1%3A1%2Fa.mp4"
    metadata = json.dumps([{"SourceURL": url, "Title": "t", "TemplateGroupId": "nope"}])
    for params in ({"TemplateGroupId": "nope"}, {"UploadMetadatas": metadata}):
        reply = call(emulator, "UploadMediaByURL", {"UploadURLs": url, **params})
        assert (reply.status, reply.code) == (404, "InvalidTemplateGroupId.NotFound")
    assert emulator.cloud.pulls.jobs == {}


def test_a_long_name_makes_a_title_within_its_limit(emulator: Emulator, site: Site) -> None:
    (row,) = rows(emulator, *pull(emulator, f"{site.base}/film{'世' * 60}.mp4"))
    assert info(emulator, row["MediaId"])["Title"] == "film" + "世" * 41


def test_an_extension_may_stand_in_the_metadata(emulator: Emulator, site: Site) -> None:
    url = f"{site.base}/film"
    metadata = json.dumps([{"SourceURL": url, "Title": "t", "FileExtension": "MP4"}])
    (row,) = rows(emulator, *pull(emulator, url, UploadMetadatas=metadata))
    assert row["Status"] == "SUCCESS"


# --- callbacks ---------------------------------------------------------------------------


def upload_with_callback(emulator: Emulator, url: str) -> str:
    user_data = {"MessageCallback": {"CallbackURL": url, "CallbackType": "http"}, "Extend": {"id": "7"}}
    grant = create(emulator, UserData=json.dumps(user_data))
    assert oss(grant, "PUT", "", b"12345").status == 200
    return grant.media_id


def test_a_callback_is_posted(emulator: Emulator, site: Site) -> None:
    media_id = upload_with_callback(emulator, f"{site.base}/hook")
    assert emulator.settle()
    ((path, body),) = site.posts
    assert path == "/hook"
    assert (body["EventType"], body["VideoId"], body["Size"]) == ("FileUploadComplete", media_id, 5)
    assert body["Extend"] == {"id": "7"}
    assert body["FileUrl"].endswith(".mp4")
    assert [event.delivery for event in emulator.events] == ["200"]


def test_images_have_their_own_event(emulator: Emulator, site: Site) -> None:
    from tests.emulator.raw import grant_of

    user_data = json.dumps({"MessageCallback": {"CallbackURL": f"{site.base}/hook"}})
    grant = grant_of(call(emulator, "CreateUploadImage", {"ImageType": "default", "UserData": user_data}).json)
    oss(grant, "PUT", "", b"x")
    assert emulator.settle()
    ((_, body),) = site.posts
    assert (body["EventType"], body["ImageId"], "VideoId" in body) == ("ImageUploadComplete", grant.media_id, False)


@pytest.mark.parametrize(
    ("url", "outcome"),
    [("/broken", "500"), ("http://127.0.0.1:1/", "Connection"), ("http://192.0.2.1/", "loopback")],
)
def test_a_failed_callback_is_recorded_and_harms_nobody(emulator: Emulator, site: Site, url: str, outcome: str) -> None:
    with closing(Courier(emulator.cloud, callback_pause_s=0.0)) as courier:
        courier.attach()
        media_id = upload_with_callback(emulator, site.base + url if url.startswith("/") else url)
        assert courier.settle(10)
    (event,) = emulator.events
    assert outcome in event.delivery
    assert event.attempts == (1 if outcome == "loopback" else 3)
    assert [path for path, _ in site.posts] == ([url] * 3 if url.startswith("/") else [])
    assert info(emulator, media_id)["Status"] in STORED


def test_a_callback_that_works_the_second_time_is_not_sent_again(emulator: Emulator, site: Site) -> None:
    with closing(Courier(emulator.cloud, callback_pause_s=0.0)) as courier:
        courier.attach()
        upload_with_callback(emulator, f"{site.base}/broken-once")
        assert courier.settle(10)
    (event,) = emulator.events
    assert (event.delivery, event.attempts, len(site.posts)) == ("200", 2, 2)


def test_a_callback_is_signed_when_the_account_has_a_key(site: Site) -> None:
    with Emulator(switches=Switches(callback_auth_key="test123")) as emulator:
        upload_with_callback(emulator, f"{site.base}/hook")
        assert emulator.settle()
    (headers,) = site.headers
    text = f"{site.base}/hook|{headers['x-vod-timestamp']}|test123"
    assert headers["x-vod-signature"] == hashlib.md5(text.encode()).hexdigest()


def test_a_callback_that_a_kill_stopped_is_sent_by_the_next_process(tmp_path: Path, site: Site) -> None:
    with Emulator(tmp_path) as emulator:
        emulator.cloud.vod.on_event = lambda event: None  # as if it was killed before it could begin
        media_id = upload_with_callback(emulator, f"{site.base}/hook")
    for _ in range(2):  # and not by the one after it
        with Emulator(tmp_path) as emulator:
            assert emulator.settle()
            assert [(event.delivery, event.attempts) for event in emulator.events] == [("200", 1)]
    assert [body["VideoId"] for _, body in site.posts] == [media_id]


def test_attempts_are_counted_over_a_restart(tmp_path: Path, site: Site) -> None:
    with Emulator(tmp_path) as emulator:
        emulator.cloud.vod.on_event = lambda event: None
        upload_with_callback(emulator, f"{site.base}/broken")
        with emulator.cloud.lock:
            (event,) = emulator.cloud.vod.events
            event.attempts = 2
            emulator.cloud.vod.note(event, is_due=True)
    with Emulator(tmp_path) as emulator:
        assert emulator.settle()
        assert [event.attempts for event in emulator.events] == [3]
    assert len(site.posts) == 1


def test_a_slow_callback_holds_nothing_up_and_ends(emulator: Emulator, site: Site) -> None:
    courier = Courier(emulator.cloud, callback_deadline_s=0.2, callback_pause_s=0.0)
    courier.attach()
    media_id = upload_with_callback(emulator, f"{site.base}/slow")
    assert info(emulator, media_id)["Status"] in STORED
    assert courier.settle(10)
    assert [event.delivery for event in emulator.events] == ["no answer in time"]
    courier.close()


def test_closing_breaks_off(site: Site) -> None:
    with Emulator() as emulator:
        upload_with_callback(emulator, f"{site.base}/slow")


def test_a_dripping_answer_ends_too(emulator: Emulator, site: Site) -> None:
    courier = Courier(emulator.cloud, callback_deadline_s=0.2, callback_pause_s=0.0)
    courier.attach()
    upload_with_callback(emulator, f"{site.base}/drip")
    done = courier.settle(10)
    site.release.set()
    courier.close()
    assert done
    assert [event.delivery for event in emulator.events] == ["no answer in time"]


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("a.localhost.", True),
        ("localhost.evil.test", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("::ffff:10.0.0.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_which_hosts_are_here(host: str, here: bool) -> None:
    assert host_is_here(host) is here
