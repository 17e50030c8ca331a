"""Carrying faults out: what `faults` chose, done to one request and its answer.

What lives here: `strike`, for what happens before or after the effect, and `spoil`, for what is done to the answer. It
imports `cloud`, `faults`, `connection`, `replies`; on the emulator's event loop.
"""

from __future__ import annotations

from vod_widget.emulator import faults
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.connection import HangUp, stall
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.exchange import Exchange, Reply
from vod_widget.emulator.replies import oss_error, rpc_error


async def strike(cloud: Cloud, exchange: Exchange, when: faults.When) -> Reply | None:
    """Apply the faults of a moment; return the answer when one of them is an answer.

    Raises:
        HangUp: One of them breaks the connection.
    """
    for fault in exchange.actions(when):
        match fault.action:
            case faults.Stall(seconds):
                await stall(fault, seconds)
            case faults.ExpireToken():
                with cloud.lock:
                    cloud.keys.expire_now(exchange.access_key_id)
            case faults.Drop():
                raise HangUp("Dropped", reset=False)
            case faults.Reset(after_body_bytes):
                if when == "before":
                    await exchange.body.skip(after_body_bytes)
                raise HangUp("Reset", reset=True)
            case faults.Status() as action:
                if action.read_body:
                    await exchange.body.drain()
                reply = _injected(cloud, exchange, action.status, action.code, action.message)
                reply.headers.update(action.headers)
                reply.close = not action.read_body
                return reply
            case faults.ErrorIn200(code, message):
                await exchange.body.drain()
                return _injected(cloud, exchange, 200, code, message)
            case faults.Redirect(location, status):
                await exchange.body.drain()
                return Reply(status, {"Location": location}, code="Redirect")
            case _:
                pass  # SpoilHeaders and Truncate act on the answer, CorruptBody on the body
    return None


def _injected(cloud: Cloud, exchange: Exchange, status: int, code: str, message: str) -> Reply:
    if exchange.route.service == "rpc":
        return rpc_error(cloud, exchange, status, code, message)
    return oss_error(cloud, exchange, OssError(status, code, message))


def spoil(exchange: Exchange, headers: dict[str, str]) -> tuple[int | None, faults.Fault | None]:
    """Change the headers of an answer; return after how many bytes its body ends, and what lets it drip."""
    cut: int | None = None
    drip: faults.Fault | None = None
    for fault in exchange.struck:
        match fault.action:
            case faults.SpoilHeaders(changes, remove):
                for name in remove:
                    headers.pop(name, None)
                headers.update(changes)
            case faults.Truncate(body_bytes):
                cut = body_bytes
            case faults.Drip():
                drip = fault
            case _:
                pass
    return cut, drip


def corrupts(exchange: Exchange) -> bool:
    """Tell whether a fault damages the body."""
    return any(isinstance(fault.action, faults.CorruptBody) for fault in exchange.struck)
