"""The client's two edges on the emulator's cloud without HTTP, and everything that can go wrong on the way.

What the emulator decides is decided by its own classes (`vod_widget.emulator.Cloud`); what an answer means is read by the
client's own readers and tables (`oss.py`, `_oss_faults.py`, `vod_api.py`, `_vod_faults.py`). Left out are sockets, and the
signatures of the storage: `test_simulated_edges.py` shows that both ways agree. Parts are tiny, so that a history costs
milliseconds. A body is judged once it is whole; the emulator judges what it can before.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qsl

import vod_widget._oss_answers as answers
import vod_widget.emulator.uploads as emulated_uploads
import vod_widget.parts as parts_module
from vod_widget._answer import Answer
from vod_widget._oss_faults import storage_error
from vod_widget._vod_answers import json_object
from vod_widget._vod_faults import rpc_error
from vod_widget._vod_signing import form_of
from vod_widget.emulator import Clock as EmulatedClock
from vod_widget.emulator import Cloud
from vod_widget.emulator.clock import http_date
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.oss_auth import OssAuthenticator
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.rpc import RpcRequest
from vod_widget.emulator.switches import Switches
from vod_widget.errors import (
    ClockSkewError,
    ConnectError,
    ConnectionLostError,
    NoSuchUploadError,
    NotFoundError,
    RequestTimeoutError,
    VODError,
)
from vod_widget.model import Credentials, LinkFacts, ObjectInfo, Part, PartsPage, RemotePart, UploadAddress, UploadAuth
from vod_widget.vod_api import SdkVodApi

__all__ = ["PART", "Killed", "Network", "SimApi", "SimStore", "make_cloud", "tiny_parts"]

PART = 16
"""Bytes of a part; the real least of 100 KiB is lowered for the run (`tiny_parts`)."""
PAGE_PARTS = 4
"""Parts of one page of ListParts; the real page has 1,000."""
OSS_ENDPOINT = "https://oss-cn-shanghai.aliyuncs.com"
WALL_S = 1_800_000_000.0


class Killed(BaseException):
    """The process is dead; nothing that it still tries has any effect."""


@contextmanager
def tiny_parts() -> Iterator[None]:
    """Lower the least part size on both sides."""
    before = parts_module.PART_MIN_BYTES, emulated_uploads.MIN_PART_BYTES
    parts_module.PART_MIN_BYTES = emulated_uploads.MIN_PART_BYTES = PART
    try:
        yield
    finally:
        parts_module.PART_MIN_BYTES, emulated_uploads.MIN_PART_BYTES = before


def make_cloud(seed: int, now_s: Callable[[], float], switches: Switches) -> Cloud:
    """The emulator's cloud of one history."""
    cloud = Cloud(clock=EmulatedClock(now_s), rng=random.Random(seed ^ 0x5EED), switches=switches)
    cloud.oss._auth = _AnySignature(cloud.clock, cloud.keys, cloud.switches, cloud.region)
    return cloud


class _AnySignature(OssAuthenticator):
    """Judges date, key and token as ever; a signature costs more than all the rest, and is believed."""

    def _compare_v1(self, *_: Any) -> None:
        pass


# ---- what can go wrong

BEFORE: dict[str, Callable[[], VODError]] = {
    "dns": lambda: ConnectError("no such host", was_sent=False, code="Network.Dns"),
    "refused": lambda: ConnectError("refused", was_sent=False, code="Network.Refused"),
    "reset": lambda: ConnectionLostError("reset before it acted", was_sent=True),
    "timeout": lambda: RequestTimeoutError("no answer in time, and no effect", was_sent=True),
}
"""The request has no effect, and no answer comes."""

AFTER: dict[str, Callable[[], VODError]] = {
    "lost": lambda: ConnectionLostError("the answer was lost", was_sent=True),
    "late": lambda: RequestTimeoutError("no answer in time", was_sent=True),
}
"""The request has its effect, and no answer comes."""

