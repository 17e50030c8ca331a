"""Bad files, bad words, bad answers: a clear error that names the file, and the good file beside it succeeds."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, AppServer, file_of, ops, runs, stored, uploader
from vod_widget import application
from vod_widget.emulator.faults import Status
from vod_widget.errors import InvalidArgumentError

FAULT_KIND = "L"


def _missing(folder: Path) -> Any:
    return folder / "gone.mp4"


def _empty(folder: Path) -> Any:
    return file_of(folder, "empty.mp4", 0)


def _directory(folder: Path) -> Any:
    (folder / "folder.mp4").mkdir()
    return folder / "folder.mp4"


def _fifo(folder: Path) -> Any:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _socket(folder: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "sock.mp4"))
    return folder / "sock.mp4"


def _extension(folder: Path) -> Any:
    return file_of(folder, "notes.txt")


def _no_extension(folder: Path) -> Any:
    return file_of(folder, "README")


def _huge_image(folder: Path) -> Any:
    path = folder / "huge.png"
    with path.open("wb") as file:
        file.truncate(5 * 1024**3 + 1)
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_missing, "Source.Missing"),
        (_empty, "EmptyFile"),
        (_directory, None),
        (_fifo, None),
        (_socket, None),
        (_extension, None),
        (_no_extension, None),
        (_huge_image, None),
    ],
)
def test_bad_file_is_refused_at_add_and_named(
    emulator: Any, tmp_path: Path, make: Callable[[Path], Any], code: str | None
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with uploader(emulator, tmp_path) as up:
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        bad = make(folder)
        with pytest.raises(vw.VODError) as caught:
            up.add_file(bad)
        error = caught.value
        assert bad.name in str(error)
        assert error.hint
        if code is not None:
            assert error.code == code
        assert up.list_files() == [good]
        runs(up)
        assert good.state == "Success"
        assert len(emulator.assets) == 1


UNREADABLE = """
import os, sys
import vod_widget as vw
with vw.VODUpload() as up:
    up.add_file(b"everything is imported now", name="first.mp4")
    if os.geteuid() == 0:  # root may read everything; anybody else is refused as he is
        os.setgid(65534)
        os.setuid(65534)
    try:
        up.add_file(sys.argv[1])
    except vw.VODError as error:
        print(error.code, error)
