"""The HTTP layer: sockets in, `Cloud` calls out.

What lives here: `HttpFront`, the handler of every request. It imports aiohttp, `cloud`, `house`, `record`,
`cors`, `oss_names`, `replies`, and `strikes` for faults. Everything runs on the event loop of the emulator's
own thread; hashing and writing of large bodies goes to a small pool, callbacks to another.

Theory of one request: name it, strike it with faults that come before, judge it, stream its
body, act, strike it with faults that come after, log it, answer. A refused request's body is
read to its end first, so that a client that is still sending hears the refusal and the
connection lives on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from vod_widget.emulator import cors, faults, house, oss_callback, oss_xml, rpc_v3
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.bodies import BodyReader
from vod_widget.emulator.clock import http_date
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.connection import BodyBroken, Handler, HangUp, comes_from_here, hang_up, stall
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.exchange import Exchange, Reply
from vod_widget.emulator.house import House
from vod_widget.emulator.objects import Content
from vod_widget.emulator.oss_checks import TRAFFIC_LIMIT, pace_of, traffic_limit
from vod_widget.emulator.oss_names import (
    OssRequest,
    Route,
    claimed_key_id,
    is_loopback,
    operation_of,
    parse_query,
    route,
)
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_views import Callback, OssAnswer
from vod_widget.emulator.pace import Pace
from vod_widget.emulator.record import RequestLog, RequestRecord, masked
from vod_widget.emulator.replies import gzipped, oss_error, request_id_of, rpc_reply
from vod_widget.emulator.rpc import RpcRequest
from vod_widget.emulator.strikes import corrupts, spoil, strike

_MAX_FORM_BYTES = 1 << 20
CallBack = Callable[[Callback], tuple[bytes, str]]

_LOGGER = logging.getLogger("vod_widget.emulator")


class HttpFront:
    """Answer requests on behalf of a cloud.

    Args:
        cloud: Does everything.
        armed: Faults to strike with.
        log: Where requests are recorded.
        house: Answers the emulator's own paths.
        endpoint_of: The OSS endpoint that answers to callers over TLS (True) or not.
        call_back: Makes the calls of x-oss-callback: returns the answer's body, and why it is none.
        network_name: By which other machines may call; "" answers to this machine's names only.
    """

    def __init__(
        self,
        cloud: Cloud,
        armed: faults.Faults,
        log: RequestLog,
        house: House,
        endpoint_of: Callable[[bool], str],
        *,
        call_back: CallBack,
        network_name: str = "",
    ) -> None:
        self._cloud = cloud
        self._armed = armed
        self._log = log
        self._house = house
        self._endpoint_of = endpoint_of
        self._call_back = call_back
        self._network_name = network_name
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="vod-emulator-io")
        self._callers = ThreadPoolExecutor(4, thread_name_prefix="vod-emulator-callback")

    def close(self) -> None:
        """Stop the pools; nothing is in flight any more."""
        for pool in (self._pool, self._callers):
            pool.shutdown(wait=True, cancel_futures=True)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the entry point that aiohttp calls."""
        exchange = self._open(request)
        try:
            reply = await self._serve(exchange)
        except HangUp as hang:
            self._record(exchange, 0, hang.code)
            return hang_up(request, reset=hang.reset)
        except (BodyBroken, web.RequestPayloadError, ConnectionError, HttpProcessingError):
            reply = oss_error(
                self._cloud,
                exchange,
                OssError(
                    400,
                    "IncompleteBody",
                    "You did not provide the number of bytes specified by the Content-Length HTTP header.",
                ),
            )
            reply.close = True
        except Exception as exc:
            # A full disk, or a mistake of ours: answer as the service would, and say it aloud.
            _LOGGER.exception("request %d failed: %s", exchange.number, exchange.op)
            reply = oss_error(self._cloud, exchange, OssError(500, "InternalError", type(exc).__name__))
            reply.close = True
        return await self._send(exchange, reply)

    def _open(self, request: web.BaseRequest) -> Exchange:
        headers: dict[str, str] = {}
        for raw_name, raw_value in request.raw_headers:
            name = raw_name.decode("latin-1").lower()
            value = raw_value.decode("utf-8", "surrogateescape").strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        target = request.raw_path
        if "://" in target.split("?", 1)[0]:  # absolute form, as a proxy's client sends it
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        path, _, raw_query = target.partition("?")
        found = route(
            headers.get("host", ""),
            path,
            has_oss_signature="authorization" in headers and not rpc_v3.is_signed(headers),
            own_name=self._network_name,
        )
        if found.service and is_loopback(headers.get("host", "")) and path.startswith(house.PREFIX):
            found = Route("house") if comes_from_here(request) else Route("")
        number = self._log.next_number()
        return Exchange(request, headers, path, parse_query(raw_query), found, number, BodyReader(request.content))

    async def _serve(self, exchange: Exchange) -> Reply:
        if not exchange.route.service:
            await exchange.body.drain()
            return oss_error(
                self._cloud,
                exchange,
                OssError(403, "AccessDenied", "This emulator answers to loopback names only."),
            )
        if exchange.route.service == "house":
            return await self._serve_house(exchange)
        if exchange.request.method == "OPTIONS":
            exchange.op = "OptionObject"
            try:
                with self._cloud.lock:
                    rules = self._cloud.cors_rules(exchange.route.bucket)
                return Reply(200, cors.preflight(rules, exchange.headers))
            except OssError as problem:
                return oss_error(self._cloud, exchange, problem)
        if exchange.route.service == "rpc":
            return await self._serve_rpc(exchange)
        return await self._serve_oss(exchange)

    async def _serve_house(self, exchange: Exchange) -> Reply:
        body = await self._read(exchange, _MAX_FORM_BYTES)
        exchange.op = "Emulator"
        auth = exchange.headers.get("authorization", "")
        answer = self._house.handle(exchange.request.method, exchange.path, dict(exchange.query), auth, body)
        return Reply(answer.status, dict(answer.headers), answer.body, code=answer.code)

    # --- RPC -----------------------------------------------------------------------------

    async def _serve_rpc(self, exchange: Exchange) -> Reply:
        body = await self._read(exchange, _MAX_FORM_BYTES)
        by_header = None
        if rpc_v3.is_signed(exchange.headers):
            by_header, pairs = rpc_v3.parse(exchange.path, exchange.query, exchange.headers, body)
            exchange.query = exchange.query + pairs
        if exchange.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            exchange.query = exchange.query + parse_query(body.decode("utf-8", "surrogateescape"))
        nothing = exchange.request.method == "GET" and not exchange.query
        if nothing and is_loopback(exchange.headers.get("host", "")) and comes_from_here(exchange.request):
            # No client of the API asks for nothing at all: this is a person with a browser.
            exchange.op = "Page"
            shown = self._house.page()
            return Reply(shown.status, dict(shown.headers), shown.body)
        params = dict(exchange.query)
        exchange.op = params.get("Action", "")
        exchange.access_key_id = params.get("AccessKeyId", "")
        call = RpcRequest(
            exchange.request.method,
            exchange.query,
            exchange.headers.get("host", ""),
            self._endpoint_of(exchange.secure),
            by_header,
        )
        exchange.struck = self._armed.choose(exchange.op)
        reply = await strike(self._cloud, exchange, "before")
        if reply is None:
            with self._cloud.lock:
                answer = self._cloud.rpc.handle(call)
            reply = rpc_reply(answer)
            reply = await strike(self._cloud, exchange, "after") or reply
        return reply

    # --- OSS -----------------------------------------------------------------------------

    async def _serve_oss(self, exchange: Exchange) -> Reply:
        request = OssRequest(
            exchange.request.method,
            exchange.route.bucket,
            exchange.route.key,
            exchange.query,
            exchange.headers,
            exchange.headers.get("host", ""),
        )
        exchange.op = operation_of(request)
        number = request.param("partNumber")
        exchange.part_number = int(number) if number.isdecimal() and len(number) < 10 else None
        exchange.access_key_id = claimed_key_id(exchange.headers, request)
        exchange.struck = self._armed.choose(exchange.op, exchange.part_number)
        reply = await strike(self._cloud, exchange, "before")
        if reply is not None:
            return reply
        try:
            with self._cloud.lock:
                ticket = self._cloud.oss.begin(request)
                held = self._cloud.store.acquire(ticket.source.stored) if ticket.source else None
            try:
                answer = await self._finish_oss(exchange, ticket, held)
            finally:
                if held:
                    with self._cloud.lock:
                        self._cloud.store.release(held)
        except OssError as problem:
            reply = oss_error(self._cloud, exchange, problem)
            if "expect" in exchange.headers or exchange.request.method in ("GET", "HEAD"):
                reply.close = not exchange.request.content.is_eof()  # it may never come, and shall not
            else:
                await exchange.body.drain()
        else:
            if answer.callback is not None:
                calling = asyncio.get_running_loop().run_in_executor(self._callers, self._call_back, answer.callback)
                answer = oss_callback.told(answer, *await calling, request.host)
            reply = Reply(answer.status, dict(answer.headers), answer.body, answer.stream, answer.code)
            reply.gzip = answer.gzip
            reply.bytes_per_s = pace_of(exchange.op, request)
        return await strike(self._cloud, exchange, "after") or reply

    async def _finish_oss(self, exchange: Exchange, ticket: Ticket, held: Content | None) -> OssAnswer:
        if not ticket.stores_body:
            body = await self._read(exchange, oss_xml.MAX_COMPLETE_BYTES)
            if body and corrupts(exchange):
                body = bytes([body[0] ^ 0xFF]) + body[1:]
            blob = await self._copy(ticket, held) if held else None
            with self._cloud.lock:
                return self._cloud.oss.finish(ticket, blob, body)
        blob = await self._store_body(exchange, ticket)
        with self._cloud.lock:
            return self._cloud.oss.finish(ticket, blob, b"")

    # --- bodies --------------------------------------------------------------------------

    async def _continue(self, exchange: Exchange) -> None:
        if exchange.headers.pop("expect", "").lower() == "100-continue":
            transport = exchange.request.transport
            if transport is not None:
                transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _read(self, exchange: Exchange, limit_bytes: int) -> bytes:
        if exchange.request.method in ("GET", "HEAD"):
            # Nothing of theirs means anything, and some clients announce one that they never send.
            return b""
        await self._continue(exchange)
        return await exchange.body.read_small(limit_bytes)

    async def _store_body(self, exchange: Exchange, ticket: Ticket) -> Blob:
        await self._continue(exchange)
        with self._cloud.lock:
            sink = self._cloud.store.blobs.sink(f"{ticket.request.bucket}/{ticket.request.key}")
        length = exchange.headers.get("content-length", "")
        connection = exchange.request.protocol
        pace = Pace(pace_of(ticket.operation, ticket.request))
        through = self._through(ticket, pace)
        tap = None
        try:
            if isinstance(connection, Handler) and length.isdecimal() and through is None and pace.bytes_per_s is None:
                tap = connection.tap(exchange.request.content, int(length))
            corrupt = corrupts(exchange)
            await exchange.body.fill(sink, self._pool, corrupt=corrupt, through=through, tap=tap, pace=pace)
            return sink.finish()
        except BaseException:
            sink.discard()
            raise
        finally:
            if tap is not None:
                tap.close()

    async def _copy(self, ticket: Ticket, held: Content) -> Blob:
        """Copy stored bytes in a thread, for their checksums; the caller keeps them from going."""
        store, source = self._cloud.store, ticket.source
        assert source is not None
        with self._cloud.lock:
            sink = store.blobs.sink(f"{ticket.request.bucket}/{ticket.request.key}")
        blocks = store.read(held, source.start, source.end)
        copying = asyncio.get_running_loop().run_in_executor(self._pool, sink.write, blocks)
        try:
            await asyncio.wait([copying])
            copying.result()
            await Pace(pace_of(ticket.operation, ticket.request)).passed(sink.size_bytes)
            return sink.finish()
        except BaseException:
            await asyncio.wait([copying])
            sink.discard()
            raise

    def _through(self, ticket: Ticket, pace: Pace) -> Callable[[bytes], bytes] | None:
        """Return what takes the file out of a form; None: the body is the file."""
        form = ticket.form
        if form is None:
            return None

        def feed(block: bytes) -> bytes:
            with self._cloud.lock:
                file = form.feed(block)
                pace.bytes_per_s = traffic_limit(form.fields.get(TRAFFIC_LIMIT, "")) if file else None
                return file

        return feed

    # --- answers -------------------------------------------------------------------------

    async def _send(self, exchange: Exchange, reply: Reply) -> web.StreamResponse:
        headers = {
            "Server": "AliyunOSS" if exchange.route.service == "oss" else "VOD",
            "Date": http_date(self._cloud.clock.wall_s()),
            **self._cors_headers(exchange),
            **reply.headers,
        }
        if exchange.route.service in ("oss", "") and "x-oss-request-id" not in headers:
            headers["x-oss-request-id"] = self._cloud.oss.new_request_id()
        cut, drip = spoil(exchange, headers)
        reply = replace(reply, headers=headers)
        if exchange.request.transport is None:
            self._record(exchange, 0, reply.code or "Gone")
            return web.Response(status=500)
        self._record(exchange, reply.status, reply.code, request_id_of(headers))
        if reply.stream is None and cut is None and drip is None:
            response = web.Response(status=reply.status, headers=headers, body=reply.body or None)
            if reply.close:
                response.force_close()
            return response
        return await self._send_stream(exchange, reply, cut, drip)

    def _cors_headers(self, exchange: Exchange) -> dict[str, str]:
        if "origin" not in exchange.headers or exchange.route.service not in ("rpc", "oss") or exchange.op == "Page":
            return {}
        with self._cloud.lock:
            return self._cloud.cors_headers(exchange.route.bucket, exchange.headers, exchange.request.method)

    async def _send_stream(
        self, exchange: Exchange, reply: Reply, cut: int | None, drip: faults.Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        if reply.stream is None:
            response.content_length = len(reply.body)
        left = cut
        content = None
        pace = Pace(None)
        if reply.stream is not None:
            stream = reply.stream
            pace.bytes_per_s = reply.bytes_per_s
            with self._cloud.lock:
                content = self._cloud.store.acquire(stream.stored)
            blocks = self._cloud.store.read(content, stream.start, stream.end)
            if reply.gzip:
                blocks = gzipped(blocks)
        else:
            blocks = iter([reply.body])
        try:
            await response.prepare(exchange.request)
            for block in blocks:
                if left is not None:
                    shown = block[:left]
                    left -= len(shown)
                else:
                    shown = block
                await _write(response, shown, drip, pace)
                if left == 0:
                    break
            if cut is not None:
                return hang_up(exchange.request, reset=False)
            await response.write_eof()
        finally:
            if content is not None:
                with self._cloud.lock:
                    self._cloud.store.release(content)
        return response

    def _record(self, exchange: Exchange, status: int, code: str, request_id: str = "") -> None:
        query = dict(exchange.query)
        self._log.add(
            RequestRecord(
                number=exchange.number,
                op=exchange.op,
                method=exchange.request.method,
                host=exchange.headers.get("host", ""),
                path=exchange.path,
                query=masked(exchange.query),
                headers=masked(exchange.headers.items()),
                status=status,
                code=code,
                body_bytes=exchange.body.received_bytes,
                bucket=exchange.route.bucket,
                key=exchange.route.key,
                upload_id=query.get("uploadId", ""),
                part_number=exchange.part_number,
                faults=tuple(type(fault.action).__name__ for fault in exchange.struck),
                secure=exchange.secure,
                request_id=request_id,
            )
        )


async def _write(response: web.StreamResponse, block: bytes, drip: faults.Fault | None, pace: Pace) -> None:
    if pace.step_bytes is not None:
        for at in range(0, len(block), pace.step_bytes):
            shown = block[at : at + pace.step_bytes]
            await pace.passed(len(shown))
            await response.write(shown)
        return
    if drip is None or not isinstance(drip.action, faults.Drip):
        await response.write(block)
        return
    for at in range(0, len(block), drip.action.step_bytes):
        await response.write(block[at : at + drip.action.step_bytes])
        await stall(drip, drip.action.pause_s)
