"""Answers as the HTTP layer sends them: refusals in the dress of their service, and streams on their way.

What lives here: pure helpers of `server` and `strikes`. It imports `cloud`, `exchange`; on the emulator's event loop.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping

from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.errors import OssError, RpcError
from vod_widget.emulator.exchange import Exchange, Reply
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.rpc import RpcAnswer

_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def oss_error(cloud: Cloud, exchange: Exchange, problem: OssError) -> Reply:
    """Return a refusal as the service of the request says it."""
    if exchange.route.service == "rpc":
        return rpc_error(cloud, exchange, problem.status, problem.code, problem.message)
    request = OssRequest(exchange.request.method, "", "", host=exchange.headers.get("host", ""))
    with cloud.lock:
        answer = cloud.oss.render_error(problem, request)
    return Reply(answer.status, dict(answer.headers), answer.body, code=answer.code)


def rpc_error(cloud: Cloud, exchange: Exchange, status: int, code: str, message: str) -> Reply:
    """Return a refusal of VOD or STS."""
    with cloud.lock:
        answer = cloud.rpc.render_error(
            RpcError(status, code, message),
            dict(exchange.query),
            exchange.headers.get("host", ""),
        )
    return rpc_reply(answer)


def rpc_reply(answer: RpcAnswer) -> Reply:
    """Return an answer of VOD or STS."""
    headers = {
        "Content-Type": answer.content_type,
        "x-acs-request-id": answer.request_id,
        **answer.headers,
    }
    return Reply(answer.status, headers, answer.body, code=answer.code)


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the request id that an answer tells."""
    return headers.get("x-oss-request-id") or headers.get("x-acs-request-id", "")


def gzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks compressed."""
    press = zlib.compressobj(wbits=_GZIP_FORMAT)
    for block in blocks:
        if pressed := press.compress(block):
            yield pressed
    yield press.flush()
