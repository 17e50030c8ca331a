"""The rows of the report: what each runs, and how it is judged. The bars are those of the project's issue on speed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from .runner import Measured, Ratio, Sample, Variant, Verdict, files_for, interleave
from .sink import Sink

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Setting:
    """How much to run.

    Attributes:
        quick: Small sizes and one round: does everything still work?
        rounds: Rounds; None is the row's own.
        folder: Where files are.
        say: Tells how it gets on.
    """

    quick: bool
    rounds: int | None
    folder: Path
    say: Callable[[str], None]

    def pick(self, quick: int, full: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full

    def times(self, full: int) -> int:
        """Rounds of a row."""
        return self.rounds or (1 if self.quick else full)


@dataclass
class Outcome:
    """What one row found.

    Attributes:
        title: Heading.
        text: What was run, in words.
        columns: (heading, key, factor, digits) of the table of variants.
        measured: The samples.
        verdicts: The bars.
    """

    title: str
    text: str
    columns: tuple[tuple[str, str, float, int], ...]
    measured: Measured
    verdicts: list[Verdict] = field(default_factory=list)


Row = Callable[[Setting], Outcome]
ROWS: dict[str, Row] = {}

_WALL = ("wall s", "wall_s", 1.0, 2)
_CPU = ("CPU s", "cpu_s", 1.0, 2)
_ABOVE = ("MiB above idle", "above_idle_mib", 1.0, 1)
_SINK = ("sink's CPU / wall %", "sink_share", 100.0, 0)


def row(function: Row) -> Row:
    """Enter a row in the table."""
    ROWS[function.__name__] = function
    return function


def _figure(value: float, unit: str) -> str:
    """A figure; a ratio with the least and the most of its rounds."""
    rounds = value.rounds if isinstance(value, Ratio) else ()
    spread = f" ({min(rounds):.2f}-{max(rounds):.2f})" if len(rounds) > 1 else ""
    return f"{value:.2f}{unit}{spread}"


def below(what: str, value: float, bar: float, stretch: str = "", unit: str = "") -> Verdict:
    """A figure that must not be above its bar."""
    return Verdict(what, _figure(value, unit), f"<= {bar:g}{unit}", None if isnan(value) else value <= bar, stretch)


def above(what: str, value: float, bar: float, stretch: str = "", unit: str = "") -> Verdict:
    """A figure that must not be below its bar."""
    return Verdict(what, _figure(value, unit), f">= {bar:g}{unit}", None if isnan(value) else value >= bar, stretch)


def share_of_sink(sample: Sample) -> None:
    """Put the sink's own share of the processor beside the figures, so that nobody measures the sink."""
    if sample.get("sink_wall_s"):
        sample["sink_share"] = sample["sink_cpu_s"] / sample["sink_wall_s"]


def spec_for(setting: Setting, sink: Sink, files: list[str], **more: Any) -> Callable[[Variant], Sample]:
    """What every driver is told."""
    warm = str(
        files_for(setting.folder, 1, 200_000 if files[0].endswith(".mp4") else 100_000, Path(files[0]).suffix)[0]
    )
    told: Sample = {
        "base": sink.base,
        "folder": str(setting.folder),
        "file": files[0],
        "files": files,
        "warm_files": [warm],
        "ca_file": str(sink.ca_file) if sink.ca_file else None,
        **more,
    }
    return lambda variant: {**told, **variant.spec}


LIMIT = Variant("sendfile, 1 connection", "raw")
LOOP = Variant("bare loop: read, CRC64, send", "raw", spec={"checked": True})
CRC = Variant("CRC64 alone of as many bytes", "crc")
OURS = Variant("vod_widget", "ours")
OURS_3 = Variant("vod_widget, parallel=3", "ours", spec={"options": {"parallel": 3}})
OURS_1 = Variant("vod_widget, parallel=1", "ours", spec={"options": {"parallel": 1}})
OSS2 = Variant("oss2.resumable_upload", "oss2_resumable", "oss2")
VOD = Variant("voduploadsdk", "voduploadsdk_", "voduploadsdk")
OSS_V2 = Variant("alibabacloud-oss-v2 Uploader", "oss_v2", "alibabacloud-oss-v2")


