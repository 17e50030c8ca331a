"""`InMemoryEmulator`: the same cloud, faults and request log without a socket, a thread or a file.

What lives here: what `server` does, for callers in the process: route, strike, judge, act, log. It imports `cloud`,
`faults`, `record`, `oss_names`; nothing waits. For simulators and fast tests; not for two threads at a time.

A connection that breaks is `ConnectionLost`, and a wait is a call of `on_wait` with the seconds (None: for ever), by
which a simulator moves its clock.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from vod_widget.emulator import cors, faults, rpc_v3
from vod_widget.emulator.clock import Clock, http_date
from vod_widget.emulator.cloud import DEFAULT_UPLOAD_AUTH_TTL_S, Cloud
from vod_widget.emulator.errors import OssError, RpcError
from vod_widget.emulator.facts import CloudFacts
from vod_widget.emulator.oss_checks import pace_of
from vod_widget.emulator.oss_names import OssRequest, Route, claimed_key_id, operation_of, parse_query, route
from vod_widget.emulator.record import RequestLog, RequestRecord, masked
from vod_widget.emulator.rpc import RpcRequest
from vod_widget.emulator.switches import Switches

_HOST = "127.0.0.1"


class ConnectionLost(ConnectionError):
    """The connection broke: before the effect, after it, or within the answer.

    Args:
        code: `Dropped`, `Reset` or `Stalled`, as in the log; `Truncated`, where the log has the answer's status.
        partial: What of the answer's body had come.
    """

    def __init__(self, code: str, partial: bytes = b"") -> None:
        super().__init__(code)
        self.code = code
        self.partial = partial


@dataclass(frozen=True)
class InMemoryAnswer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes = field(default=b"", repr=False)
    code: str = ""
    """The vendor's error code, "" for success."""


@dataclass
class _Call:
    method: str
    route: Route
    query: list[tuple[str, str]]
    headers: dict[str, str]
    path: str
    body: bytes
    number: int
    op: str = ""
    part_number: int | None = None
    access_key_id: str = ""
    struck: list[faults.Fault] = field(default_factory=list)
    received_bytes: int = 0
    by_header: rpc_v3.HeaderSignature | None = None


def _no_wait(seconds: float | None) -> None:
    if seconds is None:
        raise ConnectionLost("Stalled")


