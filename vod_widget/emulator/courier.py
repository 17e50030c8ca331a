"""Errands to other servers: callbacks that are posted, files that are pulled.

What lives here: `Courier`, with two threads that start with the first errand. It imports `cloud` and
`assets`. Nothing here runs while a request is being answered, and the lock of `Cloud` is held only to
read and write a job or an event, never while a socket is in use.

The vendor's names of OSS mean the emulator itself, as they do for its clients: an address of an object here can be
pulled and fetched.

Safety: an address in UserData or UploadURLs comes from a client, so only this machine is called: loopback
addresses, `localhost` and names under it, without asking a name server. `Switches.call_anywhere` lifts that.
"""

from __future__ import annotations

import base64
import hashlib
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

from vod_widget.emulator import oss_callback
from vod_widget.emulator.assets import Event, PullJob
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.objects import MAX_BODY_BYTES
from vod_widget.emulator.oss_fetch import FetchTask
from vod_widget.emulator.oss_names import is_vendor_oss
from vod_widget.emulator.oss_views import Callback

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
# What a callback's server may say to the client of the upload (INFERRED).
_MAX_ANSWER_BYTES = 1 << 20
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
        own_port: Where the emulator itself listens, to which the vendor's names of OSS lead; None while it does not.
    """

    def __init__(
        self,
        cloud: Cloud,
        callback_deadline_s: float = CALLBACK_DEADLINE_S,
        callback_pause_s: float = CALLBACK_PAUSE_S,
        own_port: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._cloud = cloud
        self._callback_deadline_s = callback_deadline_s
        self._callback_pause_s = callback_pause_s
        self._own_port = own_port
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
            self._cloud.fetches.on_task = self._take_task
            for job in self._cloud.pulls.jobs.values():
                if job.completed_wall_s is None:
                    self._take_job(job)
            for task in self._cloud.fetches.tasks.values():
                if task.state == "Running":
                    self._take_task(task)
            for event in self._cloud.vod.events:
                if event.is_due:
                    self._take_event(event)

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

    def _take_task(self, task: FetchTask) -> None:
        self._take(lambda: self._fetch(task))

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
        for attempt in range(event.attempts + 1, CALLBACK_ATTEMPTS + 1):
            again = attempt < CALLBACK_ATTEMPTS
            try:
                outcome = self._posted(event)
            except NotHereError as exc:
                outcome, again = str(exc), False
            except ErrandError as exc:
                outcome = str(exc)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                outcome = f"{type(exc).__name__}: {exc}"
            if self._closed and outcome != "200":
                return  # not the server's fault: the next process sends it again
            with self._cloud.lock:
                event.delivery, event.attempts = outcome, attempt
                self._cloud.vod.note(event, is_due=outcome != "200" and again)
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
            headers = {
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "vod_widget.emulator",
                **self._signed(event.callback_url),
            }
            connection.request("POST", _target(parts), body, headers)
            status = connection.getresponse().status
            call.require_alive()
            return str(status)

    def _signed(self, url: str) -> dict[str, str]:
        """Return the headers by which a callback is known to be the service's.

        Source: VOD "HTTP callback authentication".
        """
        key = self._cloud.switches.callback_auth_key
        if not key:
            return {}
        now = str(int(self._cloud.clock.wall_s()))
        digest = hashlib.md5(f"{url}|{now}|{key}".encode("utf-8", "backslashreplace"), usedforsecurity=False)
        return {"X-VOD-TIMESTAMP": now, "X-VOD-SIGNATURE": digest.hexdigest()}

    # --- callbacks of OSS ----------------------------------------------------------------

    def call_back(self, callback: Callback) -> tuple[bytes, str]:
        """Make the call of an x-oss-callback; return what was answered, and why it is no answer."""
        problem = "The callback has no address."
        for url in callback.urls:
            try:
                status, body = self._called(url, callback)
            except (OSError, http.client.HTTPException, ValueError, ErrandError) as exc:
                problem = f"OSS can not connect to your callbackUrl, please check it. {exc}"
                continue
            problem = oss_callback.problem_of(status, body)
            if not problem:
                return body, ""
        return b"", problem

    def _called(self, url: str, callback: Callback) -> tuple[int, bytes]:
        parts = urlsplit(url)
        call = _Call(self, parts, self._callback_deadline_s)
        with call as connection:
            headers = {
                **callback.headers,
                "Content-Type": callback.content_type,
                "Content-MD5": base64.b64encode(hashlib.md5(callback.body, usedforsecurity=False).digest()).decode(),
                "User-Agent": "aliyun-oss-callback",
                "Host": callback.host or call.host_header,
            }
            connection.request("POST", _target(parts), callback.body, headers)
            answer = connection.getresponse()
            body = answer.read(_MAX_ANSWER_BYTES + 1)
            if len(body) > _MAX_ANSWER_BYTES:
                raise ErrandError("the answer is too long")
            call.require_alive()
            return answer.status, body

    # --- fetches of OSS ------------------------------------------------------------------

    def _fetch(self, task: FetchTask) -> None:
        desk = self._cloud.fetches
        try:
            blob, content_type = self._fetched(task.url, task.task_id, _MAX_REDIRECTS, task.host)
        except (OSError, http.client.HTTPException, ValueError, ErrandError) as exc:
            if self._closed:
                return  # the next process takes it up again
            with self._cloud.lock:
                due = desk.fail(task, f"{type(exc).__name__}: {exc}")
        else:
            with self._cloud.lock:
                due = desk.finish(task, blob, content_type)
        if due is not None:
            _, problem = self.call_back(due)
            with self._cloud.lock:
                desk.called(task, problem)

    # --- pulls ---------------------------------------------------------------------------

    def _pull(self, job: PullJob) -> None:
        with self._cloud.lock:
            self._cloud.pulls.begin(job)
        try:
            blob, content_type = self._fetched(job.url, job.job_id, _MAX_REDIRECTS)
        except ErrandError as exc:
            self._fail(job, "DownloadFailed", str(exc))
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._fail(job, "DownloadFailed", f"{type(exc).__name__}: {exc}")
        else:
            with self._cloud.lock:
                self._cloud.pulls.finish(job, blob, content_type)

    def _fail(self, job: PullJob, code: str, message: str) -> None:
        if self._closed:
            return  # not the job's fault: the next process takes it up again
        with self._cloud.lock:
            self._cloud.pulls.fail(job, code, message)

    def _fetched(self, url: str, name: str, redirects_left: int, host: str = "") -> tuple[Blob, str]:
        """Get the file at an address; return its bytes and its type."""
        parts = urlsplit(url)
        call = _Call(self, parts, PULL_DEADLINE_S)
        with call as connection:
            headers = {"User-Agent": "vod_widget.emulator", "Host": host or call.host_header}
            connection.request("GET", _target(parts), headers=headers)
            answer = connection.getresponse()
            place = answer.headers.get("Location", "")
            if answer.status in (301, 302, 303, 307, 308) and place:
                if not redirects_left:
                    raise ErrandError("too many redirects")
                following = urljoin(url, place)
            elif answer.status == 200:
                return self._stored(name, answer, call), answer.headers.get("Content-Type", "")
            else:
                raise ErrandError(f"the source answered {answer.status}")
        return self._fetched(following, name, redirects_left - 1)

    def _stored(self, name: str, answer: http.client.HTTPResponse, call: _Call) -> Blob:
        expected = answer.length
        if expected is not None and expected > MAX_BODY_BYTES:
            raise ErrandError(_TOO_LARGE)
        with self._cloud.lock:
            sink = self._cloud.store.blobs.sink(name)
        try:
            while block := answer.read(_STEP_BYTES):
                sink.write([block])
                if sink.size_bytes > MAX_BODY_BYTES:
                    raise ErrandError(_TOO_LARGE)
            if expected is not None and sink.size_bytes != expected:
                raise ErrandError("the source broke off in the middle of the file")
            call.require_alive()
            return sink.finish()
        except BaseException:
            sink.discard()
            raise


class _Call:
    """One connection with a deadline for all of it."""

    def __init__(self, courier: Courier, parts: SplitResult, deadline_s: float) -> None:
        self._courier = courier
        host = parts.hostname or ""
        self.host_header = parts.netloc.rpartition("@")[2]
        own_port = courier._own_port() if is_vendor_oss(host) else None
        anywhere = courier._cloud.switches.call_anywhere
        if own_port is None and not anywhere and not host_is_here(host):
            raise NotHereError("this emulator calls loopback addresses only")
        timeout_s = min(_SILENCE_S, deadline_s)
        if own_port is not None:
            self._connection: http.client.HTTPConnection = http.client.HTTPConnection(
                "127.0.0.1", own_port, timeout=timeout_s
            )
        elif parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
        # A peer that drips bytes never runs into the timeout of one read.
        self._timer = threading.Timer(deadline_s, _break, [self._connection])
        self._timer.daemon = True
        self._timer.name = "vod-emulator-courier-deadline"
        self._ends_s = time.monotonic() + deadline_s

    def __enter__(self) -> http.client.HTTPConnection:
        with self._courier._state:
            if self._courier._closed:
                raise ErrandError("the emulator is closing")
            self._courier._open.add(self._connection)
        self._timer.start()
        try:
            self._connection.connect()
            with self._courier._state:
                if self._courier._closed:  # `close` may have looked for a socket that was not there yet
                    raise ErrandError("the emulator is closing")
        except BaseException as exc:
            self.__exit__(type(exc), exc, None)
            raise
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
