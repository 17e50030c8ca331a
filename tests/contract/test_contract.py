"""The public contract of `VODUpload`: options, authority, callbacks, waiting, closing, looking."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
import traitlets
from IPython.lib.pretty import pretty

import vod_widget as vw
from tests.contract.support import (
    LONG_S,
    PART,
    AppServer,
    file_of,
    in_state,
    keys,
    ops,
    reached,
    runs,
    stored,
    uploader,
)
from tests.helpers.invariants import Footprint
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget import application, events
from vod_widget.emulator.faults import ExpireToken, Reset, Stall
from vod_widget.errors import MissingCredentialError
from vod_widget.options import CALLBACKS, OPTIONS

# ---------------------------------------------------------------- options

DEFAULTS = {
    "user_id": "",
    "region": "cn-shanghai",
    "retry_count": 3,
    "retry_duration": 2.0,
    "patience_s": None,
    "part_size_bytes": None,
    "parallel": None,
    "parallel_files": None,
    "timeout_s": 60.0,
    "api_calls_per_s": None,
    "max_bandwidth_bytes_per_s": None,
    "content_md5": False,
    "skip_uploaded": False,
    "endpoint": None,
    "checkpoint_dir": None,
    "profile": None,
}


def test_defaults_are_those_of_the_contract() -> None:
    with vw.VODUpload() as up:
        assert {name: getattr(up, name) for name in DEFAULTS} == DEFAULTS
        assert {option.name for option in OPTIONS} == set(DEFAULTS)
        assert up.credentials is None
        assert up.get_auth is None
        assert [name for name in CALLBACKS if getattr(up, name) is not None] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_count", 0),
        ("retry_duration", 0),
        ("retry_duration", 0.5),
        ("patience_s", 900.0),
        ("part_size_bytes", 102_400),
        ("parallel", 1),
        ("parallel_files", 1),
        ("timeout_s", 5),
        ("max_bandwidth_bytes_per_s", 1024),
        ("skip_uploaded", True),
        ("user_id", "0"),
        ("region", "ap-southeast-1"),
    ],
)
def test_option_is_taken_at_construction_and_later(name: str, value: Any) -> None:
    with vw.VODUpload(**{name: value}) as up:
        assert getattr(up, name) == value
    with vw.VODUpload() as up:
        setattr(up, name, value)
        assert getattr(up, name) == value


BAD = [
    ("retry_count", -1),
    ("retry_count", 1.5),
    ("retry_count", True),
    ("retry_count", None),
    ("retry_count", "3"),
    ("retry_duration", -0.1),
    ("retry_duration", float("nan")),
    ("patience_s", -1.0),
    ("part_size_bytes", 102_399),
    ("part_size_bytes", 5 * 1024**3 + 1),
    ("part_size_bytes", 1e6),
    ("parallel", 0),
    ("parallel_files", 0),
    ("timeout_s", 0),
    ("timeout_s", float("inf")),
    ("max_bandwidth_bytes_per_s", 0),
    ("skip_uploaded", 1),
    ("user_id", 7),
    ("region", None),
    ("endpoint", 5),
    ("checkpoint_dir", 5),
    ("profile", 5),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value_raises_at_once_and_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(vw.VODError, match=name) as caught:
        vw.VODUpload(**{name: value})
    assert isinstance(caught.value, ValueError)
    with vw.VODUpload() as up:
        before = getattr(up, name)
        with pytest.raises(traitlets.TraitError, match=name) as later:
            setattr(up, name, value)
        assert isinstance(later.value, vw.VODError)
        assert getattr(up, name) == before


@pytest.mark.parametrize(
    ("name", "meant"),
    [("retryCount", "retry_count"), ("paralel", "parallel"), ("onUploadstarted", "on_upload_started")],
)
def test_unknown_option_raises_and_names_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(vw.VODError, match=f"{name}.*{meant}"):
        vw.VODUpload(**{name: 3})


def test_unknown_name_without_a_near_one_raises() -> None:
    with pytest.raises(vw.VODError, match="xyzzy"):
        vw.VODUpload(xyzzy=1)


@pytest.mark.parametrize("name", [*CALLBACKS, "get_auth"])
def test_callback_that_is_no_function_is_refused(name: str) -> None:
    with pytest.raises(vw.VODError, match=name):
        vw.VODUpload(**{name: "print"})


def test_live_traits_are_read_only_and_secrets_are_no_traits() -> None:
    with vw.VODUpload() as up:
        for name in ("state", "progress", "done", "failed", "total", "speed"):
            with pytest.raises(traitlets.TraitError):
                setattr(up, name, 1)
        names = set(up.trait_names())
        assert names == set(DEFAULTS) | {"state", "progress", "done", "failed", "total", "speed"}


def test_options_can_be_observed_and_linked() -> None:
    seen: list[Any] = []
    with vw.VODUpload() as up:
        up.observe(lambda change: seen.append(change.new), ["max_bandwidth_bytes_per_s"])
        up.max_bandwidth_bytes_per_s = 5000
    assert seen == [5000]


def test_repr_shows_what_happens_and_no_secret(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        for text in (repr(up), repr(info), repr(up.credentials), repr(up.snapshot()), repr(up.results()), str(up)):
            assert emulator.access_key_secret not in text
            assert emulator.access_key_id not in text
        assert "1 files, 1 done" in repr(up)
        assert "clip.mp4" in repr(info)
        assert "Success" in repr(info)


# ---------------------------------------------------------------- callbacks


def test_order_and_arguments_of_the_callbacks_of_one_file(emulator: Any, tmp_path: Any) -> None:
    started: list[tuple[Any, ...]] = []
    with uploader(emulator, tmp_path, on_upload_started=lambda *a: started.append(a), credentials=keys(emulator)) as up:
        size = 3 * PART + 5
        info = up.add_file(file_of(tmp_path, size=size))
        runs(up)
        assert up.heard.names() == ["on_file_added", "on_upload_started", "on_upload_succeed", "on_upload_end"]
        assert started == [(info,)]
        assert up.heard.args("on_upload_succeed") == [(info,)]
        assert up.heard.args("on_upload_end") == [(info,)]
        progress = up.heard.args("on_upload_progress")
        assert {(args[0], args[1]) for args in progress} == {(info, size)}
        shares = [args[2] for args in progress]
        assert shares[0] == 0
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert all(share < 1 for share in shares[:-1])
        names = up.heard.names(progress=True)
        assert names.index("on_upload_started") < names.index("on_upload_progress")
        assert names.index("on_upload_succeed") > max(i for i, n in enumerate(names) if n == "on_upload_progress")
        assert len(shares) >= 4 + 2  # one a part, 0 and 1


def test_progress_is_one_exactly_once(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", PART * n + 1)) for n in range(4)]
        runs(up)
        for info in infos:
            assert up.heard.shares(info).count(1.0) == 1


def test_end_comes_once_after_everything_else_for_many_files(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        for n in range(8):
            up.add_file(file_of(tmp_path, f"{n}.mp4"))
        runs(up)
        assert up.heard.names().count("on_upload_end") == 1
        assert up.heard.names(progress=True)[-1] == "on_upload_end"
        assert up.heard.names().count("on_upload_succeed") == 8


def test_failed_callback_gets_code_and_message_and_end_still_comes(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path, credentials=vw.Credentials(emulator.access_key_id, "wrong")) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        ((heard, code, message),) = up.heard.args("on_upload_failed")
        assert heard is info
        assert code == info.error.code == "SignatureDoesNotMatch"
        assert "clip.mp4" in message
        assert up.heard.names()[-1] == "on_upload_end"
        assert up.state == "End"


def test_retry_callback(emulator: Any, tmp_path: Any) -> None:
    from vod_widget.emulator.faults import Status

    emulator.faults.add(op="UploadPart", nth=2, action=Status(500))
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=3 * PART))
        runs(up)
        assert info.state == "Success"
        assert up.heard.args("on_upload_retry") == [(info,)]
        assert len(info.attempts) >= 1


def test_callbacks_may_be_coroutines_without_a_running_loop(emulator: Any, tmp_path: Any) -> None:
    seen: list[str] = []

    async def later(info: Any, *_: Any) -> None:
        await asyncio.sleep(0)
        seen.append(info.name)

    with uploader(emulator, tmp_path) as up:
        up.on_upload_succeed = later
        up.on_upload_progress = None
        up.add_file(file_of(tmp_path))
        runs(up)
        assert seen == ["clip.mp4"]


RAISING = [
    "on_file_added",
    "on_upload_started",
    "on_upload_progress",
    "on_upload_succeed",
    "on_upload_end",
]


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.parametrize("name", RAISING)
def test_callback_that_raises_harms_nobody(
    emulator: Any, tmp_path: Any, name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(*_: Any) -> None:
        raise RuntimeError("a mistake of the caller")

    async def coroutine(*_: Any) -> None:
        raise RuntimeError("a mistake of the caller")

    with uploader(
        emulator, tmp_path, credentials=keys(emulator), **{name: {"plain": plain, "coroutine": coroutine}[kind]}
    ) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(2)]
        runs(up)
        assert [info.state for info in infos] == ["Success", "Success"]
        assert up.heard.names()[-1] == "on_upload_end"
        assert "a mistake of the caller" in caplog.text


@pytest.mark.parametrize("name", ["on_upload_failed", "on_upload_canceled", "on_upload_retry"])
def test_callback_that_raises_on_bad_news_harms_nobody(emulator: Any, tmp_path: Any, name: str) -> None:
    from vod_widget.emulator.faults import Status

    def bad(*_: Any) -> None:
        raise RuntimeError("a mistake of the caller")

    fault = {
        "on_upload_failed": Status(400, "InvalidParameter"),
        "on_upload_canceled": Stall(),
        "on_upload_retry": Status(503),
    }[name]
    with uploader(emulator, tmp_path, parallel_files=1, **{name: bad}) as up:
        armed = emulator.faults.add(op="CreateUploadVideo", action=fault)
        first = up.add_file(file_of(tmp_path, "a.mp4"))
        second = up.add_file(file_of(tmp_path, "b.mp4"))
        up.start_upload()
        reached(armed)
        if name == "on_upload_canceled":
            up.cancel_file(first)
            armed.release()
        assert up.wait(LONG_S)
        assert second.state == "Success"
        assert name in up.heard.names()
        assert up.heard.names()[-1] == "on_upload_end"


def test_callback_that_blocks_holds_up_its_own_file_only(emulator: Any, tmp_path: Any) -> None:
    go_on = threading.Event()
    entered = threading.Event()

    def block(info: Any) -> None:
        if info.name == "a.mp4":
            entered.set()
            go_on.wait(LONG_S)

    with uploader(emulator, tmp_path, on_upload_started=block, credentials=keys(emulator)) as up:
        try:
            first = up.add_file(file_of(tmp_path, "a.mp4"))
            others = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(5)]
            up.start_upload()
            assert entered.wait(LONG_S)
            until(lambda: all(info.state == "Success" for info in others), "the other files succeeded")
            until(lambda: up.heard.names().count("on_upload_succeed") == 5, "their callbacks came")
            assert first.state == "Uploading"
            assert up.wait(0.05) is False
        finally:
            go_on.set()
        assert up.wait(LONG_S)
        assert first.state == "Success"


def test_methods_may_be_called_from_any_thread_and_from_callbacks(emulator: Any, tmp_path: Any) -> None:
    added: list[Any] = []

    def add_another(info: Any) -> None:
        if info.name == "a.mp4":
            added.append(up.add_file(file_of(tmp_path, "b.mp4")))
            assert up.list_files()
            assert up.snapshot().files
            assert up.totals().total == 2
            assert up.wait  # it exists, but would wait for itself:
            with pytest.raises(vw.VODError):
                up.wait(1)

    with uploader(emulator, tmp_path, on_upload_succeed=add_another) as up:
        up.add_file(file_of(tmp_path, "a.mp4"))
        thread = threading.Thread(target=up.start_upload, name="foreign")
        thread.start()
        thread.join()
        assert up.wait(LONG_S)
        assert [info.state for info in up.list_files()] == ["Success", "Success"]
        assert up.heard.names().count("on_upload_end") == 1


def test_same_upload_info_in_list_and_callbacks(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert up.list_files()[0] is info
        assert {id(args[0]) for _, args in up.heard} == {id(info)}
        with pytest.raises(AttributeError):
            info.state = "Ready"
        assert info != object()


# ---------------------------------------------------------------- authority


def test_without_any_credentials_the_start_says_where_was_looked(tmp_path: Any) -> None:
    with vw.VODUpload(checkpoint_dir=str(tmp_path / "journal")) as up:
        up.add_file(file_of(tmp_path))
        with pytest.raises(MissingCredentialError) as caught:
            up.start_upload()
        text = str(caught.value)
        assert "profile" in text
        assert "ALIBABA_CLOUD" in text
        assert up.state == "Init"
        with pytest.raises(MissingCredentialError):
            up.run()


def test_profile_emulator_needs_nothing_else(tmp_path: Any) -> None:
    with vw.VODUpload(profile="emulator", checkpoint_dir=str(tmp_path / "journal")) as up:
        info = up.add_file(file_of(tmp_path))
        (row,) = up.run(LONG_S)
        assert row.state == "Success", row.error_message
        assert row.video_id == info.video_id
        assert row.verified == "crc64"


def test_profile_emulator_goes_to_the_emulator_also_when_an_endpoint_was_given(emulator: Any, tmp_path: Any) -> None:
    with vw.VODUpload(endpoint=emulator.endpoint, checkpoint_dir=str(tmp_path / "journal")) as up:
        up.set_profile("emulator")
        info = up.add_file(file_of(tmp_path))
        (row,) = up.run(LONG_S)
        assert row.state == "Success", row.error_message
    with pytest.raises(LookupError):
        emulator.object_path(info.video_id)


def test_unknown_profile_is_named(tmp_path: Any) -> None:
    from vod_widget.errors import ProfileNotFoundError

    with vw.VODUpload(profile="nobody") as up:
        up.add_file(file_of(tmp_path))
        with pytest.raises(ProfileNotFoundError, match="nobody"):
            up.start_upload()


def _answering(emulator: Any, contexts: list[Any]) -> Any:
    app = AppServer(emulator)

    def get_auth(context: Any) -> dict[str, Any]:
        contexts.append(context)
        if context.kind == "create-image":
            return app.create_upload_image(context.title)
        if context.kind == "refresh-video":
            return app.refresh_upload_video(context.video_id)
        return app.create_upload_video(context.title, context.file_name)

    return get_auth


def test_get_auth_kinds_and_context(emulator: Any, tmp_path: Any, media: Media) -> None:
    contexts: list[Any] = []
    with uploader(emulator, tmp_path, get_auth=_answering(emulator, contexts)) as up:
        video = up.add_file(media.mp4, title="A talk")
        runs(up)
        image = up.add_file(media.png)
        runs(up)
        assert (video.state, image.state) == ("Success", "Success"), (video.error, image.error)
        first, second = contexts
        assert (first.kind, first.title, first.file_name) == ("create-video", "A talk", "clip.mp4")
        assert first.upload_info is video
        assert first.size_bytes == video.size_bytes
        assert len(first.reference_id) == 32
        assert first.video_id == ""
        assert second.kind == "create-image"
        assert second.reference_id == ""
        assert image.image_id
        assert image.image_url
        assert isinstance(first, vw.AuthContext) if hasattr(vw, "AuthContext") else True


def test_get_auth_refreshes_a_token_that_ran_out(emulator: Any, tmp_path: Any) -> None:
    contexts: list[Any] = []
    emulator.faults.add(op="UploadPart", nth=2, action=ExpireToken())
    with uploader(emulator, tmp_path, get_auth=_answering(emulator, contexts)) as up:
        info = up.add_file(file_of(tmp_path, size=5 * PART))
        runs(up)
        assert info.state == "Success", info.error
        assert [context.kind for context in contexts] == ["create-video", "refresh-video"]
        assert contexts[1].video_id == info.video_id
        assert len(emulator.assets) == 1


def test_get_auth_may_be_a_coroutine(emulator: Any, tmp_path: Any) -> None:
    contexts: list[Any] = []
    answer = _answering(emulator, contexts)

    async def get_auth(context: Any) -> Any:
        await asyncio.sleep(0)
        return answer(context)

    with uploader(emulator, tmp_path, get_auth=get_auth) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "Callback"),
        ("text", "Callback"),
        ({}, "Protocol"),
        ({"VideoId": "v"}, "InvalidUploadAuth"),
        ({"VideoId": "v", "UploadAuth": "%%", "UploadAddress": "%%"}, "InvalidUploadAuth"),
    ],
)
def test_bad_answer_of_get_auth_fails_that_file_only(emulator: Any, tmp_path: Any, answer: Any, code: str) -> None:
    contexts: list[Any] = []
    good = _answering(emulator, contexts)

    def get_auth(context: Any) -> Any:
        return answer if context.file_name == "bad.mp4" else good(context)

    with uploader(emulator, tmp_path, get_auth=get_auth, retry_count=0) as up:
        bad = up.add_file(file_of(tmp_path, "bad.mp4"))
        fine = up.add_file(file_of(tmp_path, "fine.mp4"))
        runs(up)
        assert fine.state == "Success"
        assert bad.state == "Failure"
        assert bad.error.code == code
        assert "bad.mp4" in str(bad.error)


def test_get_auth_that_raises_fails_that_file_and_names_the_mistake(emulator: Any, tmp_path: Any) -> None:
    def get_auth(_: Any) -> Any:
        raise KeyError("UploadAuth")

    with uploader(emulator, tmp_path, get_auth=get_auth) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.error.code == "Callback"
        assert "KeyError" in str(info.error)


def test_get_auth_whose_server_is_away_is_tried_again(emulator: Any, tmp_path: Any) -> None:
    contexts: list[Any] = []
    good = _answering(emulator, contexts)
    calls: list[int] = []

    def get_auth(context: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionRefusedError("away")
        return good(context)

    with uploader(emulator, tmp_path, get_auth=get_auth) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert len(calls) == 3


def test_callback_answer_wins_over_get_auth_and_own_keys(emulator: Any, tmp_path: Any) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        got = app.create_upload_video("by the callback", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    contexts: list[Any] = []
    with uploader(
        emulator,
        tmp_path,
        on_upload_started=answer,
        get_auth=_answering(emulator, contexts),
        credentials=keys(emulator),
    ) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert [asset.title for asset in emulator.assets] == ["by the callback"]
        assert contexts == []


def test_get_auth_wins_over_own_keys(emulator: Any, tmp_path: Any) -> None:
    contexts: list[Any] = []
    with uploader(emulator, tmp_path, get_auth=_answering(emulator, contexts), credentials=keys(emulator)) as up:
        up.add_file(file_of(tmp_path))
        runs(up)
        assert len(contexts) == 1
        assert len(emulator.assets) == 1


def test_explicit_credentials_win_over_the_environment(
    emulator: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "EMUwrongwrongwrong")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error


def test_keys_of_the_environment_are_found(emulator: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", emulator.access_key_id)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", emulator.access_key_secret)
    monkeypatch.setenv("VOD_WIDGET_ENDPOINT", emulator.endpoint)
    with vw.VODUpload(checkpoint_dir=str(tmp_path / "journal")) as up:
        info = up.add_file(file_of(tmp_path))
        up.run(LONG_S)
        assert info.state == "Success", info.error


def test_late_answer_from_another_thread_works(emulator: Any, tmp_path: Any) -> None:
    app = AppServer(emulator)
    asked: list[Any] = []
    with uploader(emulator, tmp_path, on_upload_started=asked.append) as up:
        info = up.add_file(file_of(tmp_path))
        up.start_upload()
        until(lambda: asked, "on_upload_started came")
        got = app.create_upload_video("t", "t.mp4")
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error


def test_second_answer_is_ignored(emulator: Any, tmp_path: Any) -> None:
    app = AppServer(emulator)

    def answer_twice(info: Any) -> None:
        for _ in range(2):
            got = app.create_upload_video("t", info.name)
            up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer_twice) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert info.video_id == emulator.assets[0].media_id


def test_answer_that_never_comes_fails_that_file(emulator: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        if info.name != "silent.mp4":
            got = app.create_upload_video("t", info.name)
            up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer) as up:
        with monkeypatch.context() as patch:  # for this file alone: the other's answer may take its time
            patch.setattr(application, "APP_ANSWER_S", 0.05)
            silent = up.add_file(file_of(tmp_path, "silent.mp4"))
            up.start_upload()
            in_state(silent, "Failure")
        assert silent.error.code == "Auth.Missing"
        up.delete_file(silent)  # a start would ask for it again
        fine = up.add_file(file_of(tmp_path, "fine.mp4"))
        runs(up)
        assert fine.state == "Success", fine.error


def test_resume_calls_without_a_waiting_file_return_false(emulator: Any, tmp_path: Any) -> None:
    got = AppServer(emulator).create_upload_video("t", "t.mp4")
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        assert up.resume_upload_with_auth(got["UploadAuth"]) is False
        assert up.resume_upload_with_auth(got["UploadAuth"], info) is False
        assert up.resume_upload_with_sts_token("a", "b", "c") is False
        assert info.state == "Ready"


def test_resume_without_a_name_is_refused_when_several_files_wait(emulator: Any, tmp_path: Any) -> None:
    app = AppServer(emulator)
    expired: list[Any] = []

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    emulator.faults.add(op="PutObject", action=ExpireToken(), times=2)
    with uploader(emulator, tmp_path, on_upload_started=answer, on_upload_token_expired=expired.append) as up:
        infos = [up.add_file(file_of(tmp_path, name)) for name in ("a.mp4", "b.mp4")]
        up.start_upload()
        until(lambda: len(expired) == 2, "both files wait for credentials")
        assert up.state == "Expire"
        assert [info.state for info in infos] == ["Expired", "Expired"]
        auths = [app.refresh_upload_video(info.video_id)["UploadAuth"] for info in infos]
        with pytest.raises(vw.VODError, match=r"a\.mp4.*b\.mp4"):
            up.resume_upload_with_auth(auths[0])
        assert up.resume_upload_with_auth(auths[0], infos[0]) is True
        assert up.resume_upload_with_auth(auths[1]) is True
        assert up.wait(LONG_S)
        assert [info.state for info in infos] == ["Success", "Success"]
        assert up.state == "End"


def test_what_an_expired_file_kept_is_told_when_its_last_parts_were_refused(emulator: Any, tmp_path: Any) -> None:
    app = AppServer(emulator)
    expired: list[Any] = []
    told: list[int] = []

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    first, second = (emulator.faults.add(op="UploadPart", part_number=n, action=Stall()) for n in (1, 2))
    emulator.faults.add(op="UploadPart", part_number=3, action=ExpireToken())
    callbacks = {"on_upload_started": answer, "on_upload_token_expired": expired.append}
    with uploader(emulator, tmp_path, parallel=2, **callbacks) as up:
        up.subscribe(lambda event: told.append(event.sent_bytes) if isinstance(event, events.Progress) else None)
        info = up.add_file(file_of(tmp_path, size=4 * PART))
        up.start_upload()
        reached(first)
        reached(second)
        first.release()
        until(lambda: expired and info.sent_bytes == 2 * PART, "one part is stored, the other one on its way")
        second.release()
        until(lambda: info.sent_bytes == PART, "the key had died for the other one, too")
        until(lambda: told[-1] == PART, "what is kept was told")
        assert info.state == "Expired"
        assert up.resume_upload_with_auth(app.refresh_upload_video(info.video_id)["UploadAuth"], info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success"


@pytest.mark.parametrize("method", ["set_upload_auth_and_address", "set_sts_token"])
def test_setters_refuse_what_is_no_upload_info(method: str) -> None:
    with vw.VODUpload() as up, pytest.raises(vw.VODError, match="UploadInfo"):
        getattr(up, method)(0, "a", "b", "c")


# ---------------------------------------------------------------- waiting and closing


def test_wait_is_false_at_the_timeout_and_true_at_the_end(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="CreateUploadVideo", action=Stall())
    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path))
        assert up.wait(0.05) is False  # Ready and not started: something is left to do
        up.start_upload()
        reached(stall)
        assert up.wait(0.05) is False
        stall.release()
        assert up.wait(LONG_S) is True
        assert up.heard.names()[-1] == "on_upload_end"
        assert up.wait() is True


def test_wait_on_an_empty_or_stopped_queue_returns_at_once(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="CreateUploadVideo", action=Stall())
    with uploader(emulator, tmp_path) as up:
        assert up.wait(1) is True
        assert up.run(1) == []
        assert up.heard == []
        up.add_file(file_of(tmp_path))
        up.start_upload()
        reached(stall)
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S) is True
        assert up.state == "Stop"


def test_run_returns_results_and_never_raises_for_a_file(emulator: Any, tmp_path: Any) -> None:
    from vod_widget.emulator.faults import Status

    with uploader(emulator, tmp_path) as up:
        emulator.faults.add(op="CreateUploadVideo", action=Status(400, "InvalidParameter"))
        up.parallel_files = 1
        up.add_file(file_of(tmp_path, "bad.mp4"))
        up.add_file(file_of(tmp_path, "good.mp4"))
        rows = up.run(LONG_S)
        assert [row.state for row in rows] == ["Failure", "Success"]
        assert rows[0].error_code == "InvalidParameter"
        assert "bad.mp4" in rows[0].error_message
        assert rows[1].error_code is None
        assert rows == up.results()


async def _finish(up: Any) -> None:
    up.start_upload()
    await asyncio.wait_for(up.finished(), LONG_S)


def test_finished_waits_without_blocking_the_loop(emulator: Any, tmp_path: Any) -> None:
    ticks: list[int] = []

    async def main() -> None:
        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0)

        other = asyncio.create_task(tick())
        await _finish(up)
        other.cancel()

    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        asyncio.run(main())
        assert info.state == "Success"
        assert ticks


NOTEBOOK_CELL = """
import asyncio, sys
import vod_widget as vw

