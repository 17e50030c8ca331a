"""What the contract's tests share: an uploader on the emulator that remembers its callbacks, small files, an app server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vod_widget as vw
from tests.helpers.media import pattern_bytes
from tests.helpers.until import LONG_S, until
from vod_widget.emulator.faults import Stall
from vod_widget.model import UploadState
from vod_widget.options import CALLBACKS

PART = 102_400
SMALL = 30_000


class Heard(list):
    """Callbacks in the order in which they came: (name, args)."""

    def names(self, *, progress: bool = False) -> list[str]:
        return [name for name, _ in self if progress or name != "on_upload_progress"]

    def of(self, info: Any) -> list[str]:
        return [name for name, args in self if args and args[0] is info and name != "on_upload_progress"]

    def args(self, name: str) -> list[tuple[Any, ...]]:
        return [args for known, args in self if known == name]

    def shares(self, info: Any) -> list[float]:
        return [args[2] for args in self.args("on_upload_progress") if args[0] is info]


def keys(emulator: Any) -> vw.Credentials:
    return vw.Credentials(emulator.access_key_id, emulator.access_key_secret)


@contextmanager
def uploader(emulator: Any, tmp_path: Path, **options: Any) -> Iterator[Any]:
    """A `VODUpload` on the emulator with quick retries, small parts, and `up.heard`.

    `without=("on_upload_started",)` leaves callbacks unset; by default on_upload_started and on_upload_token_expired are
    unset, since they answer for authority.
    """
    heard = Heard()
    lock = threading.Lock()

    def listen(name: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with lock:
                heard.append((name, args))
            return then(*args) if then is not None else None

        return call

    given = {name: options.pop(name) for name in CALLBACKS if name in options}
    silent = {"on_upload_started", "on_upload_token_expired"} - set(given)
    for name in CALLBACKS:
        if name not in silent:
            options[name] = listen(name, given.get(name))
    options.setdefault("endpoint", emulator.endpoint)
    options.setdefault("checkpoint_dir", str(tmp_path / "journal"))
    options.setdefault("part_size_bytes", PART)
    options.setdefault("retry_duration", 0.0)
    if "credentials" not in options and "get_auth" not in options and "on_upload_started" not in given:
        options["credentials"] = keys(emulator)
    if options.get("credentials", 0) is None:
        del options["credentials"]
    up = vw.VODUpload(**options)
    up.__dict__["heard"] = heard
    try:
        yield up
    finally:
        emulator.faults.clear()
        assert up.close(LONG_S), "close() left something busy"


def file_of(tmp_path: Path, name: str = "clip.mp4", size: int = SMALL, seed: int | str | None = None) -> Path:
    path = tmp_path / name
    path.write_bytes(pattern_bytes(seed if seed is not None else name, size))
    return path


def stored(emulator: Any, info: Any) -> bytes:
    return emulator.object_path(info.media_id).read_bytes()


def ops(emulator: Any, *names: str) -> list[str]:
    """Operations that the emulator answered, in order; only these names when given."""
    return [r.op for r in emulator.requests if not names or r.op in names]


def runs(up: Any) -> None:
    """Start, wait, and insist that it came to an end."""
    up.start_upload()
    assert up.wait(LONG_S), up.snapshot()


def reached(fault: Any, times: int = 1) -> None:
    """Wait until a fault has struck, so that the test knows where the uploader is."""
    until(lambda: fault.fired >= times, f"{fault!r} was reached")


@contextmanager
def stopped_at(emulator: Any, tmp_path: Path, path: Path, part_number: int) -> Iterator[Any]:
    """A queue whose one file is stopped, and which is closed, after the body; the body runs while this part is on its way."""
    stall = emulator.faults.add(op="UploadPart", part_number=part_number, action=Stall())
    with uploader(emulator, tmp_path, parallel=1) as up:
        up.add_file(path)
        up.start_upload()
        reached(stall)
        yield up
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S)
    emulator.faults.clear()


def in_state(info: Any, state: UploadState | str) -> None:
    until(lambda: info.state == state, f"{info!r} became {state}")


class AppServer:
    """What the seed calls AppServer: calls VOD for its clients, with the vendor's own SDK."""

    def __init__(self, emulator: Any) -> None:
        from aliyunsdkcore.auth.credentials import AccessKeyCredential
        from aliyunsdkcore.client import AcsClient

        self.emulator = emulator
        self._host = emulator.endpoint.removeprefix("http://")
        self._client = AcsClient(
            region_id="cn-shanghai", credential=AccessKeyCredential(emulator.access_key_id, emulator.access_key_secret)
        )

    def _call(self, request: Any) -> dict[str, Any]:
        request.set_endpoint(self._host)
        request.set_protocol_type("http")
        request.set_accept_format("JSON")
        return json.loads(self._client.do_action_with_exception(request))

    def create_upload_video(self, title: str, file_name: str) -> dict[str, Any]:
        from aliyunsdkvod.request.v20170321.CreateUploadVideoRequest import CreateUploadVideoRequest

        request = CreateUploadVideoRequest()
        request.set_Title(title)
        request.set_FileName(file_name)
        return self._call(request)

    def refresh_upload_video(self, video_id: str) -> dict[str, Any]:
        from aliyunsdkvod.request.v20170321.RefreshUploadVideoRequest import RefreshUploadVideoRequest

        request = RefreshUploadVideoRequest()
        request.set_VideoId(video_id)
        return self._call(request)

    def create_upload_image(self, title: str) -> dict[str, Any]:
        from aliyunsdkvod.request.v20170321.CreateUploadImageRequest import CreateUploadImageRequest

        request = CreateUploadImageRequest()
        request.set_ImageType("default")
        request.set_ImageExt("png")
        request.set_Title(title)
        return self._call(request)

    def assume_role(self) -> dict[str, str]:
        """An STS token, as the seed's AppServer gets it."""
        from aliyunsdkcore.request import RpcRequest

        request = RpcRequest("Sts", "2015-04-01", "AssumeRole")
        request.add_query_param("RoleArn", self.emulator.role_arn)
        request.add_query_param("RoleSessionName", "client")
        return self._call(request)["Credentials"]
