"""The emulator's own paths: health, the admin API, the page to look at.

What lives here: `House`. It imports `cloud`, `faults`, `record`, `page`; called on the event loop, for
loopback Hosts only, and never with CORS headers: no page of a browser but its own may read the answers.

    GET    /                                 the page, for people
    GET    /_emulator/health                 {"service": "vod_widget.emulator"}; no secret needed
    GET    /_emulator/admin/state            assets, unfinished uploads, events
    GET    /_emulator/admin/requests?after=N the request log, secrets masked
    GET    /_emulator/admin/faults           what is armed
    POST   /_emulator/admin/faults           arm one: {"op", "action": {"kind": "Status", "status": 503}, ...}
    POST   /_emulator/admin/faults/ID/release  let what it stalls go on
    DELETE /_emulator/admin/faults[/ID]      disarm all, or one
    POST   /_emulator/admin/clock            {"advance_s": 60, "skew_s": -5}
    POST   /_emulator/admin/reset            forget everything

Everything below admin/ wants `Authorization: Bearer SECRET`; a GET changes nothing.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from vod_widget.emulator import faults, page, strict_json
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.oss_views import OssAnswer
from vod_widget.emulator.record import RequestLog

PREFIX = "/_emulator/"
SERVICE_NAME = "vod_widget.emulator"
# What the page shows of the log.
_SHOWN_REQUESTS = 40
_ACTIONS: Mapping[str, Callable[..., faults.Action]] = {
    **{action.__name__: action for action in faults.ACTIONS},
    **{make.__name__: make for make in (faults.Throttle, faults.WrongCrc, faults.NoCrc)},
    **{make.__name__: make for make in (faults.WrongETag, faults.NoETag)},
}


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class House:
    """Answer the emulator's own paths.

    Args:
        cloud: What is shown, moved and reset.
        armed: The faults.
        log: The requests.
        admin_secret: Opens the admin API.
        reset: Forgets everything, as `Emulator.reset` does.
    """

    def __init__(
        self,
        cloud: Cloud,
        armed: faults.Faults,
        log: RequestLog,
        admin_secret: str,
        reset: Callable[[], None],
    ) -> None:
        self._cloud = cloud
        self._armed = armed
        self._log = log
        self._secret = admin_secret
        self._reset = reset

    def page(self) -> OssAnswer:
        """Return the page that shows what the cloud holds."""
        with self._cloud.lock:
            body = page.render(self._cloud, self._log.last(_SHOWN_REQUESTS))
        return OssAnswer(200, page.HEADERS, body)

    def handle(self, method: str, path: str, query: Mapping[str, str], auth: str, body: bytes) -> OssAnswer:
        """Answer one request below `PREFIX`."""
        try:
            return _json(200, self._act(method, path.removeprefix(PREFIX), query, auth, body))
        except _Refusal as exc:
            return _json(exc.status, {"code": exc.code, "message": str(exc)}, exc.code)

    def _act(self, method: str, path: str, query: Mapping[str, str], auth: str, body: bytes) -> Any:
        if path == "health" and method in ("GET", "HEAD"):
            return {"service": SERVICE_NAME}
        area, _, rest = path.partition("/")
        if area != "admin":
            raise _Refusal(404, "NotFound", f"no {PREFIX}{path} here")
        if not hmac.compare_digest(auth.encode("utf-8", "surrogateescape"), f"Bearer {self._secret}".encode()):
            raise _Refusal(401, "Unauthorized", "the admin API wants Authorization: Bearer and its secret")
        name, _, more = rest.partition("/")
        match method, name:
            case "GET", "state" if not more:
                return self._state()
            case "GET", "requests" if not more:
                after = int(query.get("after", "")) if query.get("after", "").isdecimal() else 0
                return [asdict(record) for record in self._log.records() if record.number > after]
            case "GET", "faults" if not more:
                return [_shown(fault) for fault in self._armed.armed]
            case "POST", "faults" if not more:
                return _shown(self._arm(_object(body)))
            case "POST", "faults" if more.endswith("/release"):
                self._fault(more.removesuffix("/release")).release()
                return {}
            case "DELETE", "faults":
                if more:
                    self._armed.remove(self._fault(more))
                else:
                    self._armed.clear()
                return {}
            case "POST", "clock":
                return self._move_clock(_object(body))
            case "POST", "reset":
                self._reset()
                return {}
        raise _Refusal(404, "NotFound", f"no {method} {PREFIX}{path} here")

    def _state(self) -> dict[str, Any]:
        with self._cloud.lock:
            vod, store = self._cloud.vod, self._cloud.store
            return {
                "assets": [{**asdict(asset), "status": vod.status(asset)} for asset in vod.assets.values()],
                "events": [asdict(event) for event in vod.events],
                "unfinished_uploads": [
                    {
                        "bucket": upload.bucket,
                        "key": upload.key,
                        "upload_id": upload.upload_id,
                        "parts": sorted(upload.parts),
                    }
                    for bucket in store.buckets()
                    for upload in store.multipart.uploads(bucket.name)
                ],
            }

    def _arm(self, wanted: dict[str, Any]) -> faults.Fault:
        action = wanted.pop("action", None)
        if not isinstance(action, dict) or action.get("kind") not in _ACTIONS:
            raise _bad(f"action.kind must be one of {', '.join(sorted(_ACTIONS))}")
        unknown = set(wanted) - {"op", "nth", "times", "part_number", "when"}
        if unknown or not isinstance(wanted.get("op"), str):
            raise _bad(f"unknown {', '.join(sorted(unknown))}" if unknown else "op must name an operation")
        if wanted.get("when", "before") not in ("before", "after"):
            raise _bad("when must be before or after")
        for name in ("nth", "times", "part_number"):
            value = wanted.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise _bad(f"{name} must be a whole number")
        options = {name: value for name, value in action.items() if name != "kind"}
        try:
            made = _checked(_ACTIONS[action["kind"]](**options))
            return self._armed.add(action=made, **wanted)
        except (TypeError, ValueError) as exc:
            raise _bad(str(exc)) from exc

    def _fault(self, text: str) -> faults.Fault:
        found = next((fault for fault in self._armed.armed if str(fault.fault_id) == text), None)
        if found is None:
            raise _Refusal(404, "NotFound", f"no fault {text}")
        return found

    def _move_clock(self, wanted: dict[str, Any]) -> dict[str, float]:
        for name, value in wanted.items():
            if name not in ("advance_s", "skew_s") or not isinstance(value, int | float) or isinstance(value, bool):
                raise _bad("expected advance_s and skew_s, numbers of seconds")
        clock = self._cloud.clock
        with self._cloud.lock:
            try:
                clock.advance(wanted.get("advance_s", 0.0))
            except ValueError as exc:
                raise _bad(str(exc)) from exc
            clock.skew(wanted.get("skew_s", clock.skew_s))
        return {"advanced_s": clock.advanced_s, "skew_s": clock.skew_s}


def _bad(why: str) -> _Refusal:
    return _Refusal(400, "BadRequest", why)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = strict_json.loads(body)
    except ValueError as exc:
        raise _bad("the body must be JSON") from exc
    if not isinstance(value, dict):
        raise _bad("the body must be a JSON object")
    return value


def _checked(action: faults.Action) -> faults.Action:
    """Return an action whose values fit its defaults; JSON knows no types."""
    for field in fields(action):
        value, kinds = getattr(action, field.name), str(field.type)
        good = {
            "int": isinstance(value, int) and not isinstance(value, bool),
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
            "float": isinstance(value, int | float) and not isinstance(value, bool),
            "float | None": value is None or (isinstance(value, int | float) and not isinstance(value, bool)),
            "Mapping[str, str]": isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
            "tuple[str, ...]": isinstance(value, list | tuple) and all(isinstance(item, str) for item in value),
        }
        if not good[kinds]:
            raise ValueError(f"{field.name} must be {kinds}")
    return action


def _shown(fault: faults.Fault) -> dict[str, Any]:
    return {
        "id": fault.fault_id,
        "op": fault.op,
        "action": {"kind": type(fault.action).__name__, **asdict(fault.action)},
        "nth": fault.nth,
        "times": fault.times,
        "part_number": fault.part_number,
        "when": fault.when,
        "fired": fault.fired,
    }


def _json(status: int, value: Any, code: str = "") -> OssAnswer:
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    # ensure_ascii: names of objects may hold lone surrogates.
    return OssAnswer(status, headers, json.dumps(value).encode("ascii"), code=code)
