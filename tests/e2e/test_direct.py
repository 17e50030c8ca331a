"""Parts that the page sends itself, in a real browser: straight where the storage lets it, else through the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.desk import PART_BYTES, Desk
from vod_widget.emulator import Emulator, Switches, faults

OPTIONS = f", direct=True, part_size_bytes={PART_BYTES}, parallel=%d, retry_duration=0.01"


@pytest.fixture
def emulator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Emulator]:
    """A cloud whose buckets let the pages of this machine in, or nobody's."""
    with Emulator(tmp_path / "cloud", switches=Switches(vod_bucket_cors=getattr(request, "param", True))) as running:
        yield running


def _send(desk: Desk, video: Path, *, parallel: int = 2) -> None:
    with desk.show(options=OPTIONS % parallel) as (_, screen):
        screen.pick(video)
        screen.start()
        screen.state(video.name, "Success")
        stored = desk.emulator.object_path(screen.media_id(video.name)).read_bytes()
    assert stored == video.read_bytes()


def _by_the_page(emulator: Emulator) -> list[int]:
    """Answers to the parts that came by signed URLs."""
    return [r.status for r in emulator.requests if r.op == "UploadPart" and "Signature" in r.query]


def _by_the_kernel(emulator: Emulator) -> int:
    return sum(r.op == "UploadPart" and "Signature" not in r.query for r in emulator.requests)


def test_a_page_sends_every_part_itself_where_the_bucket_lets_it(desk: Desk, long_mp4: Path) -> None:
    _send(desk, long_mp4)
    assert _by_the_page(desk.emulator) == [200] * -(-long_mp4.stat().st_size // PART_BYTES)
    assert _by_the_kernel(desk.emulator) == 0


@pytest.mark.parametrize("emulator", [False], indirect=True)
def test_a_bucket_without_cors_rules_gets_the_file_through_the_kernel(desk: Desk, long_mp4: Path) -> None:
    _send(desk, long_mp4)
    assert _by_the_page(desk.emulator) == []
    assert _by_the_kernel(desk.emulator) == -(-long_mp4.stat().st_size // PART_BYTES)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.Status(403, "AccessDenied", "Request has expired."), id="the URL has expired"),
        pytest.param(faults.Reset(after_body_bytes=PART_BYTES // 2), id="the network drops in the middle"),
    ],
)
def test_a_part_that_fails_on_the_way_costs_no_byte(desk: Desk, long_mp4: Path, fault: faults.Action) -> None:
    armed = desk.emulator.faults.add(op="UploadPart", action=fault, nth=2)
    # One at a time: a network that fails before anything got through is not asked again.
    _send(desk, long_mp4, parallel=1)
    assert armed.fired
    assert _by_the_page(desk.emulator).count(200) >= 2
