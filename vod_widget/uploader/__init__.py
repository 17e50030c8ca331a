"""`VODUpload`, the queue as callers see it: options, methods and callbacks of the vendor's SDK, in Python.

It checks what it is given, then lets the scheduler decide. Public methods may be called from any thread, callbacks
included; none of them waits for the network but `wait`, `run`, `close`, `categories` and `play_url`. Floor 4.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from typing import Any

from vod_widget.addresses import check_api_endpoint, check_region
from vod_widget.application import Application, AuthContext
from vod_widget.authority import Authority
from vod_widget.dispatcher import Dispatcher
from vod_widget.errors import EndpointRefusedError, InvalidArgumentError
from vod_widget.interfaces import Clock, Randomness
from vod_widget.options import CALLBACKS, OPTIONS, PLAIN, check_options
from vod_widget.scheduler import Scheduler
from vod_widget.system import SystemClock, SystemRandomness
from vod_widget.workers import Rate

from .answering import Answering
from .listing import Listing

__all__ = ["AuthContext", "VODUpload"]


class VODUpload(Listing, Answering):
    """A queue that uploads files to ApsaraVideo VOD.

    Options are keywords and validated traits (`vod_widget.options.OPTIONS` tells each one's unit, range, default and
    reason): `user_id`, `region`, `retry_count`, `retry_duration`, `patience_s`, `part_size_bytes`, `parallel`,
    `parallel_files`, `timeout_s`, `api_calls_per_s`, `max_bandwidth_bytes_per_s`, `skip_uploaded`, `endpoint`,
    `checkpoint_dir`, `profile`. They count for files that start later; `max_bandwidth_bytes_per_s`, `api_calls_per_s`,
    `parallel` and `parallel_files` count at once.

    Plain attributes: `credentials` (`Credentials`, or a function that returns them), `get_auth` (a function or
    coroutine that takes an `AuthContext` and returns the answer of the VOD operation as a dict), and the callbacks
    `on_file_added`, `on_upload_started`, `on_upload_succeed`, `on_upload_failed`, `on_upload_progress`,
    `on_upload_token_expired`, `on_upload_canceled`, `on_upload_retry`, `on_upload_end`. Callbacks may be coroutines;
    they run in order for each file.

    Live traits, read-only: `state`, `progress` (0..1), `done`, `failed`, `total` (files), `speed` (bytes/s).

    Raises:
        InvalidArgumentError: An unknown option, or a value of the wrong type or out of range.

    Source: "Upload SDK for mini programs" and "Upload SDK for JavaScript", https://www.alibabacloud.com/help/en/vod,
        read 2026-11; where we differ on purpose, `docs/differences.md` says why.
    """

    def __init__(self, **options: Any) -> None:
        if isinstance(options.get("credentials"), dict):
            # A traceback that shows local variables must not show a key.
            from vod_widget.credentials import hidden

            options["credentials"] = hidden(options["credentials"])
        values = check_options(options)
        self._clock: Clock = SystemClock()
        self._random: Randomness = SystemRandomness()
        self._dispatcher = Dispatcher(self._clock, on_idle=self._tell_waiters, may_rest=lambda: self._queue.is_crowded)
        self._app = Application(
            self,
            self._clock,
            self._random,
            self._dispatcher,
            publish=self._publish,
            tell_waiters=self._tell_waiters,
        )
        self._queue = Scheduler(self._app, self._clock, self._dispatcher)
        self._app.queue = self._queue
        self._authority = Authority(self, self._clock, self._random, self._app.warn)
        self._authority.rate_of_one = lambda: self._queue.meter.bytes_per_s / max(1, self._queue.flying)
        self._closed = self._is_copy = False
        self._keeper = None
        self._waiters: list[Callable[[], None]] = []
        self._published: dict[str, Any] = {}  # what observers were told last
        # A limit that a person set is not overdrawn by a second's worth.
        self._bandwidth = Rate(None, self._clock, burst_s=0.1)
        self._authority.region_is_given = "region" in options
        self.credentials = values.pop("credentials", None)
        self.get_auth: Callable[[AuthContext], Any] | None = values.pop("get_auth", None)
        for name in CALLBACKS:
            setattr(self, name, values.pop(name, None))
        super().__init__()
        with self.hold_trait_notifications():
            for name, value in values.items():
                setattr(self, name, value)
        self._check_place()
        self._limits_changed()
        self.observe(lambda _: self._limits_changed(), ["parallel", "parallel_files", "max_bandwidth_bytes_per_s"])
        self.observe(lambda _: self._region_was_given(), ["region"])
        self.observe(lambda _: self._place_changed(), ["profile", "endpoint", "region", "user_id", "checkpoint_dir"])
        self._published = self._live_values()

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a misspelt option or callback, which would never be heard of again."""
        if not name.startswith("_"):
            known = {o.name for o in OPTIONS} | {*CALLBACKS, *PLAIN}
            if name not in known and not hasattr(type(self), name):
                near = difflib.get_close_matches(name, sorted(known), n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise AttributeError(f"VODUpload has no {name!r}{meant}")
            if name in (*CALLBACKS, "get_auth") and value is not None and not callable(value):
                raise InvalidArgumentError(f"{name} must be a function", code="Option")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        t = self.totals()
        return f"<VODUpload {t.state}: {t.total} files, {t.done} done, {t.failed} failed, {t.progress:.0%}>"

    def _publish(self) -> None:
        """Tell observers of the live traits what changed; the timer thread, or the delivery thread at the end."""
        for name, value in self._live_values().items():
            old = self._published.get(name)
            if old != value:
                self._published[name] = value
                self._notify_trait(name, old, value)

    def _live_values(self) -> dict[str, Any]:
        return {name: self.live_value(name) for name in ("state", "progress", "done", "failed", "total", "speed")}

    def _limits_changed(self) -> None:
        self._bandwidth.per_s = self.max_bandwidth_bytes_per_s
        self._queue.concurrency.fixed = self.parallel
        self._queue.parallel_files = self.parallel_files
        self._queue.load.part_size_bytes = self.part_size_bytes
        self._queue.kick()

    def _region_was_given(self) -> None:
        self._authority.region_is_given = True

    def _check_place(self) -> None:
        """Refuse at once what no later answer can make right: a host that is not the vendor's, an unknown region."""
        if self.endpoint is not None:
            try:
                check_api_endpoint(self.endpoint)
            except EndpointRefusedError as error:
                raise InvalidArgumentError(f"endpoint: {error.message}", code=error.code) from None
        elsewhere = self.endpoint is not None or self.profile is not None or "VOD_WIDGET_ENDPOINT" in os.environ
        if self._authority.region_is_given:
            check_region(self.region, is_loopback=elsewhere)