STATUSES = {
    # name: (status, code in the body, headers); without effect, and with
    "500": (500, "InternalError", {}),
    "503": (503, "ServiceUnavailable", {"Retry-After": "7"}),
    "429": (429, "TooManyRequests", {}),
    "408": (408, "", {}),
    "portal": (200, "", {"Content-Type": "text/html"}),
    "error_in_200": (200, "InternalError", {}),
    "redirect": (307, "", {"Location": "https://elsewhere.example/"}),
    "denied": (403, "AccessDenied", {}),
}

_ANY = ("dns", "refused", "reset", "reset", "timeout", "500", "500", "503", "429", "408", "portal", "error_in_200")
_ANY_AFTER = ("lost", "lost", "lost", "late", "late_500", "late_error_in_200", "truncated")
_KILLS = ("kill_before", "kill_after")
_COMMON = (*_ANY, *_ANY, *_ANY_AFTER, *_ANY_AFTER, "redirect", "denied", *_KILLS)
_SUMS = ("wrong_crc", "no_crc", "wrong_etag", "no_etag")

KINDS: dict[str, tuple[str, ...]] = {
    "CreateUploadVideo": (*_COMMON, "expire", "garbage"),
    "RefreshUploadVideo": (*_COMMON, "expire", "garbage"),
    "CreateUploadImage": (*_COMMON, "expire", "garbage"),
    "GetVideoInfo": (*_COMMON, "expire"),
    "GetAuth": ("refused", "lost", "lost", "reset", *_KILLS),
    "PutObject": (*_COMMON, "expire", "reset_mid", "damaged", "digest", *_SUMS),
    "InitiateMultipartUpload": (*_COMMON, "expire", "truncated"),
    "UploadPart": (*_COMMON, "expire", "expire", "reset_mid", "reset_mid", "damaged", "damaged", "digest", *_SUMS, "vanish"),
    "ListParts": (*_COMMON, "expire", "vanish", "list_omits", "list_size", "list_crc", "list_no_crc", "list_extra"),
    "ListMultipartUploads": (*_COMMON, "expire"),
    "CompleteMultipartUpload": (*_COMMON, *_ANY_AFTER, *_ANY_AFTER, "expire", "vanish", "wrong_crc", "no_crc"),
    "HeadObject": (*_COMMON, "expire", "no_crc"),
    "AbortMultipartUpload": (*_COMMON, "expire", "vanish"),
}  # fmt: skip
"""What can go wrong with each operation; a kind that stands there twice comes twice as often."""

FATAL = frozenset({"redirect", "denied"})
"""Kinds that fail the file, by the rules; a person then tries again."""


class Ears(Protocol):
    """What the network needs of the world.

    Attributes:
        trouble: Whether anything goes wrong at present.
        fault_ratio: Share of calls that go wrong.
        no_crc: Whether the storage never tells a CRC64.
    """

    trouble: bool
    fault_ratio: float
    no_crc: bool

    def server_s(self) -> float: ...
    def client_s(self) -> float: ...
    def die(self) -> None: ...
    def meanwhile(self) -> None: ...
    def struck(self, op: str, kind: str, body: Any) -> None: ...
    def sent(self, body: Any, size_bytes: int) -> None: ...


class Network:
    """The way between the edges and the cloud; what goes wrong is decided here.

    Args:
        ears: The world.
        cloud: The emulator's.
        rng: Chance.
    """

    def __init__(self, ears: Ears, cloud: Cloud, rng: random.Random) -> None:
        self.ears = ears
        self.cloud = cloud
        self.rng = rng
        self.counts: Counter[tuple[str, str]] = Counter()
        self.dead = False
        self.forced: list[tuple[str, str]] = []
        """(operation, kind) that strike next, for a test."""

    def strike(self, op: str, body: Any = None) -> str:
        """What goes wrong with this call, or ""."""
        if self.dead:
            raise Killed
        if self.forced and self.forced[0][0] == op:
            kind = self.forced.pop(0)[1]
        else:
            if not self.ears.trouble or self.rng.random() >= self.ears.fault_ratio:
                return ""
            kinds = KINDS[op]
            kind = kinds[int(self.rng.random() * len(kinds))]
            if kind == "damaged" and self.ears.no_crc:
                kind = "digest"  # damage that no sum can show is beyond what is promised
        self.counts[op, kind] += 1
        self.ears.struck(op, kind, body)
        return kind

    def die(self) -> NoReturn:
        """Kill the process."""
        self.ears.die()
        raise Killed