async def cell():
    loops = []

    async def succeed(info):
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    keys = vw.Credentials(sys.argv[2], sys.argv[3])
    with vw.VODUpload(endpoint=sys.argv[1], credentials=keys, on_upload_succeed=succeed) as up:
        up.add_file(sys.argv[4])
        rows = up.run(60)
        assert rows[0].state == "Success", rows
        assert loops == [asyncio.get_running_loop()], loops
    print("done")

asyncio.new_event_loop().run_until_complete(cell())
"""


def test_run_inside_a_running_loop_with_coroutine_callbacks(emulator: Any, tmp_path: Any) -> None:
    """A notebook cell: the loop runs, the callbacks are its coroutines, and `run()` must not lock up.

    In a process of its own, since nest_asyncio changes asyncio for good.
    """
    arguments = [emulator.endpoint, emulator.access_key_id, emulator.access_key_secret, str(file_of(tmp_path))]
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK_CELL, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_wait_inside_a_running_loop_with_plain_callbacks(emulator: Any, tmp_path: Any) -> None:
    async def main() -> None:
        assert up.run(LONG_S)[0].state == "Success"

    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path))
        asyncio.run(main())
        assert up.heard.names()[-1] == "on_upload_end"


def test_close_in_mid_upload_joins_every_thread_and_the_next_run_goes_on(emulator: Any, tmp_path: Any) -> None:
    path = file_of(tmp_path, size=4 * PART)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=Stall(), times=None)
    with uploader(emulator, tmp_path) as up:
        first = up.add_file(path)
        up.start_upload()
        reached(stall)
        until(lambda: first.accepted_bytes >= PART, "one part was accepted")
        stall.release()
    ours = [t.name for t in threading.enumerate() if t.name.startswith("vod-") and "emulator" not in t.name]
    assert ours == []
    with uploader(emulator, tmp_path) as up:
        again = up.add_file(path)
        runs(up)
        assert again.state == "Success"
        assert again.video_id == first.video_id
        assert stored(emulator, again) == path.read_bytes()
        assert len(emulator.assets) == 1


def test_close_closes_every_connection_without_waiting_for_the_garbage_collector(emulator: Any, tmp_path: Any) -> None:
    emulator.faults.add(op="UploadPart", action=Reset())  # its error, which is kept, holds on to the connections' pool
    before = Footprint.take()
    gc.disable()
    try:
        with uploader(emulator, tmp_path) as up:
            up.add_file(file_of(tmp_path, size=4 * PART))
            runs(up)
            still = up  # as the variable of a cell would
        before.check()
        assert still.list_files()
    finally:
        gc.enable()


def test_closed_uploader_says_so(tmp_path: Any) -> None:
    up = vw.VODUpload()
    assert up.close() is True
    assert up.close() is True
    with pytest.raises(vw.VODError, match="closed"):
        up.add_file(file_of(tmp_path))
    with pytest.raises(vw.VODError, match="closed"):
        up.start_upload()


def test_close_from_inside_a_callback_does_not_lock_up(emulator: Any, tmp_path: Any) -> None:
    closed: list[bool] = []
    with uploader(emulator, tmp_path, on_upload_succeed=lambda info: closed.append(up.close(LONG_S))) as up:
        info = up.add_file(file_of(tmp_path))
        up.start_upload()
        until(lambda: closed, "close() returned")
        assert info.state == "Success"
        assert up.wait(LONG_S)


# ---------------------------------------------------------------- looking


def test_a_long_list_as_the_last_line_of_a_cell_stays_small_in_the_notebook(emulator: Any, tmp_path: Any) -> None:
    """IPython prints the first thousand rows of a list: that was half a megabyte in the saved notebook."""
    with uploader(emulator, tmp_path) as up:
        for number in range(1200):
            up.add_file(str(number).encode(), name=f"{number:04}.png")
        for rows in (up.results(), up.list_files()):
            said = pretty(rows)
            assert len(said) < 30_000
            assert "0000.png" in said
            assert said.endswith("… and 1,150 more]")
            assert rows == list(rows)
            assert pickle.loads(pickle.dumps(up.results())) == up.results()
        up.clean_list()
        assert repr(up.results()) == "[]"


def test_snapshot_totals_and_results_agree(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        assert up.totals().progress == 0
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", 10_000 + n)) for n in range(3)]
        before = up.snapshot()
        up.cancel_file(2)
        runs(up)
        after = up.snapshot()
        assert [file.state for file in before.files] == ["Ready"] * 3
        assert [file.state for file in after.files] == ["Success", "Success", "Canceled"]
        totals = up.totals()
        assert (totals.done, totals.failed, totals.canceled, totals.total) == (2, 0, 1, 3)
        assert totals.done_bytes == 20_001
        assert totals.progress == 1.0
        assert (up.done, up.failed, up.total, up.progress, up.state) == (2, 0, 3, 1.0, "End")
        assert [row.file_id for row in up.results()] == [info.file_id for info in infos]
        assert up.file_snapshot(infos[0].file_id).video_id == infos[0].video_id
        assert up.file_snapshot("nobody") is None


def test_events_have_growing_numbers_and_the_file_id(emulator: Any, tmp_path: Any) -> None:
    heard: list[Any] = []
    with uploader(emulator, tmp_path) as up:
        stop = up.subscribe(heard.append)
        up.subscribe(lambda _: 1 / 0)  # a listener that raises harms nobody
        info = up.add_file(file_of(tmp_path, size=2 * PART))
        runs(up)
        numbers = [event.seq for event in heard]
        assert numbers == sorted(set(numbers))
        assert isinstance(heard[0], events.FileAdded)
        assert [type(e).__name__ for e in heard].count("Drained") == 1
        states = [e.state for e in heard if isinstance(e, events.StateChanged)]
        assert states[0] == "Uploading"
        assert states[-1] == "Success"
        assert {e.file_id for e in heard} == {info.file_id, ""}
        stop()
        count = len(heard)
        up.delete_file(info)
        up.add_file(file_of(tmp_path, "b.mp4"))
        runs(up)
        assert len(heard) == count


def test_observers_of_live_traits_are_told(emulator: Any, tmp_path: Any) -> None:
    seen: dict[str, list[Any]] = {"state": [], "done": [], "progress": []}
    with uploader(emulator, tmp_path) as up:
        up.observe(lambda change: seen[change.name].append(change.new), list(seen))
        up.add_file(file_of(tmp_path))
        runs(up)
        until(lambda: seen["state"] and seen["state"][-1] == "End", "observers saw the end")
        assert seen["done"] == [1]
        assert seen["progress"][-1] == 1.0
        assert seen["progress"] == sorted(seen["progress"])


def test_user_given_reference_id_reaches_vod(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path), reference_id="order-1234")
        runs(up)
        assert emulator.asset(info.video_id).reference_id == info.reference_id == "order-1234"
        with pytest.raises(vw.VODError, match="reference_id"):
            up.add_file(file_of(tmp_path, "b.mp4"), reference_id="no")


def test_random_reference_ids_differ_and_adding_again_after_success_is_a_new_asset(
    emulator: Any, tmp_path: Any
) -> None:
    with uploader(emulator, tmp_path) as up:
        path = file_of(tmp_path)
        first = up.add_file(path)
        with pytest.raises(vw.VODError) as caught:
            up.add_file(path)
        assert caught.value.code == "AlreadyQueued"
        runs(up)
        second = up.add_file(path)
        runs(up)
        assert second.state == "Success", second.error
        assert first.video_id != second.video_id
        references = [asset.reference_id for asset in emulator.assets]
        assert len(set(references)) == 2
        assert all(len(reference) == 32 for reference in references)


def test_skip_uploaded_sends_nothing_the_second_time(emulator: Any, tmp_path: Any) -> None:
    path = file_of(tmp_path)
    with uploader(emulator, tmp_path, skip_uploaded=True) as up:
        first = up.add_file(path)
        runs(up)
    before = len(ops(emulator))
    with uploader(emulator, tmp_path, skip_uploaded=True) as up:
        again = up.add_file(path)
        runs(up)
        (row,) = up.results()
        assert (row.state, row.skipped, row.sent_bytes) == ("Success", True, 0)
        assert again.video_id == first.video_id
        assert up.heard.names()[-2:] == ["on_upload_succeed", "on_upload_end"]
        assert len(ops(emulator)) == before
        file_of(tmp_path, seed="another content")
        changed = up.add_file(path)
        runs(up)
        assert changed.state == "Success"
        assert changed.video_id != first.video_id
        assert stored(emulator, changed) == path.read_bytes()


def test_second_uploader_on_the_same_file_is_told_who_holds_it(emulator: Any, tmp_path: Any) -> None:
    import os

    path = file_of(tmp_path, size=2 * PART)
    stall = emulator.faults.add(op="InitiateMultipartUpload", action=Stall())
    with uploader(emulator, tmp_path) as one, uploader(emulator, tmp_path) as two:
        first = one.add_file(path)
        one.start_upload()
        reached(stall)
        second = two.add_file(path)
        other = two.add_file(file_of(tmp_path, "other.mp4"))
        runs(two)
        assert second.state == "Failure"
        assert second.error.code == "Locked"
        assert second.error.pid == os.getpid()
        assert other.state == "Success"
        stall.release()
        assert one.wait(LONG_S)
        assert first.state == "Success"
        assert len([a for a in emulator.assets if a.file_name == "clip.mp4" or a.title == "clip.mp4"]) == 1