class InMemoryEmulator(CloudFacts):
    """The emulator for callers in the same process.

    Args:
        clock: Tells and moves time; a simulator passes `Clock(its_own_now)`.
        rng: Makes ids, keys and tokens; `random.Random(seed)` makes runs repeatable.
        upload_auth_ttl_s: Seconds an UploadAuth lives, > 0.
        switches: Decisions about what the vendor does not document.
        on_wait: Called for Stall and Drip with the seconds, or None for ever; by default nothing waits, and
            what would wait for ever is `ConnectionLost`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        upload_auth_ttl_s: float = DEFAULT_UPLOAD_AUTH_TTL_S,
        switches: Switches | None = None,
        on_wait: Callable[[float | None], None] = _no_wait,
    ) -> None:
        self.clock = clock or Clock()
        self.faults = faults.Faults()
        self.cloud = Cloud(clock=self.clock, rng=rng, upload_auth_ttl_s=upload_auth_ttl_s, switches=switches)
        self.endpoint = f"http://{_HOST}"
        self._on_wait = on_wait
        self._log = RequestLog()

    def __repr__(self) -> str:
        return f"<InMemoryEmulator account={self.cloud.account_id}>"

    @property
    def requests(self) -> list[RequestRecord]:
        """Return the log of requests; secrets are masked."""
        return self._log.records()

    def reset(self) -> None:
        """Forget assets, objects, temporary keys, faults and the log; the clock starts over."""
        self.faults.clear()
        self.cloud.reset()
        self._log.clear()

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> InMemoryAnswer:
        """Answer one request as the server would.

        Args:
            method: The verb.
            target: Path and query, percent-encoded, as in the request line.
            headers: Any case; Host is 127.0.0.1 when absent.
            body: All of it.

        Raises:
            ConnectionLost: A fault broke the connection.
        """
        parts = urlsplit(target)
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        lowered.setdefault("host", _HOST)
        if method in ("PUT", "POST") and "transfer-encoding" not in lowered:
            lowered.setdefault("content-length", str(len(body)))
        by_oss = "authorization" in lowered and not rpc_v3.is_signed(lowered)
        found = route(lowered["host"], parts.path, has_oss_signature=by_oss)
        query = parse_query(parts.query)
        call = _Call(method, found, query, lowered, parts.path, body, self._log.next_number())
        try:
            answer = self._spoiled(call, self._answer(call))
        except ConnectionLost as lost:
            if lost.code != "Truncated":
                self._record(call, 0, lost.code)
            raise
        self._record(call, answer.status, answer.code)
        return answer

    def _answer(self, call: _Call) -> InMemoryAnswer:
        if call.method == "OPTIONS" and call.route.service:
            call.op = "OptionObject"
            try:
                with self.cloud.lock:
                    allowed = cors.preflight(self.cloud.cors_rules(call.route.bucket), call.headers)
                return InMemoryAnswer(200, _lowered(allowed))
            except OssError as problem:
                return self._injected(call, problem.status, problem.code, problem.message)
        if call.route.service == "rpc":
            if rpc_v3.is_signed(call.headers):
                call.by_header, pairs = rpc_v3.parse(call.path, call.query, call.headers, call.body)
                call.query = call.query + pairs
            if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                call.query += parse_query(call.body.decode("utf-8", "surrogateescape"))
            params = dict(call.query)
            call.op, call.access_key_id = params.get("Action", ""), params.get("AccessKeyId", "")
            return self._struck(call, self._act_rpc)
        if not call.route.service:
            return self._injected(call, 403, "AccessDenied", "This emulator answers to loopback names only.")
        request = self._request(call)
        call.op = operation_of(request)
        number = request.param("partNumber")
        call.part_number = int(number) if number.isdecimal() and len(number) < 10 else None
        call.access_key_id = claimed_key_id(call.headers, request)
        return self._struck(call, self._act_oss)

    def _struck(self, call: _Call, act: Callable[[_Call], InMemoryAnswer]) -> InMemoryAnswer:
        call.struck = self.faults.choose(call.op, call.part_number)
        answer = self._strike(call, "before")
        if answer is not None:
            return answer
        call.received_bytes = len(call.body)
        answer = act(call)
        return self._strike(call, "after") or answer

    def _strike(self, call: _Call, when: faults.When) -> InMemoryAnswer | None:
        for fault in [fault for fault in call.struck if fault.when == when]:
            match fault.action:
                case faults.Stall(seconds):
                    self._on_wait(seconds)
                case faults.ExpireToken():
                    with self.cloud.lock:
                        self.cloud.keys.expire_now(call.access_key_id)
                case faults.Drop():
                    raise ConnectionLost("Dropped")
                case faults.Reset(after_body_bytes):
                    if when == "before":
                        call.received_bytes = min(after_body_bytes, len(call.body))
                    raise ConnectionLost("Reset")
                case faults.Status() as action:
                    if action.read_body:
                        call.received_bytes = len(call.body)
                    injected = self._injected(call, action.status, action.code, action.message)
                    lowered = {name.lower(): value for name, value in action.headers.items()}
                    return replace(injected, headers={**injected.headers, **lowered})
                case faults.ErrorIn200(code, message):
                    call.received_bytes = len(call.body)
                    return self._injected(call, 200, code, message)
                case faults.Redirect(location, status):
                    call.received_bytes = len(call.body)
                    return InMemoryAnswer(status, {"location": location}, code="Redirect")
                case faults.CorruptBody():
                    call.body = bytes([call.body[0] ^ 0xFF]) + call.body[1:] if call.body else b""
                case _:
                    pass  # SpoilHeaders, Truncate and Drip act on the answer
        return None

    def _injected(self, call: _Call, status: int, code: str, message: str) -> InMemoryAnswer:
        with self.cloud.lock:
            if call.route.service == "rpc":
                host = call.headers["host"]
                answer = self.cloud.rpc.render_error(RpcError(status, code, message), dict(call.query), host)
                return InMemoryAnswer(answer.status, {"content-type": answer.content_type}, answer.body, answer.code)
            shown = self.cloud.oss.render_error(OssError(status, code, message), self._request(call))
        return InMemoryAnswer(shown.status, _lowered(shown.headers), shown.body, shown.code)

    def _act_rpc(self, call: _Call) -> InMemoryAnswer:
        with self.cloud.lock:
            request = RpcRequest(call.method, call.query, call.headers["host"], self.endpoint, call.by_header)
            answer = self.cloud.rpc.handle(request)
        headers = {"content-type": answer.content_type, "x-acs-request-id": answer.request_id}
        return InMemoryAnswer(answer.status, {**headers, **_lowered(answer.headers)}, answer.body, answer.code)

    def _act_oss(self, call: _Call) -> InMemoryAnswer:
        with self.cloud.lock:
            answer = self.cloud.oss.handle(self._request(call), call.body)
            body = answer.body
            if answer.stream is not None:
                stream = answer.stream
                body = b"".join(self.cloud.store.read(stream.stored.content, stream.start, stream.end))
                body = gzip.compress(body, mtime=0) if answer.gzip else body
        bytes_per_s = pace_of(call.op, self._request(call)) if answer.status < 300 else None
        if bytes_per_s:
            self._on_wait((len(call.body) or len(body)) / bytes_per_s)
        return InMemoryAnswer(answer.status, _lowered(answer.headers), body, answer.code)

    def _request(self, call: _Call) -> OssRequest:
        return OssRequest(
            call.method, call.route.bucket, call.route.key, call.query, call.headers, call.headers["host"]
        )

    def _spoiled(self, call: _Call, answer: InMemoryAnswer) -> InMemoryAnswer:
        server = "AliyunOSS" if call.route.service == "oss" else "VOD"
        headers = {"server": server, "date": http_date(self.clock.wall_s()), **answer.headers}
        if "origin" in call.headers and call.route.service:
            with self.cloud.lock:
                told = self.cloud.cors_headers(call.route.bucket, call.headers, call.method)
            headers = {**_lowered(told), **headers}
        if call.route.service != "rpc" and "x-oss-request-id" not in headers:  # a redirect
            headers["x-oss-request-id"] = self.cloud.oss.new_request_id()
        for fault in call.struck:
            match fault.action:
                case faults.SpoilHeaders(changes, remove):
                    for name in remove:
                        headers.pop(name.lower(), None)
                    headers |= {name.lower(): value for name, value in changes.items()}
                case faults.Truncate(body_bytes) if body_bytes < len(answer.body):
                    self._record(call, answer.status, answer.code)  # the head of the answer had left
                    raise ConnectionLost("Truncated", answer.body[:body_bytes])
                case faults.Drip(step_bytes, pause_s):
                    self._on_wait(pause_s * (len(answer.body) // step_bytes))
                case _:
                    pass
        return replace(answer, headers=headers)

    def _record(self, call: _Call, status: int, code: str) -> None:
        query = dict(call.query)
        self._log.add(
            RequestRecord(
                number=call.number,
                op=call.op,
                method=call.method,
                host=call.headers["host"],
                path=call.path,
                query=masked(call.query),
                headers=masked(call.headers.items()),
                status=status,
                code=code,
                body_bytes=call.received_bytes,
                bucket=call.route.bucket,
                key=call.route.key,
                upload_id=query.get("uploadId", ""),
                part_number=call.part_number,
                faults=tuple(type(fault.action).__name__ for fault in call.struck),
            )
        )


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
