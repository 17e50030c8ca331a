"""Errands to other servers: callbacks that are posted, files that are pulled.

What lives here: `Courier`, with two threads that start with the first errand. It imports `cloud` and
`assets`. Nothing here runs while a request is being answered, and the lock of `Cloud` is held only to
read and write a job or an event, never while a socket is in use.

Safety: an address in UserData or UploadURLs comes from a client, so only this machine is called: loopback
addresses, `localhost` and names under it, without asking a name server. `Switches.call_anywhere` lifts that.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from vod_widget.emulator.assets import Event, PullJob
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.objects import MAX_BODY_BYTES

# Source: VOD "Event notification": a callback that is not answered within 5 s has failed.
CALLBACK_DEADLINE_S = 5.0
# Source: VOD "FAQ about event notifications": what is not answered by 200 is sent three times in all, a second apart.
CALLBACK_ATTEMPTS = 3
CALLBACK_PAUSE_S = 1.0
PULL_DEADLINE_S = 600.0
# A server that sends nothing for so long is gone.
_SILENCE_S = 10.0
_MAX_REDIRECTS = 3
_STEP_BYTES = 1 << 20
_WORKERS = 2
_TOO_LARGE = "the file is larger than 5 GB"


class ErrandError(Exception):
    """An errand cannot be run: what was wrong, in words for a person."""


class NotHereError(ErrandError):
    """The address is not on this machine."""


def host_is_here(host: str) -> bool:
    """Tell whether a host is this machine, without asking a name server."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Courier:
    """Post events and pull files for a cloud.

    Args:
        cloud: Whose errands; `attach` makes it send them.
        callback_deadline_s: Seconds for one attempt of a callback, > 0.
        callback_pause_s: Seconds between its attempts, >= 0.
    """

    def __init__(
        self,
        cloud: Cloud,
        callback_deadline_s: float = CALLBACK_DEADLINE_S,
        callback_pause_s: float = CALLBACK_PAUSE_S,
    ) -> None:
        self._cloud = cloud
        self._callback_deadline_s = callback_deadline_s
        self._callback_pause_s = callback_pause_s
        self._errands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Guards all below; never held while a socket is in use.
        self._state = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: set[http.client.HTTPConnection] = set()
        self._left = 0
        self._closed = False

    def attach(self) -> None:
        """Take errands from now on, beginning with jobs that an earlier process left."""
        with self._cloud.lock:
            self._cloud.vod.on_event = self._take_event
            self._cloud.pulls.on_job = self._take_job
            for job in self._cloud.pulls.jobs.values():
                if job.completed_wall_s is None:
                    self._take_job(job)

    def settle(self, timeout_s: float) -> bool:
        """Wait until no errand is left; False when the time was not enough."""
        with self._state:
            return self._state.wait_for(lambda: self._left == 0, timeout_s)

    def close(self) -> None:
        """Break what is open, and join the threads. Idempotent."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            threads, connections = self._threads, list(self._open)
        for _ in threads:
            self._errands.put(None)
        for connection in connections:
            _break(connection)
        for thread in threads:
            thread.join(_SILENCE_S)

    def _take_event(self, event: Event) -> None:
        if event.callback_url:
            self._take(lambda: self._post(event))

    def _take_job(self, job: PullJob) -> None:
        self._take(lambda: self._pull(job))

    def _take(self, errand: Callable[[], None]) -> None:
        with self._state:
            if self._closed:
                return
            self._left += 1
            self._errands.put(errand)
            if len(self._threads) < _WORKERS:
                name = f"vod-emulator-courier-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                if not self._closed:
                    errand()
            finally:
                with self._state:
                    self._left -= 1
                    self._state.notify_all()

    # --- callbacks -----------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        for attempt in range(1, CALLBACK_ATTEMPTS + 1):
            again = attempt < CALLBACK_ATTEMPTS
            try:
                outcome = self._posted(event)
            except NotHereError as exc:
                outcome, again = str(exc), False
            except ErrandError as exc:
                outcome = str(exc)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                outcome = f"{type(exc).__name__}: {exc}"
            with self._cloud.lock:
                event.delivery, event.attempts = outcome, attempt
            if outcome == "200" or not again or self._closes_within(self._callback_pause_s):
                return

    def _closes_within(self, seconds: float) -> bool:
        with self._state:
            return self._state.wait_for(lambda: self._closed, seconds)

    def _posted(self, event: Event) -> str:
        body = json.dumps(event.body(), ensure_ascii=False).encode("utf-8", "backslashreplace")
        parts = urlsplit(event.callback_url)
        call = _Call(self, parts, self._callback_deadline_s)
        with call as connection:
            headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "vod_widget.emulator"}
            connection.request("POST", _target(parts), body, headers)
            status = connection.getresponse().status
            call.require_alive()
            return str(status)

    # --- pulls ---------------------------------------------------------------------------

    def _pull(self, job: PullJob) -> None:
        with self._cloud.lock:
            self._cloud.pulls.begin(job)
        try:
            self._pulled(job, job.url, _MAX_REDIRECTS)
        except ErrandError as exc:
            self._fail(job, "DownloadFailed", str(exc))
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._fail(job, "DownloadFailed", f"{type(exc).__name__}: {exc}")

    def _fail(self, job: PullJob, code: str, message: str) -> None:
        if self._closed:
            return  # not the job's fault: the next process takes it up again
        with self._cloud.lock:
            self._cloud.pulls.fail(job, code, message)

    def _pulled(self, job: PullJob, url: str, redirects_left: int) -> None:
        parts = urlsplit(url)
        call = _Call(self, parts, PULL_DEADLINE_S)
        with call as connection:
            connection.request("GET", _target(parts), headers={"User-Agent": "vod_widget.emulator"})
            answer = connection.getresponse()
            place = answer.headers.get("Location", "")
            if answer.status in (301, 302, 303, 307, 308) and place:
                if not redirects_left:
                    raise ErrandError("too many redirects")
                following = urljoin(url, place)
            elif answer.status == 200:
                self._store(job, answer, call)
                return
            else:
                raise ErrandError(f"the source answered {answer.status}")
        self._pulled(job, following, redirects_left - 1)

    def _store(self, job: PullJob, answer: http.client.HTTPResponse, call: _Call) -> None:
        expected = answer.length
        if expected is not None and expected > MAX_BODY_BYTES:
            raise ErrandError(_TOO_LARGE)
        with self._cloud.lock:
            sink = self._cloud.store.blobs.sink(job.job_id)
        try:
            while block := answer.read(_STEP_BYTES):
                sink.write([block])
                if sink.size_bytes > MAX_BODY_BYTES:
                    raise ErrandError(_TOO_LARGE)
            if expected is not None and sink.size_bytes != expected:
                raise ErrandError("the source broke off in the middle of the file")
            call.require_alive()
            blob = sink.finish()
        except BaseException:
            sink.discard()
            raise
        with self._cloud.lock:
            self._cloud.pulls.finish(job, blob, answer.headers.get("Content-Type", ""))


class _Call:
    """One connection with a deadline for all of it."""

    def __init__(self, courier: Courier, parts: SplitResult, deadline_s: float) -> None:
        self._courier = courier
        self._host = parts.hostname or ""
        anywhere = courier._cloud.switches.call_anywhere
        if not anywhere and not host_is_here(self._host):
            raise NotHereError("this emulator calls loopback addresses only")
        timeout_s = min(_SILENCE_S, deadline_s)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, parts.port, timeout=timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(self._host, parts.port, timeout=timeout_s)
        # A peer that drips bytes never runs into the timeout of one read.
        self._timer = threading.Timer(deadline_s, _break, [self._connection])
        self._timer.daemon = True
        self._timer.name = "vod-emulator-courier-deadline"
        self._ends_s = time.monotonic() + deadline_s

    def __enter__(self) -> http.client.HTTPConnection:
        with self._courier._state:
            self._courier._open.add(self._connection)
        self._timer.start()
        return self._connection

    def require_alive(self) -> None:
        """Raise ErrandError when the connection was broken from here.

        To http.client that looks like an end: of the headers, or of a body without a length.
        """
        if self._courier._closed or time.monotonic() >= self._ends_s:
            raise ErrandError("no answer in time")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        with self._courier._state:
            self._courier._open.discard(self._connection)
        self._connection.close()
        if error is not None and time.monotonic() >= self._ends_s:
            raise ErrandError("no answer in time") from error


def _break(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that waits for this connection, wherever it is."""
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _target(parts: SplitResult) -> str:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # What a browser would do with an address as people write it: letters of any script, spaces.
    return quote(target, safe="%/:?@!$&'()*+,;=-._~[]")
