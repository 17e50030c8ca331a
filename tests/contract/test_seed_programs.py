"""The seed document's sample programs, line by line, against the emulator.

The application server is played by the vendor's own SDK (`AppServer`), so that only what the seed shows is ours.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, AppServer, file_of, ops, stored
from tests.helpers.media import Media


@pytest.fixture
def app(emulator: Any) -> AppServer:
    return AppServer(emulator)


class SampleUploader:
    """Both samples of the document differ in two callbacks only; the rest is written here as it is there."""

    def __init__(self, emulator: Any, tmp_path: Any, **callbacks: Any) -> None:
        self.lines: list[str] = []
        log = self.lines.append

        def place(info: Any) -> str:
            return f"{info.file.name}, endpoint:{info.endpoint}, bucket:{info.bucket}, object:{info.object}"

        def on_upload_succeed(upload_info: Any) -> None:
            log(f"onUploadSucceed: {place(upload_info)}")

        def on_upload_failed(upload_info: Any, code: str, message: str) -> None:
            log(f"onUploadFailed: file:{upload_info.file.name},code:{code}, message:{message}")

        def on_upload_progress(upload_info: Any, total_size: int, loaded_percent: float) -> None:
            percent = math.ceil(loaded_percent * 100)
            log(f"onUploadProgress:file:{upload_info.file.name}, fileSize:{total_size}, percent:{percent}%")

        def on_upload_end(upload_info: Any) -> None:
            log("onUploadEnd: uploaded all the files")

        started = callbacks.pop("on_upload_started")

        def on_upload_started(upload_info: Any) -> None:
            log(f"onUploadStarted:{place(upload_info)}")
            started(upload_info)

        self.up = vw.VODUpload(
            user_id="0",
            region="cn-shanghai",
            retry_count=3,
            retry_duration=2,
            on_upload_started=on_upload_started,
            on_upload_succeed=on_upload_succeed,
            on_upload_failed=on_upload_failed,
            on_upload_progress=on_upload_progress,
            on_upload_end=on_upload_end,
            endpoint=emulator.endpoint,
            checkpoint_dir=tmp_path / "journal",
            part_size_bytes=PART,
            **callbacks,
        )

    def starting(self, word: str) -> list[str]:
        return [line for line in self.lines if line.startswith(word)]


def test_upload_address_and_credential_mode(emulator: Any, app: AppServer, tmp_path: Any) -> None:
    calls: list[str] = []

    def on_upload_started(upload_info: Any) -> None:
        if upload_info.video_id:
            calls.append("refresh")
            answer = app.refresh_upload_video(upload_info.video_id)
        else:
            calls.append("create")
            answer = app.create_upload_video("test", upload_info.file.name)
        uploader.set_upload_auth_and_address(
            upload_info, answer["UploadAuth"], answer["UploadAddress"], answer["VideoId"]
        )

    def on_upload_token_expired(upload_info: Any) -> None:
        calls.append("expired")
        answer = app.refresh_upload_video(upload_info.video_id)
        assert uploader.resume_upload_with_auth(answer["UploadAuth"]) is True

    sample = SampleUploader(
        emulator, tmp_path, on_upload_started=on_upload_started, on_upload_token_expired=on_upload_token_expired
    )
    uploader = sample.up
    with uploader:
        path = file_of(tmp_path, "talk.mp4", 3 * PART + 11)
        info = uploader.add_file(path, None, None, None, '{"Vod":{}}')
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert info.state == "Success"
        assert stored(emulator, info) == path.read_bytes()
        assert calls == ["create"]
        assert sample.starting("onUploadStarted")[0].startswith("onUploadStarted:talk.mp4, endpoint:None")
        succeeded = sample.starting("onUploadSucceed")
        assert len(succeeded) == 1
        assert f"bucket:{emulator.bucket}" in succeeded[0]
        assert f"object:{info.object}" in succeeded[0]
        progress = sample.starting("onUploadProgress")
        assert progress[0].endswith(f"fileSize:{3 * PART + 11}, percent:0%")
        assert progress[-1].endswith("percent:100%")
        assert sample.lines[-1] == "onUploadEnd: uploaded all the files"
        assert sample.starting("onUploadFailed") == []
        assert len(emulator.assets) == 1


def test_credential_that_expires_in_mid_upload_is_renewed_by_the_application(
    emulator: Any, app: AppServer, tmp_path: Any
) -> None:
    from vod_widget.emulator.faults import ExpireToken

    calls: list[str] = []

    def on_upload_started(upload_info: Any) -> None:
        answer = app.create_upload_video("test", upload_info.file.name)
        uploader.set_upload_auth_and_address(
            upload_info, answer["UploadAuth"], answer["UploadAddress"], answer["VideoId"]
        )

    def on_upload_token_expired(upload_info: Any) -> None:
        calls.append(f"expired in {uploader.state} {upload_info.state}")
        uploader.resume_upload_with_auth(app.refresh_upload_video(upload_info.video_id)["UploadAuth"])

    sample = SampleUploader(
        emulator, tmp_path, on_upload_started=on_upload_started, on_upload_token_expired=on_upload_token_expired
    )
    uploader = sample.up
    emulator.faults.add(op="UploadPart", nth=3, action=ExpireToken())
    with uploader:
        path = file_of(tmp_path, "talk.mp4", 6 * PART)
        info = uploader.add_file(path)
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert info.state == "Success", info.error
        assert calls == ["expired in Expire Expired"]
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1
        assert ops(emulator, "InitiateMultipartUpload") == ["InitiateMultipartUpload"]


def test_sts_mode(emulator: Any, app: AppServer, tmp_path: Any) -> None:
    def on_upload_started(upload_info: Any) -> None:
        token = app.assume_role()
        uploader.set_sts_token(upload_info, token["AccessKeyId"], token["AccessKeySecret"], token["SecurityToken"])

    sample = SampleUploader(emulator, tmp_path, on_upload_started=on_upload_started)
    uploader = sample.up
    with uploader:
        path = file_of(tmp_path, "talk.mp4", 2 * PART + 1)
        info = uploader.add_file(path)
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert sample.lines[-1] == "onUploadEnd: uploaded all the files"


def test_sts_token_that_expires_is_renewed_and_the_video_refreshed(
    emulator: Any, app: AppServer, tmp_path: Any
) -> None:
    from vod_widget.emulator.faults import ExpireToken

    calls: list[str] = []

    def on_upload_started(upload_info: Any) -> None:
        token = app.assume_role()
        uploader.set_sts_token(upload_info, token["AccessKeyId"], token["AccessKeySecret"], token["SecurityToken"])

    def on_upload_token_expired(upload_info: Any) -> None:
        calls.append("expired")
        token = app.assume_role()
        uploader.resume_upload_with_sts_token(
            token["AccessKeyId"], token["AccessKeySecret"], token["SecurityToken"], token["Expiration"]
        )

    sample = SampleUploader(
        emulator, tmp_path, on_upload_started=on_upload_started, on_upload_token_expired=on_upload_token_expired
    )
    uploader = sample.up
    # The upload credential dies with the third part, and the STS token when it is used for the refresh.
    emulator.faults.add(op="UploadPart", nth=3, action=ExpireToken())
    emulator.faults.add(op="RefreshUploadVideo", action=ExpireToken())
    with uploader:
        path = file_of(tmp_path, "talk.mp4", 6 * PART)
        info = uploader.add_file(path)
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert info.state == "Success", info.error
        assert calls == ["expired"]
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1


def test_list_management_and_control_of_the_document(emulator: Any, app: AppServer, tmp_path: Any) -> None:
    def on_upload_started(upload_info: Any) -> None:
        answer = app.create_upload_video("test", upload_info.file.name)
        uploader.set_upload_auth_and_address(
            upload_info, answer["UploadAuth"], answer["UploadAddress"], answer["VideoId"]
        )

    uploader = SampleUploader(emulator, tmp_path, on_upload_started=on_upload_started).up
    with uploader:
        for name in ("a.mp4", "b.mp4", "c.mp4"):
            uploader.add_file(file_of(tmp_path, name), None, None, None, '{"Vod":{}}')
        assert [info.file.name for info in uploader.list_files()] == ["a.mp4", "b.mp4", "c.mp4"]
        assert uploader.delete_file(1) is True
        assert [info.file.name for info in uploader.list_files()] == ["a.mp4", "c.mp4"]
        assert uploader.cancel_file(1) is True
        assert uploader.list_files()[1].state == "Canceled"
        assert uploader.resume_file(1) is True
        assert uploader.list_files()[1].state == "Ready"
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert [info.state for info in uploader.list_files()] == ["Success", "Success"]
        uploader.stop_upload()
        uploader.clean_list()
        assert uploader.list_files() == []
        assert len(emulator.assets) == 2


def test_user_data_sample_of_the_document_is_not_json_and_says_so(emulator: Any, tmp_path: Any) -> None:
    with vw.VODUpload(endpoint=emulator.endpoint) as uploader:
        path = file_of(tmp_path)
        with pytest.raises(vw.VODError, match="JSON") as caught:
            uploader.add_file(path, None, None, None, '{"Vod":{"Title":"test","CateId":"234"}"}')
        assert "clip.mp4" in str(caught.value)
        assert uploader.list_files() == []


def test_user_data_sample_corrected_gives_title_and_category(emulator: Any, tmp_path: Any) -> None:
    cate_id = _a_category(emulator)
    credentials = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
    with vw.VODUpload(endpoint=emulator.endpoint, credentials=credentials) as uploader:
        text = json.dumps({"Vod": {"Title": "test", "CateId": str(cate_id)}})
        info = uploader.add_file(file_of(tmp_path), None, None, None, text)
        assert info.title == "test"
        uploader.run(LONG_S)
        assert info.state == "Success", info.error
        asset = emulator.asset(info.video_id)
        assert (asset.title, asset.cate_id) == ("test", cate_id)


def _a_category(emulator: Any) -> int:
    from aliyunsdkvod.request.v20170321.AddCategoryRequest import AddCategoryRequest

    request = AddCategoryRequest()
    request.set_CateName("talks")
    return int(AppServer(emulator)._call(request)["Category"]["CateId"])


def test_file_of_the_mini_program_with_its_cover(emulator: Any, media: Media) -> None:
    credentials = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
    with vw.VODUpload(endpoint=emulator.endpoint, credentials=credentials) as uploader:
        file = {"url": str(media.mp4), "coverUrl": str(media.jpeg)}
        info = uploader.add_file(file, None, None, None, '{"Vod":{}}')
        uploader.run(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == media.mp4.read_bytes()
        kinds = [asset.kind for asset in emulator.assets]
        assert kinds == ["image", "video"]
        assert emulator.asset(info.video_id).cover_url == info.cover_url
        assert info.cover_url
        assert emulator.object_path(emulator.assets[0].media_id).read_bytes() == media.jpeg.read_bytes()


def test_image_upload_puts_the_image_id_where_the_video_id_goes(
    emulator: Any, app: AppServer, media: Media, tmp_path: Any
) -> None:
    def on_upload_started(upload_info: Any) -> None:
        answer = app.create_upload_image(upload_info.file.name)
        uploader.set_upload_auth_and_address(
            upload_info, answer["UploadAuth"], answer["UploadAddress"], answer["ImageId"]
        )

    uploader = SampleUploader(emulator, tmp_path, on_upload_started=on_upload_started).up
    with uploader:
        info = uploader.add_file(media.png)
        uploader.start_upload()
        assert uploader.wait(LONG_S)
        assert info.state == "Success", info.error
        assert info.image_id == emulator.assets[0].media_id
        assert info.video_id is None
        assert stored(emulator, info) == media.png.read_bytes()


def test_started_of_a_resumed_file_carries_the_video_id(emulator: Any, app: AppServer, tmp_path: Any) -> None:
    """`if (uploadInfo.videoId)` of the first sample: a checkpoint of an earlier process says that this is a resume."""
    calls: list[str] = []

    def on_upload_started(upload_info: Any) -> None:
        up = uploaders[-1]
        if upload_info.video_id:
            calls.append(f"refresh {upload_info.video_id}")
            answer = app.refresh_upload_video(upload_info.video_id)
        else:
            calls.append("create")
            answer = app.create_upload_video("test", upload_info.file.name)
        up.set_upload_auth_and_address(upload_info, answer["UploadAuth"], answer["UploadAddress"], answer["VideoId"])

    from vod_widget.emulator.faults import Stall

    path = file_of(tmp_path, "talk.mp4", 4 * PART)
    uploaders: list[Any] = []
    stall = emulator.faults.add(op="UploadPart", nth=3, action=Stall(), times=None)
    uploaders.append(SampleUploader(emulator, tmp_path, on_upload_started=on_upload_started).up)
    with uploaders[-1] as first:
        info = first.add_file(path)
        first.start_upload()
        from tests.helpers.until import until

        until(lambda: info.accepted_bytes >= 2 * PART, "two parts were accepted")
        first.stop_upload()
        stall.release()
        assert first.wait(LONG_S)
        video_id = info.video_id
    emulator.faults.clear()
    uploaders.append(SampleUploader(emulator, tmp_path, on_upload_started=on_upload_started).up)
    with uploaders[-1] as second:
        again = second.add_file(path)
        second.start_upload()
        assert second.wait(LONG_S)
        assert again.state == "Success", again.error
        assert again.video_id == video_id
    assert calls == ["create", f"refresh {video_id}"]
    assert len(emulator.assets) == 1
    assert stored(emulator, again) == path.read_bytes()
