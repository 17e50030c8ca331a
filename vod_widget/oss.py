"""The data plane: the only module that imports oss2, which signs and sends every call to the object storage.

oss2's own CRC, progress, retry and resume are not used: they cost twelve times the CPU, or end in wrong bytes reported
as success (`docs/decisions.md`). Floor 2: imports floors 0 and 1 and the `_http` base. Methods run in the queue's
threads, any number at once; a session holds no state but its keys.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import oss2

from . import _oss_answers as answers
from ._http import Answer, Exchange, WatchedBody, Wire, checked_base_url, perform
from ._http_faults import guard_logs, parse_xml
from ._oss_faults import storage_error
from .errors import (
    ClockSkewError,
    EndpointRefusedError,
    InvalidArgumentError,
    NoSuchUploadError,
    NotFoundError,
    VODError,
)
from .interfaces import Body, CanBeCut, Clock
from .model import Credentials, LinkFacts, ObjectInfo, Part, PartsPage, RemotePart, UploadAddress, UploadAuth
from .retry import send_deadline_s as deadline_of
from .secret import Secret

__all__ = ["OssStore"]

T = TypeVar("T")

_BUCKETS_MAX = 64
_NOBODY = Credentials("nobody", "nothing")

_COMPLETE_ANSWER_S = 300.0
"""OSS joins up to 10,000 parts before it answers; 90 s were reported, so the usual minute would be a false alarm."""


class OssStore:
    """Object storage through one pool of connections, for all files.

    Args:
        clock: Wall time for signing, monotonic time for deadlines.
        pool_size: Connections kept open, >= 1; give the number of requests at a time.
        connect_timeout_s: Longest time for TCP and TLS to connect, seconds.
        read_timeout_s: Longest silence while sending, and longest time for an answer, seconds. Complete has 300 s.
        ca_file: PEM file of trusted authorities instead of certifi's; for the emulator's TLS.
        user_agent: Appended to oss2's own User-Agent.
        send_deadline_s: From the length of a body (bytes) to the longest time for sending it (seconds); the queue
            knows the rate. Default: what `retry.send_deadline_s` says without one.

    Attributes:
        clock_offset_s: Server time minus ours, seconds; added to every signing time. Learned from a refusal for skew.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        pool_size: int,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        ca_file: str | None = None,
        user_agent: str = "vod_widget",
        send_deadline_s: Callable[[int], float] | None = None,
    ) -> None:
        if pool_size < 1 or connect_timeout_s <= 0 or read_timeout_s <= 0:
            raise InvalidArgumentError("pool_size and the timeouts must be positive")
        # oss2 loads the vendor's core, whose logger writes to the screen from the moment it is imported.
        guard_logs(("oss2", "aliyunsdkcore", "urllib3", "requests"))
        self.clock_offset_s = 0.0
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._user_agent = user_agent
        self._send_deadline_s = send_deadline_s or functools.partial(deadline_of, rate_of_one=0.0)
        # With 0.1 % loss at 100 ms, bbr reaches in 4 connections what cubic needs 64 for (measured); a system that
        # does not allow it keeps its own.
        self._wire = Wire(pool_size=pool_size, ca_file=ca_file, congestion="bbr")
        self._session = _Session(self._wire)
        self._buckets: dict[tuple[str, str], Any] = {}

    def open(self, auth: UploadAuth, address: UploadAddress) -> OssSession:
        """Return a cheap session for one object; nothing is sent.

        Raises:
            EndpointRefusedError: The address is not https (http is for loopback only), or not a bucket of OSS.
        """
        if not address.object:
            raise EndpointRefusedError("the upload address has no object key")
        bucket = self._bucket(_Auth(auth.credentials, self.now_s), address)
        return OssSession(self, bucket, address.object, has_token=auth.credentials.security_token is not None)

    def connect_ahead(self, most: int, address: UploadAddress | None = None) -> None:
        """Open one connection for a request to come, unless there are `most`; it does not matter when that fails.

        Args:
            most: Connections to that place in all, >= 1.
            address: Where to; None for where the last request went.
        """
        base_url = None
        if address is not None:
            bucket = self._bucket(None, address)
            base_url = bucket._make_url(bucket.bucket_name, "")
        self._wire.session.connect_ahead(base_url, most, self._connect_timeout_s)

    def _bucket(self, auth: Any, address: UploadAddress) -> Any:
        """One of oss2's with these keys; to make one takes as long as to sign with it, and all files have the same."""
        place = address.endpoint, address.bucket
        known = self._buckets.get(place)
        if known is None:
            if len(self._buckets) >= _BUCKETS_MAX:
                self._buckets.clear()
            known = self._buckets[place] = self._new_bucket(address)
        bucket = copy.copy(known)
        bucket.auth = auth
        return bucket

    def _new_bucket(self, address: UploadAddress) -> Any:
        endpoint, _host = checked_base_url(address.endpoint, "the endpoint of the upload address")
        bucket: Any = None
        with contextlib.suppress(oss2.exceptions.ClientError):
            bucket = oss2.Bucket(
                _Auth(_NOBODY, self.now_s),  # of the version that signs: by it oss2 decides how to check names
                endpoint,
                address.bucket,
                session=self._session,
                # The connection keeps the real deadlines; this pair is what urllib3 starts with.
                connect_timeout=(self._connect_timeout_s, self._read_timeout_s),
                app_name=self._user_agent,
                enable_crc=False,
            )
        if bucket is None:
            raise EndpointRefusedError("the upload address has no valid bucket or endpoint")
        return bucket

    def link(self) -> LinkFacts:
        """Return what the connections tell of the line so far."""
        return self._wire.facts()

    def close(self) -> None:
        """Close every connection; requests in flight fail with ConnectionLostError."""
        self._wire.close()

    def now_s(self) -> float:
        """Return the server's time as far as we know it, Unix seconds."""
        return self._clock.now_s() + self.clock_offset_s

    def __repr__(self) -> str:
        return f"OssStore(clock_offset_s={self.clock_offset_s:.0f})"

    def _exchange(self, what: str, length: int, answer_s: float | None) -> Exchange:
        return Exchange(
            self._clock,
            what,
            idle_s=self._read_timeout_s,
            send_s=self._send_deadline_s(length),
            answer_s=answer_s or self._read_timeout_s,
            # oss2 parses with entities allowed and raises what it likes: it sees only what we could read.
            accept=lambda content: not content or parse_xml(content) is not None,
        )

    def _learn(self, error: ClockSkewError) -> None:
        if error.server_time_s is not None:
            self.clock_offset_s = error.server_time_s - self._clock.now_s()


