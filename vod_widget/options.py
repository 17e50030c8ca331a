"""Every knob of `VODUpload`: unit, range, default and the reason for the default.

One table; the traits of `VODUpload`, the command line and the documentation are made from it, so they cannot differ.
Floor 0: imports `errors` only.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InvalidArgumentError

__all__ = ["CALLBACKS", "OPTIONS", "PLAIN", "Option", "check_options"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

PART_MIN_BYTES = 100 * KIB
"""Smallest part but for the last. Source: OSS "Limits of multipart upload", read 2026-11."""
PART_MAX_BYTES = 5 * GIB
"""Largest part, and largest PutObject. Source: as above."""
PARTS_MAX = 10_000
"""Most parts of one object. Source: as above."""
BROWSER_PART_BYTES = 3 * MIB
"""Parts of a file that a browser sends through the kernel: one slice each, which every request in flight holds.
Measured on an idle and on a busy machine, share of a bare stream and growth of the kernel: 2 MiB 0.45 and 0 MiB;
3 MiB 0.61, 0.65 and 52 MiB at most; 4 MiB 0.65, 0.73 and 72 MiB (`python -m benchmarks.widget_stream --part-mib N`)."""
BROWSER_LANES = 8
"""Such parts that are on their way at a time: each is held in memory, 24 MiB at most. Growth of the kernel while 2 GiB
passed: with no bound 106 MiB in one run of three beside load; with twelve 1, 1 and 59 on three ipykernels, 84 beside
load; with eight 0 and 0, as fast. A comm carries less than 100 MB/s, as eight do at 250 ms."""
DIRECT_PART_BYTES = 16 * MIB
"""Smallest part that a browser sends straight to the storage, of files of at least four of them. A page that goes away
loses the parts that are on their way, so a slow line is better served without `direct`."""
DIRECT_PART_MOST_BYTES = 128 * MIB
"""The same on a line that carries one within seconds. Each part costs the notebook eight messages, of which four make
it draw its busy sign: 65 ms of processor time of all of it (measured). 1.5 GiB were 40 parts with 64 MiB, now 28."""
DIRECT_LANES = 6
"""Parts that a page is given at a time: a browser opens no more connections to one host, so more would wait in it."""

PART_DEFAULT_BYTES = 4 * MIB
"""Up to this size a file is one PutObject. Parts follow the line (`concurrency.py`); 10,000 of this size hold 39 GiB:
larger files get larger ones, and a bandwidth limit gets smaller ones (`parts.choose_part_size`)."""
PART_AT_A_LIMIT_S = 4.0
"""Under a bandwidth limit a part is so small that all senders together finish one each in so many seconds."""
PARALLEL_MAX = 128
"""Most requests in flight that a person may ask for; `concurrency.py` chooses 1 to 64."""
API_CALLS_PER_S = 40.0
"""Account limit of each operation that the upload calls, where the next table has none."""
API_CALLS_PER_S_BY_REGION: Mapping[str, float] = {
    "cn-beijing": 80.0,
    "cn-shanghai": 80.0,
    "cn-shenzhen": 80.0,
    "ap-southeast-1": 80.0,
}
"""Where it is higher. Source: "QPS limits on API operations", ApsaraVideo VOD, read 2026-11."""
APP_ANSWER_S = 60.0
"""How long on_upload_started may take until it answers, before the file fails with Auth.Missing."""
EXPIRIES_MAX = 3
"""Credentials in a row that may expire without a single accepted byte, before the file fails."""
RESTARTS_MAX = 2
"""Times that one run of a file may begin again at byte 0 by itself."""


@dataclass(frozen=True, slots=True)
class Option:
    """One knob.

    Attributes:
        name: Keyword of `VODUpload`.
        kind: Python type of the value.
        default: Value when it is not given.
        low: Smallest value, or None.
        high: Largest value, or None.
        optional: Whether None is allowed.
        unit: Unit of a number, or "".
        text: What it does and why the default is what it is.
    """

    name: str
    kind: type
    default: Any
    low: float | None
    high: float | None
    optional: bool
    unit: str
    text: str


OPTIONS: tuple[Option, ...] = (
    Option(
        "user_id",
        str,
        "",
        None,
        None,
        False,
        "",
        "Account id or any id of yours; labels the journal, never required.",
    ),
    Option(
        "region",
        str,
        "cn-shanghai",
        None,
        None,
        False,
        "",
        "Region of the service; the vendor's default.",
    ),
    Option(
        "retry_count",
        int,
        3,
        0,
        1000,
        False,
        "",
        "Retries of one transient fault without progress; the vendor's default.",
    ),
    Option(
        "retry_duration",
        float,
        2.0,
        0.0,
        3600.0,
        False,
        "s",
        "Least wait before a retry; doubles with each further one up to 30 s.",
    ),
    Option(
        "patience_s",
        float,
        None,
        0.0,
        604800.0,
        True,
        "s",
        "Go on retrying transient faults for so long without progress, whatever retry_count.",
    ),
    Option(
        "part_size_bytes",
        int,
        None,
        PART_MIN_BYTES,
        PART_MAX_BYTES,
        True,
        "bytes",
        "Exact part size; None adapts: about two seconds of one connection, 128 KiB to 128 MiB, larger above 1.2 TiB.",
    ),
    Option(
        "parallel",
        int,
        None,
        1,
        PARALLEL_MAX,
        True,
        "requests",
        "Requests in flight over all files; None adapts: more while that moves more, fewer when the storage throttles.",
    ),
    Option(
        "parallel_files",
        int,
        None,
        1,
        1000,
        True,
        "files",
        "Files in flight; 1 is the vendor's strict one after another; None fills the pool.",
    ),
    Option(
        "timeout_s",
        float,
        60.0,
        1.0,
        3600.0,
        False,
        "s",
        "Deadline of one wait for the network and of a whole control call.",
    ),
    Option(
        "api_calls_per_s",
        float,
        None,
        0.1,
        10_000.0,
        True,
        "calls/s",
        "Limit of each VOD operation that your account has; None takes the vendor's table by region: 40 or 80.",
    ),
    Option(
        "max_bandwidth_bytes_per_s",
        int,
        None,
        1024,
        None,
        True,
        "bytes/s",
        "Limit over all files; may be changed while running.",
    ),
    Option(
        "content_md5",
        bool,
        False,
        None,
        None,
        False,
        "",
        "Also send the MD5 of every body; off, since CRC-64 is always compared and MD5 costs five times the CPU.",
    ),
    Option(
        "skip_uploaded",
        bool,
        False,
        None,
        None,
        False,
        "",
        "Do not send a file that the journal knows as finished here; True in vod_widget.upload.",
    ),
    Option(
        "endpoint",
        str,
        None,
        None,
        None,
        True,
        "",
        "Base URL of VOD and STS; plain http for loopback only. The profile `emulator` has its own.",
    ),
    Option(
        "checkpoint_dir",
        str,
        None,
        None,
        None,
        True,
        "",
        "Folder of the journal; None is VOD_WIDGET_HOME, else the platform's state folder.",
    ),
    Option(
        "profile",
        str,
        None,
        None,
        None,
        True,
        "",
        "Name of a profile; 'emulator' starts the built-in service.",
    ),
)

PLAIN: tuple[str, ...] = ("credentials", "get_auth")
"""Attributes that are no traits, since a trait can reach a notebook file."""

CALLBACKS: tuple[str, ...] = (
    "on_file_added",
    "on_upload_started",
    "on_upload_succeed",
    "on_upload_failed",
    "on_upload_progress",
    "on_upload_token_expired",
    "on_upload_canceled",
    "on_upload_retry",
    "on_upload_end",
)

_BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def check_value(name: str, value: Any) -> Any:
    """Return `value` as the option's type, or raise `InvalidArgumentError` that names option, limit and value."""
    option = _BY_NAME[name]
    if value is None:
        if option.optional:
            return None
        raise InvalidArgumentError(f"{name} must not be None", code="Option")
    if option.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if option.name == "checkpoint_dir" and hasattr(value, "__fspath__"):
        value = str(value)
    wrong_bool = isinstance(value, bool) and option.kind is not bool
    if wrong_bool or not isinstance(value, option.kind):
        raise InvalidArgumentError(f"{name} must be {option.kind.__name__}, not {type(value).__name__}", code="Option")
    number: Any = value
    if option.low is not None and not option.low <= number <= (option.high or float("inf")):
        top = "" if option.high is None else f" and at most {option.high:g}"
        raise InvalidArgumentError(
            f"{name} must be at least {option.low:g}{top} {option.unit}".rstrip() + f", not {value!r}",
            code="Option",
        )
    return value


def check_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check keywords against the table.

    Args:
        given: Keywords as the caller wrote them; callbacks and plain attributes pass through.

    Returns:
        Each option with its value, defaults filled in, and the callbacks and plain attributes that were given.

    Raises:
        InvalidArgumentError: Unknown name (with the nearest one), wrong type or out of range.
    """
    known = [*_BY_NAME, *PLAIN, *CALLBACKS]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(_snake(name), known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            raise InvalidArgumentError(f"unknown option {name!r}{meant}", code="Option")
    for name in (*CALLBACKS, "get_auth"):
        value = given.get(name)
        if value is not None and not callable(value):
            raise InvalidArgumentError(f"{name} must be a function", code="Option")
    values = {o.name: check_value(o.name, given.get(o.name, o.default)) for o in OPTIONS}
    values.update({n: given[n] for n in (*PLAIN, *CALLBACKS) if n in given})
    return values


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