class SimStore:
    """`ObjectStore` on the emulator's cloud."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.clock_offset_s = 0.0

    def open(self, auth: UploadAuth, address: UploadAddress) -> _Session:
        return _Session(self, auth, address)

    def connect_ahead(self, most: int, address: UploadAddress | None = None) -> None:
        """Nothing is connected."""

    def link(self) -> LinkFacts:
        return LinkFacts()

    def close(self) -> None:
        """Nothing is open."""


_METHODS = {
    "PutObject": "PUT",
    "UploadPart": "PUT",
    "InitiateMultipartUpload": "POST",
    "CompleteMultipartUpload": "POST",
    "ListParts": "GET",
    "ListMultipartUploads": "GET",
    "HeadObject": "HEAD",
    "AbortMultipartUpload": "DELETE",
}
_CRC = "x-oss-hash-crc64ecma"


class _Session:
    """`StoreSession`: each call is one request of the emulator's object gateway."""

    def __init__(self, store: SimStore, auth: UploadAuth, address: UploadAddress) -> None:
        self._store = store
        self._network = store.network
        self._auth = auth
        self._address = address

    def put_object(self, body: Any, headers: dict[str, str]) -> ObjectInfo:
        return self._call("PutObject", (), answers.stored, body=body, headers=headers)

    def init_multipart(self, headers: dict[str, str]) -> str:
        return self._call("InitiateMultipartUpload", (("uploads", ""),), answers.upload_id, headers=headers)

    def upload_part(
        self, upload_id: str, part_number: int, body: Any, headers: dict[str, str] | None = None
    ) -> RemotePart:
        query = (("partNumber", str(part_number)), ("uploadId", upload_id))
        info: ObjectInfo = self._call("UploadPart", query, answers.stored, body=body, headers=headers)
        return RemotePart(part_number, len(body), info.etag, info.crc64)

    def list_parts(self, upload_id: str, after: int = 0) -> PartsPage:
        query = (
            ("uploadId", upload_id),
            ("max-parts", str(PAGE_PARTS)),
            *((("part-number-marker", str(after)),) if after else ()),
        )
        page: PartsPage = self._call("ListParts", query, answers.listed)
        return page

    def list_uploads(self) -> tuple[str, ...]:
        key = self._address.object
        found: tuple[str, ...] = self._call(
            "ListMultipartUploads",
            (("uploads", ""), ("prefix", key), ("max-uploads", "1000"), ("encoding-type", "url")),
            lambda answer, what: answers.uploads(answer, what, key),
            of_bucket=True,
        )
        return found

    def complete(self, upload_id: str, parts: tuple[Part, ...], headers: dict[str, str]) -> ObjectInfo:
        chosen = sorted(parts, key=lambda part: part.part_number)  # as oss2 does
        xml = "".join(f"<Part><PartNumber>{p.part_number}</PartNumber><ETag>{p.etag}</ETag></Part>" for p in chosen)
        xml = f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>"
        return self._call(
            "CompleteMultipartUpload",
            (("uploadId", upload_id),),
            answers.completed,
            content=xml.encode(),
            headers=headers,
        )

    def abort(self, upload_id: str) -> None:
        try:
            self._call("AbortMultipartUpload", (("uploadId", upload_id),), lambda _a, _w: None, statuses=(204,))
        except NoSuchUploadError:
            return

    def head(self) -> ObjectInfo | None:
        try:
            return self._call("HeadObject", (), answers.described)
        except NotFoundError as exc:
            if exc.code == "Bucket":
                raise
            return None

    # ---- one request

    def _call(
        self,
        what: str,
        query: tuple[tuple[str, str], ...],
        read: Callable[[Answer, str], Any],
        *,
        body: Any = None,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        statuses: tuple[int, ...] = (200,),
        of_bucket: bool = False,
    ) -> Any:
        answer = self._answer(what, query, body, content, headers or {}, of_bucket=of_bucket)
        if answer.status in statuses:
            return read(answer, what)
        now_s = self._now_s()
        error = storage_error(what, answer, now_s=now_s, has_token=self._auth.credentials.security_token is not None)
        if isinstance(error, ClockSkewError) and error.server_time_s is not None:
            self._store.clock_offset_s = error.server_time_s - self._network.ears.client_s()
        raise error

    def _now_s(self) -> float:
        return self._network.ears.client_s() + self._store.clock_offset_s

    def _answer(
        self,
        what: str,
        query: tuple[tuple[str, str], ...],
        body: Any,
        content: bytes,
        headers: dict[str, str],
        *,
        of_bucket: bool,
    ) -> Answer:
        network = self._network
        kind = network.strike(what, body)
        if kind == "kill_before":
            network.die()
        if kind in BEFORE:
            fault = BEFORE[kind]()
            raise fault
        if body is not None:
            content = self._take(body, half=kind == "reset_mid")
        keys = self._auth.credentials
        request = OssRequest(
            _METHODS[what],
            self._address.bucket,
            "" if of_bucket else self._address.object,
            query,
            {
                **{name.lower(): value for name, value in headers.items()},
                "content-length": str(len(content)),
                "date": http_date(self._now_s()),
                "authorization": f"OSS {keys.access_key_id}:unsigned",
                "x-oss-security-token": keys.security_token.reveal() if keys.security_token else "",
            },
        )
        if kind == "expire":
            network.cloud.keys.expire_now(keys.access_key_id)
        if kind == "vanish":
            upload = network.cloud.store.multipart._uploads.get(dict(query).get("uploadId", ""))
            if upload is not None:
                network.cloud.store.multipart.abort(upload)
        if kind in STATUSES:
            answer = _refusal(what, kind)
        elif kind == "digest":
            problem = OssError(400, "InvalidDigest", "The Content-MD5 you specified is invalid.")
            found = network.cloud.oss.render_error(problem, request)
            answer = Answer(found.status, found.headers, found.body, request.method)
        else:
            if kind == "damaged" and content:
                content = bytes((content[0] ^ 1,)) + content[1:]
            with network.cloud.lock:
                found = network.cloud.oss.handle(request, content)
            answer = Answer(found.status, found.headers, found.body, request.method)
        if kind == "kill_after":
            network.die()
        if kind in AFTER:
            fault = AFTER[kind]()
            raise fault
        if kind.startswith("late_"):
            return _refusal(what, kind.removeprefix("late_"))
        if kind or network.ears.no_crc:
            return _spoiled(answer, kind, no_crc=network.ears.no_crc)
        return answer

    def _take(self, body: Any, *, half: bool) -> bytes:
        """Read the body as a socket would; other things happen meanwhile."""
        network = self._network
        taken = bytearray()
        for number, piece in enumerate(body):
            taken += piece
            network.ears.sent(body, len(piece))
            if network.dead:
                raise Killed
            if half and (number or len(taken) * 2 >= len(body)):
                raise ConnectionLostError("reset in the middle of the body", was_sent=len(taken) == len(body))
            network.ears.meanwhile()
            if network.dead:
                raise Killed
        if len(taken) != len(body):
            raise AssertionError(f"a body of {len(taken)} bytes said that it has {len(body)}")
        return bytes(taken)


