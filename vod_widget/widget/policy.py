"""What a page may ask of the kernel: one frozen object per widget, and a limit on how fast it may ask.

The policy is not a trait, so no front-end can reach it: ipywidgets sets even read-only traits from a front-end's
update. Default deny: a kind that the policy does not name is refused. No ipywidgets here; runs in any thread.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from vod_widget.errors import RestrictionError
from vod_widget.interfaces import Clock

from .messages import KINDS

__all__ = ["Policy", "RateLimit", "check_file"]

_GIB = 1024**3
# What strangers may ask, word for word: a kind that comes later is refused until somebody has thought about it. Nothing
# of the kernel's files, the account and its categories; the order of the list concerns everybody's files.
_STRANGERS = frozenset(
    {
        *("hello", "bye", "view", "ping", "probe", "reach", "asset", "detail", "play"),
        *("start", "stop", "clear", "cancel", "pause", "resume", "retry", "retry_failed", "remove"),
        *("offer_files", "reoffer_files", "slice", "slice_error", "put_progress", "put_done", "put_error"),
        *("set_metadata", "edit_files", "set_cover"),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rights of a page and the limits of what it may bring.

    Attributes:
        name: "private", "public" or your own word; shown to the page.
        kinds: Intents that are allowed; every other one is refused with code "Policy".
        own_files_only: True when a page may touch only the browser files that it offered itself.
        direct: True when a page may be given URLs, signed for one part each, by which it sends straight to the
            storage. Every page of the kernel can read them.
        max_files: Files in the queue, at most.
        max_file_bytes: Bytes of one browser file, at most. 48.8 TiB is the vendor's limit of one object.
        max_total_bytes: Bytes of all files in the queue that came from browsers, at most.
        max_name_bytes: Bytes of a file name in UTF-8, at most.
        max_messages_per_s: Intents a second, slices and heartbeats not counted, at most.

    Source: https://help.aliyun.com/zh/oss/user-guide/limits, read 2026-11 (10,000 parts of 5 GiB: 48.8 TiB an object).
    """

    name: str
    kinds: frozenset[str]
    own_files_only: bool = False
    direct: bool = False
    max_files: int = 100_000
    max_file_bytes: int = 50_000 * _GIB
    max_total_bytes: int = 1_000_000 * _GIB
    max_name_bytes: int = 255
    max_messages_per_s: int = 20

    @classmethod
    def private(cls) -> Policy:
        """The notebook of its author: everything that the screen offers."""
        return cls(name="private", kinds=frozenset(KINDS), direct=True)

    @classmethod
    def public(
        cls,
        *,
        max_files: int = 100,
        max_file_bytes: int = 20 * _GIB,
        max_total_bytes: int = 100 * _GIB,
        direct: bool = False,
    ) -> Policy:
        """A page for strangers (Voila, a shared server): their browser's files up to limits, and nothing else.

        No paths of the kernel, no addresses, no credentials or profiles, and no touching of files that another page or
        the notebook's code brought.

        Args:
            max_files: Files in the queue, at most.
            max_file_bytes: Bytes of one file, at most.
            max_total_bytes: Bytes of all files together, at most.
            direct: True lets these pages send straight to the storage as well, if the widget is made so.
        """
        return cls(
            name="public",
            kinds=_STRANGERS,
            own_files_only=True,
            direct=direct,
            max_files=max_files,
            max_file_bytes=max_file_bytes,
            max_total_bytes=max_total_bytes,
        )

    def allows(self, kind: str) -> bool:
        """Tell whether a page may send this kind of intent."""
        return kind in self.kinds

    @property
    def allows_kernel_files(self) -> bool:
        """True when the page may look at and add files of the kernel's machine."""
        return "add_paths" in self.kinds

    def describe(self) -> dict[str, Any]:
        """What a page is told, so that it hides what it may not do; it grants nothing."""
        sources = [
            *(["kernel"] if self.allows_kernel_files else []),
            *(["browser"] if "offer_files" in self.kinds else []),
            *(["address"] if "add_addresses" in self.kinds else []),
        ]
        return {
            "name": self.name,
            "sources": sources,
            "inline_credentials": "set_credentials" in self.kinds,
            "choose_profile": "choose_profile" in self.kinds,
            "steer": not self.own_files_only,
        }


def check_file(policy: Policy, name: str, size_bytes: int, *, held_bytes: int, files: int) -> None:
    """Check a browser's file against the limits before it joins the list.

    Args:
        policy: Whose limits.
        name: For the text of the error.
        size_bytes: Its length.
        held_bytes: Bytes of the browser files that are in the list.
        files: Files in the list.

    Raises:
        RestrictionError: Empty (code `EmptyFile`), too large (`FileTooLarge`, `Limit.Bytes`) or one too many
            (`Limit`).
    """
    if size_bytes < 1:
        raise RestrictionError("The file is empty.", code="EmptyFile", file_name=name)
    if size_bytes > policy.max_file_bytes:
        raise RestrictionError(
            f"The file is larger than the {policy.max_file_bytes} bytes allowed here.",
            code="FileTooLarge",
            file_name=name,
        )
    if held_bytes + size_bytes > policy.max_total_bytes:
        raise RestrictionError("all files together would be too large", code="Limit.Bytes", file_name=name)
    if files >= policy.max_files:
        raise RestrictionError(f"At most {policy.max_files} files are allowed here.", code="Limit", file_name=name)


class RateLimit:
    """A bucket of permits that refills: `rate_per_s` in the long run, two seconds' worth at once.

    Args:
        rate_per_s: Permits a second, at least 1.
        clock: Its monotonic time is used.
    """

    def __init__(self, rate_per_s: int, clock: Clock) -> None:
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._permits = float(2 * rate_per_s)
        self._at_s = clock.monotonic_s()

    def take(self) -> bool:
        """Use one permit; False when there is none."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            earned = (now_s - self._at_s) * self._rate_per_s
            self._permits = min(2.0 * self._rate_per_s, self._permits + earned)
            self._at_s = now_s
            if self._permits < 1.0:
                return False
            self._permits -= 1.0
            return True