class _Session(oss2.Session):  # type: ignore[misc]  # oss2 has no types
    """What oss2 sends by; its own writes each request with its token into a text, for a log that is off."""

    def __init__(self, wire: Wire) -> None:
        self.session = wire.session

    def do_request(self, req: Any, timeout: tuple[float, float]) -> Any:
        return oss2.http.Response(
            self.session.request(
                req.method, req.url, data=req.data, params=req.params, headers=req.headers, timeout=timeout
            )
        )


_http_date = functools.lru_cache(maxsize=4)(oss2.http_date)
"""Of whole seconds, as a Date is."""


class _Auth(oss2.ProviderAuth):  # type: ignore[misc]  # oss2 has no types
    """Signature version 1 with a clock that can be set; the secret and the token live here alone.

    Source: https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header,
        read 2026-11. oss2 2.19.1 always signs the local clock; remove this when it takes a time.
    """

    def __init__(self, credentials: Credentials, now_s: Callable[[], float]) -> None:
        token = credentials.security_token
        super().__init__(
            oss2.StaticCredentialsProvider(
                credentials.access_key_id,
                credentials.access_key_secret.reveal(),
                token.reveal() if token else "",
            )
        )
        self._now_s = now_s

    def _sign_request(self, req: Any, bucket_name: str, key: str) -> None:
        keys = self.credentials_provider.get_credentials()
        if keys.get_security_token():
            req.headers["x-oss-security-token"] = keys.get_security_token()
        req.headers["date"] = _http_date(int(self._now_s()))
        signature = self._ProviderAuth__make_signature(req, bucket_name, key, keys)
        req.headers["authorization"] = f"OSS {keys.get_access_key_id()}:{signature}"


