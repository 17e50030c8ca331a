"""The rows of the report: what each runs, and how it is judged. The bars are those of the project's issue on speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from .runner import Measured, Sample, Variant, Verdict, files_for, interleave
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


def below(what: str, value: float, bar: float, stretch: str = "", unit: str = "") -> Verdict:
    """A figure that must not be above its bar."""
    return Verdict(what, f"{value:.2f}{unit}", f"<= {bar:g}{unit}", None if isnan(value) else value <= bar, stretch)


def above(what: str, value: float, bar: float, stretch: str = "", unit: str = "") -> Verdict:
    """A figure that must not be below its bar."""
    return Verdict(what, f"{value:.2f}{unit}", f">= {bar:g}{unit}", None if isnan(value) else value >= bar, stretch)


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
            (LIMIT, OURS, OURS_3, OURS_1, OSS2, VOD, OSS_V2),
            setting.times(3),
            spec_for(setting, sink, files),
            sink,
            say=setting.say,
            after=share_of_sink,
        )
    ours = OURS.name
    verdicts = [below("client CPU / sendfile limit", measured.ratio(ours, "cpu_s", LIMIT.name), 2.0, "<= 1.4")]
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
    return Outcome(
        f"One file of {size // MIB} MiB, HTTP on loopback",
        "CRC64 and progress on; imports and the first connection are done before the clock starts. The limit is one "
        "`sendfile` over one connection.",
        (_WALL, _CPU, _ABOVE, _SINK),
        measured,
        verdicts,
    )
