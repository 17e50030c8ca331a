"""The simulated edges and the real ones side by side, for `test_simulated_edges.py`: how to open them, and to strike them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.protocol.support import Bytes, WallClock
from vod_widget import errors
from vod_widget.emulator import Emulator
from vod_widget.emulator import faults as real
from vod_widget.emulator.switches import Switches
from vod_widget.model import Credentials, Grant, Part, UploadMetadata
from vod_widget.oss import OssStore
from vod_widget.retry import Action, classify, is_doubtful
from vod_widget.vod_api import SdkVodApi

from .cloud import PAGE_PARTS, PART, WALL_S, Network, SimApi, SimStore, make_cloud

TITLE = "Täst 電影 ~*+"
REGION = "cn-shanghai"
SWITCHES = Switches(upload_token_may_list_uploads=True)
numbers = itertools.count(1)


class Still:
    """A clock that stands, so that only sockets can run out of time."""

    def now_s(self) -> float:
        return WALL_S

    def monotonic_s(self) -> float:
        return 0.0


class Ears(Still):
    """A world in which nothing goes wrong but what a test forces."""

    trouble = False
    fault_ratio = 0.0
    no_crc = False

    def __init__(self) -> None:
        self.skew_s = 0.0

    def server_s(self) -> float:
        return WALL_S + self.skew_s

    def client_s(self) -> float:
        return WALL_S

    def die(self) -> None:
        raise AssertionError("nobody dies here")

    def meanwhile(self) -> None: ...
    def struck(self, op: str, kind: str, body: Any) -> None: ...
    def sent(self, body: Any, size_bytes: int) -> None: ...


class Simulated:
    """The edges of a history."""

    endpoint = None

    def __init__(self) -> None:
        self.ears = Ears()
        self.cloud = make_cloud(1, self.ears.server_s, SWITCHES)
        self.network = Network(self.ears, self.cloud, random.Random(1))
        self.store: Any = SimStore(self.network)
        self.api: Any = SimApi(self.network, self.ears)
        self.role_arn = self.cloud.sts.role_arn
        self.owner = self.cloud.owner

    def strike(self, op: str, kind: str) -> None:
        """Let the next call of this operation go wrong."""
        self.network.forced.append((op, "lost" if kind == "breaks_off" else kind))

    def skew(self, skew_s: float) -> None:
        """Let the server's clock differ from the client's, seconds."""
        self.ears.skew_s = skew_s

    def open(self, grant: Grant) -> Any:
        return self.store.open(grant.auth, grant.address)

    def close(self) -> None:
        """Nothing is open."""


class Real:
    """The edges that people use, on an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.endpoint = emulator.endpoint
        clock = WallClock()
        self.store: Any = OssStore(clock, pool_size=2)
        self.api: Any = SdkVodApi(clock, pool_size=2)
        self.cloud = emulator.cloud
        self.role_arn = emulator.role_arn
        self.owner = emulator

    def strike(self, op: str, kind: str) -> None:
        action, when = REAL_FAULTS[kind]
        if kind == "denied" and op in RPC:
            action = real.Status(403, "Forbidden.RAM")
        if kind == "429" and op in RPC:
            action = real.Throttle()
        self.emulator.faults.add(op=op, action=action, when=when)

    def skew(self, skew_s: float) -> None:
        self.emulator.clock.skew(skew_s)

    def open(self, grant: Grant) -> Any:
        session = self.store.open(grant.auth, grant.address)
        listing = session._bucket.list_parts
        session._bucket.list_parts = lambda *args, **more: listing(*args, **{**more, "max_parts": PAGE_PARTS})
        return session

    def close(self) -> None:
        self.store.close()
        self.api.close()
        self.emulator.faults.clear()
        self.emulator.clock.skew(0.0)


RPC = ("CreateUploadVideo", "RefreshUploadVideo", "CreateUploadImage", "GetVideoInfo")
REAL_FAULTS: dict[str, tuple[real.Action, real.When]] = {
    # With the body whole, for else chance decides how much of it had left.
    "reset": (real.Reset(after_body_bytes=1 << 20), "before"),
    "reset_mid": (real.Reset(after_body_bytes=500), "before"),
    "500": (real.Status(500), "before"),
    "503": (real.Status(503, "ServiceUnavailable", headers={"Retry-After": "7"}), "before"),
    "429": (real.Status(429, "TooManyRequests"), "before"),
    "408": (real.Status(408, ""), "before"),
    "error_in_200": (real.ErrorIn200(), "before"),
    "redirect": (real.Redirect("https://elsewhere.example/"), "before"),
    "denied": (real.Status(403, "AccessDenied"), "before"),
    "expire": (real.ExpireToken(), "before"),
    "damaged": (real.CorruptBody(), "before"),
    "digest": (real.Status(400, "InvalidDigest"), "before"),
    "wrong_crc": (real.WrongCrc(), "before"),
    "no_crc": (real.NoCrc(), "before"),
    "wrong_etag": (real.WrongETag(), "before"),
    "no_etag": (real.NoETag(), "before"),
    "lost": (real.Drop(), "after"),
    "breaks_off": (real.Truncate(10), "after"),
    "late_500": (real.Status(500), "after"),
    "late_error_in_200": (real.ErrorIn200(), "after"),
}
"""What the emulator does for each kind of the simulation; what it cannot do comes from a raw server."""


