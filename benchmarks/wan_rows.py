"""The rows of the report that need a long line; see `wan.py`."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from dataclasses import replace

from . import wan
from .rows import OSS2, OSS_V2, OURS, Outcome, Setting, above, below, row
from .runner import Measured, Sample, Variant, files_for, interleave
from .sink import Sink

MIB = 2**20
HOST = "oss-cn-shanghai.aliyuncs.com"
NAMES = (HOST, f"bench.{HOST}", "vod.cn-shanghai.aliyuncs.com")
"""The real names, so that the client keeps its rules of where bytes may go; drivers resolve them to the far end."""

_SHARE = ("whole, share of the line", "whole", 1.0, 3)
_STEADY = ("steady", "steady", 1.0, 3)
_WALL = ("wall s", "wall_s", 1.0, 1)
_CONNECTIONS = ("connections", "sink_connections", 1.0, 0)
_COLUMNS = (_SHARE, _STEADY, _WALL, _CONNECTIONS)


def _run(
    setting: Setting, line: wan.Line, variants: tuple[Variant, ...], size: int, *, cut_s: float, rounds: int
) -> tuple[Measured, str]:
    files = files_for(setting.folder, 1, size, ".mp4")
    warm = files_for(setting.folder, 1, 100_000, ".mp4")
    with wan.line(line) as sides:
        sink = Sink(
            setting.folder,
            tls=True,
            options={"host": wan.SERVER, "port": 443, "endpoint": f"https://{HOST}"},
            prefix=sides.server,
            names=NAMES,
        )
        with sink:
            told: Sample = {
                "base": f"https://{HOST}",
                "endpoint": None,
                "folder": str(setting.folder),
                "file": files[0],
                "files": files,
                "warm_files": warm,
                "ca_file": str(sink.ca_file),
                "names": ["aliyuncs.com"],
                "address": wan.SERVER,
                "congestion": line.congestion,
            }

            def after(sample: Sample) -> None:
                _shares(sample, sink.ask("samples"), line, size)

            measured = interleave(
                variants,
                setting.times(rounds),
                lambda variant: {**told, **variant.spec},
                sink,
                prefix=sides.client,
                timeout_s=cut_s,
                say=setting.say,
                after=after,
            )
        return measured, sides.by


def _shares(sample: Sample, samples: list[list[float]], line: wan.Line, size: int) -> None:
    """Whole: bytes over the time from the call to its return. Steady: the middle of it, as the far end saw it."""
    sample["received"] = samples
    full = line.goodput_bytes_per_s
    if "wall_s" in sample:
        sample["whole"] = size / sample["wall_s"] / full
    else:
        sample["whole"] = sample["sink_bytes"] / sample["unfinished_s"] / full
    if len(samples) < 10:
        return
    last = samples[-1][1]
    middle = [s for s in samples if 0.4 * last <= s[1] <= 0.8 * last]
    if len(middle) > 2:
        (t0, b0), (t1, b1) = middle[0], middle[-1]
        sample["steady"] = (b1 - b0) / (t1 - t0) / full


def _skipped(title: str) -> Outcome:
    return Outcome(title, f"Not run: {wan.why_not()}.", _COLUMNS, Measured())


def _text(line: wan.Line, by: str, more: str = "") -> str:
    how = "netem of the kernel" if by == "netem" else "a process on TUN devices between two network namespaces"
    return f"The line ({line}) is made by {how}; TLS; shares are of 1,448 / 1,500 of its rate. {more}".rstrip()


@row
def wan_clean(setting: Setting) -> Outcome:
    """200 Mbit/s, 100 ms, no loss: 512 MiB."""
    title = "WAN: 200 Mbit/s, 100 ms round trip, no loss"
    if wan.why_not():
        return _skipped(title)
    line = wan.Line(200, 100)
    measured, by = _run(
        setting, line, (OURS, OSS_V2, OSS2), setting.pick(8, 512) * MIB, cut_s=setting.pick(20, 60), rounds=1
    )
    return Outcome(
        title,
        _text(line, by),
        _COLUMNS,
        measured,
        [
            above("share of the line, steady", measured.median(OURS.name, "steady"), 0.95, "0.99"),
            above("512 MiB whole", measured.median(OURS.name, "whole"), 0.92, "0.95"),
        ],
    )


AS_IT_COMES = Variant("vod_widget, bbr as it chooses", "ours", spec={"congestion": None})


@row
def wan_loss(setting: Setting) -> Outcome:
    """The same with 0.1 % loss, cubic."""
    title = "WAN: 200 Mbit/s, 100 ms round trip, 0.1 % loss"
    if wan.why_not():
        return _skipped(title)
    line = wan.Line(200, 100, 0.1)
    measured, by = _run(
        setting,
        line,
        (OURS, replace(AS_IT_COMES, rounds=1), OSS_V2, OSS2),
        setting.pick(8, 512) * MIB,
        cut_s=setting.pick(20, 45),
        rounds=3,
    )
    ours = OURS.name
    return Outcome(
        title,
        _text(line, by, "512 MiB for everybody; what did not end within 45 s was cut there."),
        _COLUMNS,
        measured,
        [
            above("against oss2.resumable_upload", measured.ratio(ours, "whole", OSS2.name), 20, "", " x"),
            above("against alibabacloud-oss-v2", measured.ratio(ours, "whole", OSS_V2.name), 7, "", " x"),
            above("steady (the further wish)", measured.median(ours, "steady"), 0.95),
        ],
    )


@row
def wan_far(setting: Setting) -> Outcome:
    """100 Mbit/s, 300 ms, 0.5 % loss."""
    title = "WAN: 100 Mbit/s, 300 ms round trip, 0.5 % loss"
    if wan.why_not():
        return _skipped(title)
    line = wan.Line(100, 300, 0.5)
    measured, by = _run(
        setting,
        line,
        (OURS, AS_IT_COMES, OSS_V2),
        setting.pick(4, 200) * MIB,
        cut_s=setting.pick(20, 90),
        rounds=1,
    )
    return Outcome(
        title,
        _text(line, by, "What did not end within 90 s was cut there."),
        _COLUMNS,
        measured,
        [
            above("against alibabacloud-oss-v2, cubic", measured.ratio(OURS.name, "whole", OSS_V2.name), 9, "", " x"),
            above("whole, bbr (the further wish)", measured.median(AS_IT_COMES.name, "whole"), 0.8),
        ],
    )


@row
def progress(setting: Setting) -> Outcome:
    """What we say was sent against what the far end has, at 20 Mbit/s."""
    title = "Progress against the far end, 20 Mbit/s, 100 ms"
    if wan.why_not():
        return _skipped(title)
    line = wan.Line(20, 100)
    variant = Variant(OURS.name, OURS.driver, spec={"keep_progress": True})
    measured, by = _run(setting, line, (variant,), setting.pick(4, 40) * MIB, cut_s=60, rounds=2)
    for sample in measured.samples[variant.name]:
        told = sample.pop("progress", [])
        received = sample["received"]
        times = [t for t, _ in received]
        errors = []
        for at, sent in told:
            n = bisect_right(times, at)
            if 0 < n < len(times):
                errors.append(abs(sent - (received[n - 1][1] - 100_000)) / 1e6)
        sample["error_mb"] = statistics.median(errors) if errors else None
        sample["worst_mb"] = max(errors) if errors else None
    return Outcome(
        title,
        _text(line, by, "At each on_upload_progress: sent_bytes against the bytes that the sink has read by then."),
        (("median error MB", "error_mb", 1.0, 3), ("most MB", "worst_mb", 1.0, 3), *_COLUMNS),
        measured,
        [below("median error", measured.median(variant.name, "error_mb"), 0.5, "", " MB")],
    )
