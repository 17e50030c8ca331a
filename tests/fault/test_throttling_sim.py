"""A thousand files against an account that allows fewer calls than we think, on a virtual clock (F12, F83)."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.helpers.simulation import SimRandomness
from vod_widget import effects as fx
from vod_widget.engine import Engine, Settings
from vod_widget.errors import ThrottledError
from vod_widget.model import Credentials, MediaType, UploadMetadata
from vod_widget.pace import CallPace
from vod_widget.record import Record
from vod_widget.retry import RetryPolicy
from vod_widget.sources import MemorySource
from vod_widget.workers import Rate

FAULT_KIND = "S"

FILES = 1_000


class Clock:
    """Time that a wait moves."""

    t = 1_000.0

    def now_s(self) -> float:
        return self.t

    def monotonic_s(self) -> float:
        return self.t

    def wait(self, timeout: float | None = None) -> bool:
        self.t += timeout or 0.0
        return False


@dataclass
class Account:
    """An account whose calls are counted in each second, as the service does; also its keys (`CredentialProvider`)."""

    clock: Clock
    limit: int
    per_second: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    created: list[str] = field(default_factory=list)
    role_refusals: int = 0
    name, region, endpoint, account = "prod", "cn-shanghai", None, "1"

    def open(self, *_: Any) -> Account:
        return self

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        if self.role_refusals:
            self.role_refusals -= 1
            raise ThrottledError("AssumeRole: slow down", status=400, code="Throttling.User")
        return Credentials("STS.1", "s", "t")

    def create_upload_video(self, metadata: Any, *, file_name: str, **_: Any) -> str:
        second = int(self.clock.t)
        self.per_second[second] += 1
        if self.per_second[second] > self.limit:
            self.refused[second] += 1
            raise ThrottledError("slow down", status=400, code="Throttling.User")
        self.created.append(file_name)
        return file_name


def _create_all(account: Account, policy: RetryPolicy, *, files: int = FILES) -> Counter[str]:
    """What the machines of so many files do with CreateUploadVideo, one after another; returns attempts by file."""
    clock, chance = account.clock, SimRandomness(random.Random(1))
    engine = Engine(
        store=account,  # type: ignore[arg-type]
        api=account,  # type: ignore[arg-type]
        clock=clock,
        bandwidth=Rate(None, clock),
        pace=CallPace(clock, waits=clock),
        settings=lambda: Settings(None, None),  # type: ignore[arg-type]
    )
    attempts: Counter[str] = Counter()
    waiting: list[tuple[float, int]] = [(clock.t, number) for number in range(files)]
    began = dict.fromkeys(range(files), clock.t)
    while waiting:
        due_s, number = heapq.heappop(waiting)
        clock.t = max(clock.t, due_s)
        name = f"clip{number:04d}.mp4"
        record = Record(name, MemorySource(b"x", name), MediaType.VIDEO, UploadMetadata(title=name))
        run = record.get_ready()
        run.provider, run.region_given = account, "cn-shanghai"  # type: ignore[assignment]
        attempts[name] += 1
        try:
            engine.perform(record, None, fx.CreateVideo(f"ref{number}", None))  # type: ignore[arg-type]
        except ThrottledError as error:
            assert policy.may_retry(attempts[name], clock.t - began[number]), f"{name} gave up"
            heapq.heappush(waiting, (clock.t + policy.wait_s(attempts[name], error, chance), number))
    return attempts


@pytest.mark.slow
@pytest.mark.parametrize("limit", [10, 20, 50])
@pytest.mark.parametrize("patience_s", [None, 900.0])
def test_f12_a_thousand_files_are_created_within_the_accounts_limit(limit: int, patience_s: float | None) -> None:
    account = Account(Clock(), limit)
    began_s = account.clock.t
    attempts = _create_all(account, RetryPolicy(patience_s=patience_s))
    assert sorted(account.created) == [f"clip{n:04d}.mp4" for n in range(FILES)]
    took_s = account.clock.t - began_s
    assert took_s < 1.5 * FILES / limit
    # One storm, as long as the first halvings take: later seconds see a few refusals at most.
    late = [count for second, count in account.refused.items() if second > began_s + 5]
    assert max(late, default=0) <= 8
    assert sum(attempts.values()) < 1.2 * FILES
    assert max(attempts.values()) <= 4
    # In list order but for those that were refused.
    first_time = [name for name in account.created if attempts[name] == 1]
    assert first_time == sorted(first_time)


def test_f12_account_that_allows_what_we_think_refuses_nothing() -> None:
    account = Account(Clock(), 80)
    _create_all(account, RetryPolicy())
    assert account.refused.total() == 0
    assert account.created == sorted(account.created)


def test_f83_throttled_role_is_waited_for_as_a_throttled_create() -> None:
    account = Account(Clock(), 80, role_refusals=3)
    attempts = _create_all(account, RetryPolicy(), files=50)
    assert len(account.created) == 50
    assert sum(attempts.values()) == 53