"""


def test_unreadable_file_is_refused_at_add(tmp_path: Path) -> None:
    path = file_of(tmp_path, "secret.mp4")
    path.chmod(0)
    for parent in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", UNREADABLE, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("Source."), done.stdout + done.stderr
    assert "secret.mp4" in done.stdout


BAD_FIELDS = [
    ({"title": "x" * 129}, "Title"),
    ({"title": "好" * 43}, "Title"),
    ({"title": "a \U0001f600 talk"}, "Title"),
    ({"description": "x" * 1025}, "Description"),
    ({"tags": [str(n) for n in range(17)]}, "Tags"),
    ({"tags": ["x" * 33]}, "tag"),
    ({"user_data": "not json"}, "JSON"),
    ({"user_data": '{"Title": "x"}'}, "Vod"),
    ({"user_data": {"Title": "x"}}, "Vod"),
    ({"user_data": "[]"}, "Vod"),
    ({"cate_id": "abc"}, "CateId"),
    ({"media_type": "document"}, "media_type"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS)
def test_bad_field_is_refused_at_add_and_named(
    emulator: Any, tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    with uploader(emulator, tmp_path) as up:
        path = file_of(tmp_path)
        with pytest.raises(vw.VODError, match=f"(?i){named}") as caught:
            up.add_file(path, **fields)
        assert "clip.mp4" in str(caught.value)
        assert up.list_files() == []
        good = up.add_file(path)  # the refused one left nothing behind
        runs(up)
        assert good.state == "Success"


def test_title_of_128_bytes_and_16_tags_are_taken(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path), title="x" * 128, tags=[f"tag{n}" for n in range(16)])
        runs(up)
        assert info.state == "Success", info.error
        assert emulator.asset(info.video_id).title == "x" * 128


@pytest.mark.parametrize("region", ["mars-1", "cn_shanghai", "evil.example"])
def test_unknown_region_is_refused(tmp_path: Path, region: str) -> None:
    with pytest.raises(vw.VODError, match=region) as caught:
        with vw.VODUpload(region=region, credentials=vw.Credentials("EMUabcdefghij", "x")) as up:
            up.add_file(file_of(tmp_path))
            up.start_upload()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "endpoint", ["http://evil.example", "https://vod.evil.example", "http://vod.cn-shanghai.aliyuncs.com@evil.example"]
)
def test_foreign_endpoint_is_refused_at_once_and_also_when_it_is_set_later(tmp_path: Path, endpoint: str) -> None:
    keys = vw.Credentials("EMUabcdefghij", "x")
    with pytest.raises(InvalidArgumentError, match="endpoint"):
        vw.VODUpload(endpoint=endpoint, credentials=keys)
    with vw.VODUpload(credentials=keys) as up:
        up.add_file(file_of(tmp_path))
        up.endpoint = endpoint
        with pytest.raises(vw.VODError):
            up.start_upload()


@pytest.mark.parametrize("region", ["mars-1", "cn-mars", ""])
def test_unknown_region_is_refused_at_once(region: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cn-shanghai"):
        vw.VODUpload(region=region)


def test_misspelt_callback_is_refused_instead_of_never_called() -> None:
    up = vw.VODUpload()
    with pytest.raises(AttributeError, match="did you mean 'on_upload_succeed'"):
        up.on_upload_suceed = print  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="on_upload_end"):
        up.on_upload_end = 5  # type: ignore[assignment]


def _b64(data: Any) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


def _spoil(answer: dict[str, Any], how: str, port: int) -> tuple[str, str, str]:
    auth, address, video_id = answer["UploadAuth"], answer["UploadAddress"], answer["VideoId"]
    decoded = json.loads(base64.b64decode(auth))
    place = json.loads(base64.b64decode(address))
    match how:
        case "damaged":
            auth = auth[: len(auth) // 2] + "%"
        case "empty":
            auth = ""
        case "lacks":
            del decoded["SecurityToken"]
            auth = _b64(decoded)
        case "expired":
            decoded["ExpireUTCTime"] = "2020-01-01T00:00:00Z"
            decoded["Expiration"] = "2020-01-01T00:00:00Z"
            auth = _b64(decoded)
        case "no_video_id":
            video_id = ""
        case "address":
            address = "!!"
        case "foreign":
            address = _b64({**place, "Endpoint": f"http://evil.example:{port}"})
        case "userinfo":
            address = _b64({**place, "Endpoint": f"http://127.0.0.1:{port}@evil.example"})
        case "plain_http":
            address = _b64({**place, "Endpoint": "http://93.184.216.34"})
    return auth, address, video_id


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("damaged", "InvalidUploadAuth"),
        ("empty", "InvalidUploadAuth"),
        ("lacks", "InvalidUploadAuth"),
        ("expired", "Auth.Expired"),
        ("no_video_id", "InvalidUploadAuth"),
        ("address", "InvalidUploadAuth"),
        ("foreign", "Endpoint.Refused"),
        ("userinfo", "Endpoint.Refused"),
        ("plain_http", "Endpoint.Refused"),
    ],
)
def test_f18_bad_permission_raises_fails_that_file_and_sends_nothing_there(
    emulator: Any, tmp_path: Path, how: str, code: str, outside_attempts: list[str]
) -> None:
    app = AppServer(emulator)
    raised: list[Any] = []
    port = int(emulator.endpoint.rsplit(":", 1)[1])

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        if info.name == "good.mp4":
            up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])
            return
        secret = json.loads(base64.b64decode(got["UploadAuth"]))["AccessKeySecret"]
        with pytest.raises(vw.VODError) as caught:
            up.set_upload_auth_and_address(info, *_spoil(got, how, port))
        raised.append(caught.value)
        assert secret not in str(caught.value)

    with uploader(emulator, tmp_path, on_upload_started=answer) as up:
        bad = up.add_file(file_of(tmp_path, "bad.mp4"))
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        runs(up)
        assert bad.state == "Failure"
        assert bad.error.code == code
        assert raised[0].code == code
        assert "bad.mp4" in str(bad.error)
        assert good.state == "Success", good.error
        assert outside_attempts == []
        assert ops(emulator, "PutObject") == ["PutObject"]
        assert up.heard.args("on_upload_failed")[0][1] == code


def test_started_that_raises_fails_that_file_only(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        if info.name == "bad.mp4":
            raise KeyError("UploadAuth")
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer) as up:
        bad = up.add_file(file_of(tmp_path, "bad.mp4"))
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        runs(up)
        assert (bad.state, bad.error.code) == ("Failure", "Callback")
        assert "KeyError" in str(bad.error)
        assert "bad.mp4" in str(bad.error)
        assert good.state == "Success"


def test_answer_that_came_too_late_starts_nothing(
    emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "APP_ANSWER_S", 0.05)
    app = AppServer(emulator)
    with uploader(emulator, tmp_path, on_upload_started=lambda info: None) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.error.code == "Auth.Missing"
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])
        assert up.wait(LONG_S)
        assert info.state == "Failure"
        assert ops(emulator, "PutObject") == []


def test_f13_wrong_secret_is_named_and_never_shown(
    emulator: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = vw.Credentials(emulator.access_key_id, "a-wrong-secret-of-somebody")
    with uploader(emulator, tmp_path, credentials=wrong) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert info.error.code == "SignatureDoesNotMatch"
        assert "clip.mp4" in str(info.error)
        shown = f"{info.error} {info!r} {up!r} {up.results()} {up.heard} {caplog.text}"
        assert "a-wrong-secret-of-somebody" not in shown
        assert len(ops(emulator, "CreateUploadVideo")) == 1  # never a loop


@pytest.mark.parametrize("offset_s", [1200, -1200])
def test_f15_clock_twenty_minutes_off_is_learned(emulator: Any, tmp_path: Path, offset_s: int) -> None:
    emulator.clock.skew(offset_s)
    with uploader(emulator, tmp_path) as up:
        small = up.add_file(file_of(tmp_path, "small.mp4"))
        large = up.add_file(path := file_of(tmp_path, "large.mp4", 3 * PART))
        runs(up)
        assert small.state == "Success", small.error
        assert large.state == "Success", large.error
        assert stored(emulator, large) == path.read_bytes()


def test_f40_clock_off_in_the_data_plane_alone_is_learned_too(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        emulator.clock.skew(1200)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer) as up:
        info = up.add_file(file_of(tmp_path, size=3 * PART))
        runs(up)
        assert info.state == "Success", info.error


def test_f14_account_without_the_right_is_told_which(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(403, "Forbidden.RAM", "not authorized"))
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        bad = up.add_file(file_of(tmp_path, "bad.mp4"))
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        runs(up)
        assert (bad.state, good.state) == ("Failure", "Success")
        assert bad.error.code == "Forbidden.RAM"
        assert "bad.mp4" in str(bad.error)


def test_bytes_without_a_name_are_refused(tmp_path: Path) -> None:
    with vw.VODUpload() as up, pytest.raises(vw.VODError, match="name"):
        up.add_file(b"bytes")


def test_bytes_with_a_name_go(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(b"some bytes", name="talk.mp4")
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == b"some bytes"
