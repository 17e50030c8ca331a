"""Run something that may hang beside the caller, with a deadline.

Commands, sign-ins and secret stores belong to other people: none of them may hold a thread of the queue for longer than
its deadline. Standard library and `errors`; any thread.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from vod_widget.errors import CredentialError

__all__ = ["run_beside"]

T = TypeVar("T")

_NAME: Final = "vod-keys"


def run_beside(work: Callable[[], T], *, wait_s: float, what: str, hint: str = "") -> T:
    """Call `work` in a thread of its own and wait for it.

    A thread cannot be ended from outside: work that hangs goes on, and its outcome is dropped.

    Args:
        work: What may hang; its exceptions are raised here.
        wait_s: Longest wait, s.
        what: What is waited for, for the error's text.
        hint: The next step when it hangs.

    Raises:
        CredentialError: Code "Auth.Timeout": it did not end in time.
    """
    outcome: list[T] = []
    raised: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as exc:
            raised.append(exc)

    # A daemon, so that a command that never ends does not keep the interpreter alive.
    thread = threading.Thread(target=run, name=_NAME, daemon=True)
    thread.start()
    thread.join(wait_s)
    if outcome:
        return outcome[0]
    if raised:
        raise raised[0]
    raise CredentialError(
        f"{what} did not end within {wait_s:g} s",
        code="Auth.Timeout",
        hint=hint or "Check the network and what gives the keys, then retry.",
    )
