"""One file's machine against the cloud in memory with faults of the test's own choosing, and a virtual clock.

run = Scripted(size=3 * PART)
run.spoil(fx.CreateVideo, lambda: ConnectionLostError("lost"), when="after")
run.succeeds()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.helpers.simulation import PART, Outcome, Plan, Simulation
from vod_widget import effects as fx
from vod_widget.errors import VODError
from vod_widget.model import UploadState

__all__ = ["CALM", "PART", "Scripted"]

CALM = Plan(
    fault_ratio=0.0,
    journal_fault_ratio=0.0,
    interrupt_ratio=0.0,
    kill_ratio=0.0,
    expire_ratio=0.0,
    damage_ratio=0.0,
    drop_upload_ratio=0.0,
    size=3 * PART + 5,
)


@dataclass
class _Rule:
    kind: type[fx.Effect]
    make: Callable[[], VODError]
    nth: int
    times: int | None
    when: str
    part: int | None
    change: Callable[[Any], Any] | None = None
    seen: int = 0
    fired: int = 0

    def strikes(self, effect: fx.Effect) -> bool:
        if not isinstance(effect, self.kind):
            return False
        if self.part is not None and effect.part.part_number != self.part:  # type: ignore[attr-defined]
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True


class Scripted(Simulation):
    """A simulation in which nothing happens by chance but the order of what is under way.

    Args:
        seed: Decides that order.
        changes: Fields of the plan.
    """

    def __init__(self, seed: int = 1, **changes: Any) -> None:
        self.rules: list[_Rule] = []
        self.done: Counter[type[fx.Effect]] = Counter()
        super().__init__(seed, replace(CALM, **changes))
        self.in_trouble = False

    # ---- faults

    def spoil(
        self,
        kind: type[fx.Effect],
        make: Callable[[], VODError],
        *,
        nth: int = 1,
        times: int | None = 1,
        when: str = "before",
        part: int | None = None,
    ) -> _Rule:
        """Let effects of this kind fail: instead of having their effect, or "after" it, so that the answer is lost."""
        self.rules.append(_Rule(kind, make, nth, times, when, part))
        return self.rules[-1]

    def change(
        self,
        kind: type[fx.Effect],
        how: Callable[[Any], Any],
        *,
        nth: int = 1,
        times: int | None = 1,
        part: int | None = None,
    ) -> _Rule:
        """Let the answer of effects of this kind be another."""
        self.rules.append(_Rule(kind, lambda: VODError("not used"), nth, times, "answer", part, how))
        return self.rules[-1]

    def perform(self, token: int, effect: fx.Effect, flag: list[bool]) -> None:
        self.done[type(effect)] += 1
        struck = [rule for rule in self.rules if rule.strikes(effect)]
        before = next((rule for rule in struck if rule.when == "before"), None)
        if before is not None:
            error = before.make()
            self.say(f"  spoiled {token} {type(effect).__name__}: {error.code}")
            self.outcomes.append(Outcome(lambda m: m.fail(token, error)))
            return
        super().perform(token, effect, flag)
        for rule in struck:
            if rule.when == "after":
                self.outcomes.pop()
                lost = rule.make()
                self.say(f"  lost the answer to {token}: {lost.code}")
                self.outcomes.append(Outcome(lambda m, lost=lost: m.fail(token, lost)))
            elif rule.change is not None:
                self._change_last(rule.change)

    def _change_last(self, how: Callable[[Any], Any]) -> None:
        told = self.outcomes.pop()

        class _Ear:
            def succeed(self, token: int, value: Any) -> tuple[int, Any]:
                return token, how(value)

            def fail(self, *_: Any) -> None:
                return None

        heard = told.deliver(_Ear())  # type: ignore[arg-type]
        self.outcomes.append(Outcome(lambda m: m.succeed(*heard)) if heard is not None else told)

    # ---- driving

    def wants(self) -> None:
        """Start it, or begin again after its end."""
        for _ in range(3):
            self.bring_on()

    def until(self, condition: Callable[[], object], steps: int = 5_000) -> None:
        """Go on until something holds."""
        for _ in range(steps):
            if condition():
                return
            assert self.step(), "the run ended before it came to this"
        raise AssertionError("it never came to this")

    def begins(self, kind: type[fx.Effect]) -> None:
        """Go on until an effect of this kind is asked for, and not yet done."""
        self.until(lambda: any(isinstance(e, kind) for _, e, _ in (*self.performing, *self.transfers)))

    def to_rest(self, steps: int = 20_000) -> None:
        """Go on until nothing is left to do."""
        for _ in range(steps):
            if not self.step():
                self.check_stuck()
                return
        self.fail(f"does not come to rest in {steps} steps")

    def succeeds(self, *, resent: int = 0, videos: int = 1) -> None:
        """Start if need be; the file ends in Success by itself, with its bytes, one video and nothing left behind.

        Args:
            resent: Most bytes that may be sent a second time.
            videos: How many were created.
        """
        before = len(self.notes)
        self.wants()
        self.to_rest()
        m = self.machine
        if m.state is not UploadState.SUCCESS:
            self.fail(f"no success, but {m.state}")
        assert not any(isinstance(note, fx.Failed) for note in self.notes[before:])
        assert len(self.cloud.assets) == videos
        assert self.sent_bytes - self.plan.size <= resent, f"{self.sent_bytes - self.plan.size} bytes sent again"
        assert not {name for name, upload in self.cloud.uploads.items() if upload.parts}, "parts are left behind"

    def fails(self, code: str) -> VODError:
        """Start if need be; the file ends in Failure with this code, and a text with a next step."""
        self.wants()
        self.to_rest()
        m = self.machine
        if m.state is not UploadState.FAILURE:
            self.fail(f"no failure, but {m.state}")
        assert m.error is not None
        assert m.error.code == code, m.error
        assert m.error.hint
        assert m.error.file_name == "talk.mp4"
        return m.error

    # ---- looking

    @property
    def retries(self) -> list[fx.RetryNote]:
        """The waits that were announced."""
        return [note for note in self.notes if isinstance(note, fx.RetryNote)]

    @property
    def restarts_said(self) -> list[str]:
        """Why it began again at byte 0."""
        return [note.reason for note in self.notes if isinstance(note, fx.RestartedNote)]

    @property
    def warned(self) -> list[str]:
        """Codes of the warnings."""
        return [note.code for note in self.notes if isinstance(note, fx.Warned)]

    def count(self, kind: type[fx.Effect]) -> int:
        """How often an effect was asked of the outside world."""
        return self.done[kind]