def control_of(edges: Any) -> Any:
    keys = Credentials(edges.owner.access_key_id, edges.owner.access_key_secret)
    return edges.api.open(keys, REGION, edges.endpoint)


def create(control: Any, reference_id: str = "") -> Grant:
    reference_id = reference_id or f"reference-{next(numbers):06d}"
    metadata = UploadMetadata(title=TITLE, tags=("a", "b c"))
    found: Grant = control.create_upload_video(
        metadata, file_name="talk.mp4", size_bytes=3 * PART, reference_id=reference_id
    )
    return found


def send(session: Any, count: int, size: int = PART) -> tuple[str, tuple[Part, ...]]:
    upload_id = session.init_multipart({})
    parts = []
    for number in range(1, count + 1):
        stored = session.upload_part(upload_id, number, Bytes(bytes([number]) * size))
        start = (number - 1) * size
        parts.append(Part(number, start, start + size, stored.etag, stored.crc64))
    return upload_id, tuple(parts)


Verdict = tuple[type[errors.VODError], str | None, Action, bool]


def verdict(call: Callable[[], Any]) -> Any:
    """What the machine sees: the error's class, code, action, doubt and further facts; else the value."""
    try:
        value = call()
        return shown(value) if isinstance(value, Grant) else value
    except errors.VODError as exc:
        return (
            type(exc),
            exc.code,
            classify(exc),
            is_doubtful(exc),
            getattr(exc, "status", None),
            getattr(exc, "retry_after_s", None),
            getattr(exc, "was_sent", None),
        )


def shown(grant: Grant) -> tuple[Any, ...]:
    """A grant whose secrets can be compared."""
    keys = grant.auth.credentials
    token = keys.security_token.reveal() if keys.security_token else ""
    times = grant.auth.expires_at_s, grant.auth.issued_at_s, keys.expires_at_s
    secrets = keys.access_key_id, keys.access_key_secret.reveal(), token
    return grant.media_id, grant.address, grant.image_url, grant.request_id, grant.auth.region, times, secrets


def judged(call: Callable[[], Any]) -> Verdict:
    """The same without the further facts; fails when there was no error."""
    with pytest.raises(errors.VODError) as caught:
        call()
    exc = caught.value
    return type(exc), exc.code, classify(exc), is_doubtful(exc)


def calls_of(session: Any, upload_id: str, parts: tuple[Part, ...]) -> dict[str, Callable[[], Any]]:
    """Each operation of the storage; those that end the upload come last."""
    return {
        "HeadObject": session.head,
        "PutObject": lambda: session.put_object(Bytes(b"x"), {}),
        "InitiateMultipartUpload": lambda: session.init_multipart({}),
        "UploadPart": lambda: session.upload_part(upload_id, 1, Bytes(b"\x01" * PART)),
        "ListParts": lambda: session.list_parts(upload_id),
        "ListMultipartUploads": session.list_uploads,
        "CompleteMultipartUpload": lambda: session.complete(upload_id, parts, {}),
        "AbortMultipartUpload": lambda: session.abort(upload_id),
    }


def control_calls(control: Any, media_id: str) -> dict[str, Callable[[], Any]]:
    return {
        "CreateUploadVideo": lambda: create(control),
        "RefreshUploadVideo": lambda: control.refresh_upload_video(media_id),
        "CreateUploadImage": lambda: control.create_upload_image(UploadMetadata(title="i"), file_name="a.png"),
        "GetVideoInfo": lambda: control.find_video(video_id=media_id),
    }


def all_calls(edges: Any) -> dict[str, Callable[[], Any]]:
    control = control_of(edges)
    grant = create(control)
    session = edges.open(grant)
    return {**control_calls(control, grant.media_id), **calls_of(session, *send(session, PAGE_PARTS))}