def _refusal(what: str, kind: str) -> Answer:
    status, code, headers = STATUSES[kind]
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode() if code else b"<html></html>"
    method = _METHODS[what]
    if method == "HEAD":  # an answer to it has no body
        headers, body = {**headers, **({"x-oss-err": base64.b64encode(body).decode()} if code else {})}, b""
    return Answer(status, headers, body, method)


def _spoiled(answer: Answer, kind: str, *, no_crc: bool) -> Answer:
    headers, content = dict(answer.headers), answer.content
    if no_crc or kind == "no_crc":
        headers.pop(_CRC, None)
    if kind == "wrong_crc" and _CRC in headers:
        headers[_CRC] = "1"
    elif kind == "wrong_etag":
        headers["ETag"] = '"' + "0" * 32 + '"'
    elif kind == "no_etag":
        headers.pop("ETag", None)
    elif kind == "truncated":
        # By something on the way that tells the new length; an answer that simply breaks off is "lost".
        headers.pop("ETag", None)
        content = content[: len(content) // 2]
    elif kind.startswith("list_") or (no_crc and b"<HashCrc64ecma>" in content):
        content = _spoiled_list(content, kind)
    return Answer(answer.status, headers, content, answer.method)


def _spoiled_list(content: bytes, kind: str) -> bytes:
    text = content.decode()
    start, end = text.find("<Part>"), text.rfind("</Part>") + len("</Part>")
    if start < 0:
        return content
    first = text[start : text.find("</Part>") + len("</Part>")]
    match kind:
        case "list_omits":
            text = text.replace(first, "", 1)
        case "list_size":
            text = text.replace(first, _with(first, "Size", "1"), 1)
        case "list_crc":
            text = text.replace(first, _with(first, "HashCrc64ecma", "1"), 1)
        case "list_extra":
            text = text[:end] + _with(first, "PartNumber", "9999") + text[end:]
        case _:
            while "<HashCrc64ecma>" in text:
                low, high = text.find("<HashCrc64ecma>"), text.find("</HashCrc64ecma>") + len("</HashCrc64ecma>")
                text = text[:low] + text[high:]
    return text.encode()


def _with(part: str, name: str, value: str) -> str:
    low, high = part.find(f"<{name}>"), part.find(f"</{name}>")
    return part if low < 0 else f"{part[:low]}<{name}>{value}{part[high:]}"


class SimApi(SdkVodApi):
    """The client's control plane with its vendor requests, signatures and readers; sending alone is left out."""

    def __init__(self, network: Network, clock: Any) -> None:
        self.network = network
        self.clock_offset_s = 0.0
        self._clock = clock

    def close(self) -> None:
        """Nothing is open."""

    def round_trip_s(self) -> float | None:
        """Nothing tells."""
        return None

    def _call(self, request: Any, credentials: Credentials, region: str, base: str, read: Any) -> Any:
        del base
        action = str(request.get_action_name())
        ears = self.network.ears
        now_s = ears.client_s() + self.clock_offset_s
        answer = self._answer(action, form_of(request, credentials, region, now_s=now_s), credentials)
        data = json_object(answer.content)
        if answer.status == 200 and data is not None:
            return read(data, answer)
        with_reference = "ReferenceId" in request.get_query_params()
        error = rpc_error(action, answer, data, now_s=now_s, with_reference=with_reference)
        if isinstance(error, ClockSkewError) and error.server_time_s is not None:
            self.clock_offset_s = error.server_time_s - ears.client_s()
        raise error

    def _answer(self, action: str, form: bytes, credentials: Credentials) -> Answer:
        network = self.network
        kind = network.strike(action)
        if kind == "kill_before":
            network.die()
        if kind in BEFORE:
            fault = BEFORE[kind]()
            raise fault
        if kind == "expire":
            network.cloud.keys.expire_now(credentials.access_key_id)
        if kind in STATUSES:
            return _rpc_refusal(kind)
        answer = self._perform(form)
        if kind == "kill_after":
            network.die()
        if kind in AFTER:
            fault = AFTER[kind]()
            raise fault
        if kind.startswith("late_"):
            return _rpc_refusal(kind.removeprefix("late_"))
        if kind == "truncated":
            return Answer(answer.status, answer.headers, answer.content[: len(answer.content) // 2])
        if kind == "garbage" and answer.status == 200:
            data = {**json.loads(answer.content), "UploadAuth": "not base64"}
            return Answer(200, answer.headers, json.dumps(data).encode())
        return answer

    def _perform(self, form: bytes) -> Answer:
        cloud = self.network.cloud
        pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True)
        with cloud.lock:
            found = cloud.rpc.handle(RpcRequest("POST", pairs, oss_endpoint=OSS_ENDPOINT))
        headers = {"Date": http_date(self.network.ears.server_s()), **found.headers}
        return Answer(found.status, headers, found.body)


def _rpc_refusal(kind: str) -> Answer:
    status, code, headers = STATUSES[kind]
    if kind == "429":
        status, code = 400, "Throttling.User"
    elif kind == "denied":
        code = "Forbidden.RAM"
    body = json.dumps({"Code": code, "Message": "injected", "RequestId": "R"}).encode() if code else b"<html></html>"
    return Answer(status, headers, body)