@row
def http(setting: Setting) -> Outcome:
    """One large file over HTTP on loopback."""
    size = setting.pick(64 * MIB, 2 * GIB)
    files = files_for(setting.folder, 1, size, ".mp4")
    with Sink(setting.folder) as sink:
        measured = interleave(
            (LIMIT, LOOP, CRC, OURS, OURS_3, OURS_1, OSS2, VOD, OSS_V2),
            setting.times(3),
            spec_for(setting, sink, files),
            sink,
            say=setting.say,
            after=share_of_sink,
        )
    ours = OURS.name
    verdicts = [
        below("client CPU / sendfile limit", measured.ratio(ours, "cpu_s", LIMIT.name), 2.0, "<= 1.4"),
        below("the same, parallel=1", measured.ratio(OURS_1.name, "cpu_s", LIMIT.name), 2.0, "<= 1.4"),
    ]
    for peer, bar in ((OSS2, 10.0), (VOD, 8.0), (OSS_V2, 10.0)):
        verdicts.append(
            above(f"throughput against {peer.name}", measured.ratio(peer.name, "wall_s", ours), bar, ">= 12", " x")
        )
        verdicts.append(
            above(f"CPU of {peer.name} / ours", measured.ratio(peer.name, "cpu_s", ours), 8.0, ">= 12", " x")
        )
    verdicts.append(
        below(
            "peak memory above idle, 3 connections", measured.median(OURS_3.name, "above_idle_mib"), 12, "<= 6", " MiB"
        )
    )
    verdicts += [
        below("CPU of the CRC64 / all of ours, %", 100 * measured.ratio(CRC.name, "cpu_s", ours), 15, "", " %"),
        below("joining the CRC64 of a part", measured.median(CRC.name, "combine_ms"), 0.05, "", " ms"),
    ]
    return Outcome(
        f"One file of {size // MIB} MiB, HTTP on loopback",
        "CRC64 and progress on; imports and the first connection are done before the clock starts. The limit is one "
        "`sendfile` over one connection.",
        (_WALL, _CPU, _ABOVE, _SINK),
        measured,
        verdicts,
    )


TLS_LIMIT = Variant("ssl.sendall of 10 MB buffers, 1 connection", "raw")


@row
def tls(setting: Setting) -> Outcome:
    """One large file over TLS on loopback."""
    size = setting.pick(32 * MIB, GIB)
    files = files_for(setting.folder, 1, size, ".mp4")
    with Sink(setting.folder, tls=True) as sink:
        measured = interleave(
            (TLS_LIMIT, LOOP, OURS, OURS_1, OSS2),
            setting.times(5),
            spec_for(setting, sink, files),
            sink,
            say=setting.say,
            after=share_of_sink,
        )
    verdicts = [
        below("client CPU / ssl.sendall", measured.ratio(OURS.name, "cpu_s", TLS_LIMIT.name), 1.10, "<= 0.95"),
        below("the same, parallel=1", measured.ratio(OURS_1.name, "cpu_s", TLS_LIMIT.name), 1.10, "<= 0.95"),
    ]
    return Outcome(
        f"One file of {size // MIB} MiB, TLS 1.3 on loopback",
        "The limit is `ssl.SSLSocket.sendall` of buffers of 10 MB of the mapped file over one connection, without any "
        "check.",
        (_WALL, _CPU, _ABOVE, _SINK),
        measured,
        verdicts,
    )


_PER_FILE = ("CPU ms a file", "cpu_ms_a_file", 1.0, 2)
_FILES_S = ("files/s", "files_a_s", 1.0, 1)


def _per_file(count: int) -> Callable[[Sample], None]:
    def add(sample: Sample) -> None:
        share_of_sink(sample)
        if "wall_s" not in sample:  # it failed
            return
        n = len(sample.get("files_done") or ()) or count
        sample["files_a_s"] = n / sample["wall_s"]
        sample["cpu_ms_a_file"] = 1000 * sample["cpu_s"] / n

    return add


@row
def images(setting: Setting) -> Outcome:
    """Many images of 100 KB; a VOD call takes 30 ms, a PUT 20 ms."""
    count, few = setting.pick(60, 1000), setting.pick(15, 150)
    files = files_for(setting.folder, count, 100_000, ".jpg")
    vendor = Variant(VOD.name, VOD.driver, VOD.peer, spec={"files": files[:few]})
    bare = Variant("bare calls, 16 threads: no queue, no journal", "bare_images")
    with Sink(setting.folder, options={"api_ms": 30, "store_ms": 20}) as sink:
        spec = spec_for(setting, sink, files)

        def after(sample: Sample) -> None:
            _per_file(sample["sink_api_calls"] - 1)(sample)

        measured = interleave((OURS, bare, vendor), setting.times(3), spec, sink, say=setting.say, after=after)
    verdicts = [
        above(
            "files/s against the vendor's uploader in a loop",
            measured.ratio(OURS.name, "files_a_s", VOD.name),
            12,
            ">= 18",
        ),
        below("CPU a file", measured.median(OURS.name, "cpu_ms_a_file"), 3, "", " ms"),
    ]
    return Outcome(
        f"{count} images of 100 KB (the vendor's uploader: {few})",
        "The sink answers a VOD call after 30 ms and a PUT after 20 ms.",
        (_WALL, _FILES_S, _PER_FILE, _SINK),
        measured,
        verdicts,
    )


