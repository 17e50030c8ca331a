"""What may be shown of credentials: profiles, the steps of a search, notices. Never a secret.

Frozen values; imports `html` and nothing of this package. Any thread.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

__all__ = ["Explanation", "Notice", "Profile", "Step"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One name that `profile=` accepts, or the reason why it would not.

    Attributes:
        name: What to pass as `profile=`.
        place: A file, "environment" or "built-in".
        mode: AK, StsToken, RamRoleArn, ...; "" when the file does not say.
        masked_id: The access key id, masked, or "".
        region: Region that the profile states, or None.
        usable: True when it can be used as it stands.
        reason: Why it cannot, and the step that helps; "" when usable.
        is_current: True for the one that is used when nothing is chosen.
        expires_at_s: Unix time at which its key ends, when the file says so; else None.
        renews_itself: True when a new key is fetched before the old one ends.
    """

    name: str
    place: str
    mode: str
    masked_id: str
    region: str | None
    usable: bool
    reason: str
    is_current: bool
    expires_at_s: float | None = None
    renews_itself: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to show once to the person who uses a provider.

    Attributes:
        code: Stable code.
        text: One or two sentences.
        is_warning: False for advice that need not interrupt.
    """

    code: str
    text: str
    is_warning: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One place of a search, in the order searched.

    Attributes:
        place: Where.
        found: What was there, masked; "nothing" when it is empty.
        used: True for the place that won; at most one.
        why: Why it was used or not.
    """

    place: str
    found: str
    used: bool
    why: str

    def __str__(self) -> str:
        mark = "->" if self.used else "  "
        return f"{mark} {self.place}: {self.found}; {self.why}"


class Explanation(Sequence[Step]):
    """How credentials were looked for: a sequence of steps, with the outcome in one sentence.

    Attributes:
        steps: Every place in the order searched.
        outcome: Who won and why, or what is missing and what to do.
        profile: The winner, or None.
    """

    def __init__(self, steps: Sequence[Step], outcome: str, profile: Profile | None) -> None:
        self.steps = tuple(steps)
        self.outcome = outcome
        self.profile = profile

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Step, ...]: ...

    def __getitem__(self, index: int | slice) -> Step | tuple[Step, ...]:
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        lines = [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([*lines, self.outcome])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def cell(text: str, tag: str = "td") -> str:
            return f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>'

        rows = "".join(
            "<tr>"
            + cell(str(number))
            + cell(step.place)
            + cell(step.found)
            + cell("yes" if step.used else "no")
            + cell(step.why)
            + "</tr>"
            for number, step in enumerate(self.steps, 1)
        )
        head = "".join(cell(text, "th") for text in ("", "Place", "Found", "Used", "Why"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{html.escape(self.outcome)}</p>"