class OssSession:
    """One object, opened with one temporary credential; see `interfaces.StoreSession`. Made by `OssStore.open`."""

    def __init__(self, store: OssStore, bucket: Any, key: str, *, has_token: bool) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._has_token = has_token

    def __repr__(self) -> str:
        return f"OssSession({self._bucket.bucket_name}/{self._key})"

    def put_object(self, body: Body, headers: dict[str, str]) -> ObjectInfo:
        """Send the whole object in one request.

        Args:
            body: At least 1 byte, at most 5 GiB.
            headers: Extra request headers, e.g. x-oss-notification.
        """
        return self._send(
            "PutObject",
            lambda data: self._bucket.put_object(self._key, data, headers=headers),
            answers.stored,
            body=body,
        )

    def init_multipart(self, headers: dict[str, str]) -> str:
        """Begin a multipart upload and return its id, never empty."""
        return self._send(
            "InitiateMultipartUpload",
            lambda _: self._bucket.init_multipart_upload(self._key, headers=headers),
            answers.upload_id,
        )

    def upload_part(
        self, upload_id: str, part_number: int, body: Body, headers: dict[str, str] | None = None
    ) -> RemotePart:
        """Send one part.

        Args:
            upload_id: From `init_multipart`.
            part_number: 1 to 10,000.
            body: At least 1 byte; 100 KiB unless it is the last part.
            headers: Extra request headers, e.g. Content-MD5.
        """

        def read(answer: Answer, what: str) -> RemotePart:
            info = answers.stored(answer, what)
            return RemotePart(part_number, len(body), info.etag, info.crc64)

        return self._send(
            "UploadPart",
            lambda data: self._bucket.upload_part(self._key, upload_id, part_number, data, headers=headers),
            read,
            body=body,
        )

    def signed_part_url(self, upload_id: str, part_number: int, life_s: int) -> Secret:
        """Sign a URL by which anybody may send this one part; nothing is sent.

        Args:
            upload_id: From `init_multipart`.
            part_number: 1 to 10,000.
            life_s: Seconds that it is good for.
        """
        # oss2 counts the life from the local clock.
        life_s += round(self._store.clock_offset_s)
        which = {"uploadId": upload_id, "partNumber": str(part_number)}
        return Secret(self._bucket.sign_url("PUT", self._key, life_s, params=which, slash_safe=True))

    def list_parts(self, upload_id: str, after: int = 0) -> PartsPage:
        """List stored parts in order, at most 1,000.

        Args:
            upload_id: From `init_multipart`.
            after: The part after which the page begins; 0 for the first.
        """
        marker = str(after) if after else ""
        return self._send(
            "ListParts",
            lambda _: self._bucket.list_parts(self._key, upload_id, marker=marker, max_parts=1000),
            answers.listed,
        )

    def list_uploads(self) -> tuple[str, ...]:
        """List the ids of unfinished multipart uploads of this object, at most 1,000."""
        return self._send(
            "ListMultipartUploads",
            lambda _: self._bucket.list_multipart_uploads(prefix=self._key, max_uploads=1000),
            lambda answer, what: answers.uploads(answer, what, self._key),
        )

    def complete(self, upload_id: str, parts: tuple[Part, ...], headers: dict[str, str]) -> ObjectInfo:
        """Join the parts into the object.

        Any `UnexpectedAnswerError`, `TransportError` or `ServerFaultError` leaves it open whether the object exists:
        ask `head`, never send again blindly.
        """
        chosen = [oss2.models.PartInfo(p.part_number, p.etag) for p in parts]
        return self._send(
            "CompleteMultipartUpload",
            lambda _: self._bucket.complete_multipart_upload(self._key, upload_id, chosen, headers=headers),
            answers.completed,
            answer_s=_COMPLETE_ANSWER_S,
        )

    def abort(self, upload_id: str) -> None:
        """Drop the multipart upload and its parts; an unknown id is no error."""
        try:
            self._send(
                "AbortMultipartUpload",
                lambda _: self._bucket.abort_multipart_upload(self._key, upload_id),
                lambda _answer, _what: None,
                statuses=(204,),  # a 200 is a proxy's, or holds an error: the parts are still there
            )
        except NoSuchUploadError:
            return

    def head(self) -> ObjectInfo | None:
        """Return what the storage says of the object, or None when it does not exist."""
        try:
            return self._send("HeadObject", lambda _: self._bucket.head_object(self._key), answers.described)
        except NotFoundError as exc:
            if exc.code == "Bucket":
                raise
            return None

    def _send(
        self,
        what: str,
        call: Callable[[Any], Any],
        read: Callable[[Answer, str], T],
        *,
        body: Body | None = None,
        answer_s: float | None = None,
        statuses: tuple[int, ...] = (200,),
    ) -> T:
        """Run one call of oss2, check its status, and read its answer."""
        exchange = self._store._exchange(what, len(body) if body is not None else 0, answer_s)
        data = None if body is None else WatchedBody(body, exchange)
        if hasattr(body, "hold"):  # not by isinstance, which for a Protocol takes as long as reading a small file
            exchange.hold = cast("CanBeCut", body).hold

        def run() -> T:
            call(data)
            answer = exchange.answer
            if answer is None or answer.status not in statuses:
                # oss2 takes every 2xx for success; 203 is CallbackFailed.
                raise self._explain(exchange)
            return read(answer, what)

        try:
            return perform(exchange, run, lambda _exc: self._explain(exchange))
        except ClockSkewError as exc:
            self._store._learn(exc)
            raise

    def _explain(self, exchange: Exchange) -> VODError:
        if exchange.answer is None:
            return VODError(f"{exchange.what} could not be built")
        return storage_error(exchange.what, exchange.answer, now_s=self._store.now_s(), has_token=self._has_token)