@row
def capped(setting: Setting) -> Outcome:
    """Many images under an account cap of 80 calls a second."""
    cap, count = 80, setting.pick(120, 1000)
    files = files_for(setting.folder, count, 100_000, ".jpg")
    ours = Variant(OURS.name, OURS.driver, spec={"options": {"api_calls_per_s": cap}})
    with Sink(setting.folder, options={"api_ms": 30, "store_ms": 20, "api_cap": cap}) as sink:
        spec = spec_for(setting, sink, files)
        measured = interleave((ours,), setting.times(3), spec, sink, say=setting.say, after=_per_file(count))
    share = measured.median(OURS.name, "files_a_s") / cap
    refused = measured.median(OURS.name, "sink_throttled")
    verdicts = [above("share of the cap", share, 0.95), below("calls that were refused", refused, 0)]
    return Outcome(
        f"{count} images of 100 KB under a cap of {cap} calls a second",
        "The sink refuses what is beyond the cap in each second with Throttling.User. `api_calls_per_s` tells the cap; "
        "without it the vendor's table by region counts, and none for a server on this machine.",
        (_WALL, _FILES_S, _PER_FILE, ("refused", "sink_throttled", 1.0, 0)),
        measured,
        verdicts,
    )


@row
def queued(setting: Setting) -> Outcome:
    """A hundred thousand files in one queue."""
    count = setting.pick(2000, 100_000)
    folder = setting.folder / "queue"
    folder.mkdir()
    files = []
    for n in range(count):
        path = folder / f"clip-{n:06d}.mp4"
        path.write_bytes(b"x" * 1000)
        files.append(str(path))
    listing = setting.folder / "files.json"
    listing.write_text(json.dumps(files))
    variant = Variant(OURS.name, "many")
    with Sink(setting.folder) as sink:

        def after(sample: Sample) -> None:
            sample["first_byte_s"] = sample["sink_first_byte_at"] - sample["start_at"]

        def spec(_variant: Variant) -> Sample:
            told = spec_for(setting, sink, files[:1])(variant)
            return {**told, "files": None, "files_in": str(listing)}

        measured = interleave((variant,), setting.times(3), spec, sink, say=setting.say, after=after)
    ours = OURS.name
    verdicts = [
        below("memory", measured.median(ours, "queue_mb"), 75, "40 MB", " MB"),
        below("time to add", measured.median(ours, "add_s"), 4, "2 s", " s"),
        below("start to first byte", measured.median(ours, "first_byte_s"), 1, "", " s"),
    ]
    return Outcome(
        f"{count} files queued",
        "Files of 1,000 bytes in one folder; `add_file` one by one, then `start_upload`.",
        (
            ("add s", "add_s", 1.0, 2),
            ("CPU s of it", "add_cpu_s", 1.0, 2),
            ("MB", "queue_mb", 1.0, 1),
            ("start to first byte s", "first_byte_s", 1.0, 3),
        ),
        measured,
        verdicts,
    )


@row
def start(setting: Setting) -> Outcome:
    """Import, process start to first byte, and the cost of doing nothing."""
    files = files_for(setting.folder, 1, 200_000, ".mp4")
    variants = (Variant("import", "imports"), Variant("first byte", "start"), Variant("idle with a widget", "idle"))
    with Sink(setting.folder) as sink:

        def after(sample: Sample) -> None:
            if "process_began_at" in sample:
                sample["first_byte_ms"] = 1000 * (sample["sink_first_byte_at"] - sample["process_began_at"])

        measured = interleave(
            variants,
            setting.times(5),
            spec_for(setting, sink, files, seconds=setting.pick(2, 10)),
            sink,
            say=setting.say,
            after=after,
        )
    verdicts = [
        below(
            "import vod_widget above a bare interpreter", measured.median("import", "import_ms"), 120, "60 ms", " ms"
        ),
        below("process start to first byte", measured.median("first byte", "first_byte_ms"), 900, "600 ms", " ms"),
        below(
            "finished and idle with a live widget",
            measured.median("idle with a widget", "idle_percent"),
            0.05,
            "",
            " %",
        ),
    ]
    return Outcome(
        "Start, and the cost of doing nothing",
        "The first byte is that of a PUT as the sink sees it; one file of 200 KB, keys given, journal empty. The "
        "package loads its parts when they are used: what `VODUpload` brings along stands beside the bare import.",
        (
            ("import ms", "import_ms", 1.0, 0),
            ("with VODUpload ms", "class_ms", 1.0, 0),
            ("first byte ms", "first_byte_ms", 1.0, 0),
            ("idle CPU %", "idle_percent", 1.0, 3),
        ),
        measured,
        verdicts,
    )
