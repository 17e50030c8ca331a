"""What to do with a fault, as data: a class of error -> an action, and how long to wait.

The counter of attempts belongs to the machine and starts again whenever bytes were accepted. Floor 1, pure.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from . import errors
from .errors import VODError
from .interfaces import Randomness

__all__ = ["ACTIONS", "Action", "RetryPolicy", "classify", "is_doubtful", "send_deadline_s"]


class Action(enum.Enum):
    """What the machine does with an error."""

    RETRY = "repeat the request after a wait"
    REFRESH = "get a new credential, then repeat"
    RESTART = "begin the object again"
    LOOK = "ask what happened before anything is repeated"
    FAIL = "give up and say why"


ACTIONS: dict[type[VODError], Action] = {
    errors.InvalidArgumentError: Action.FAIL,
    errors.InvalidStateError: Action.FAIL,
    errors.RestrictionError: Action.FAIL,
    errors.ProfileNotFoundError: Action.FAIL,
    errors.MissingCredentialError: Action.FAIL,
    errors.CredentialError: Action.FAIL,
    errors.SourceNotFoundError: Action.FAIL,
    errors.SourceChangedError: Action.FAIL,
    errors.SourceDetachedError: Action.FAIL,
    errors.SourceError: Action.FAIL,
    errors.LockedError: Action.FAIL,
    errors.JournalError: Action.RETRY,
    errors.CallbackError: Action.FAIL,
    errors.AuthExpiredError: Action.REFRESH,
    errors.AccessDeniedError: Action.FAIL,
    errors.KeysRefusedError: Action.FAIL,
    errors.ClockSkewError: Action.RETRY,
    errors.NotFoundError: Action.FAIL,
    errors.NoSuchUploadError: Action.LOOK,
    errors.AlreadyExistsError: Action.LOOK,
    errors.ThrottledError: Action.RETRY,
    errors.ServerFaultError: Action.RETRY,
    errors.RequestRefusedError: Action.FAIL,
    errors.UnexpectedAnswerError: Action.RETRY,
    errors.EndpointRefusedError: Action.FAIL,
    errors.ConnectError: Action.RETRY,
    errors.RequestTimeoutError: Action.RETRY,
    errors.ConnectionLostError: Action.RETRY,
    errors.TlsError: Action.FAIL,
    errors.IntegrityError: Action.RETRY,
    errors.RetriesExhaustedError: Action.FAIL,
}
"""One row for each leaf of the tree, and for the inner classes that are raised themselves."""

_NEVER_AGAIN = frozenset({"Redirect", "Journal.Unsafe"})
"""Codes of an otherwise repeatable class that no repetition cures."""

_AGAIN = frozenset({"Source.Busy"})
"""Codes of an otherwise final class that pass by themselves."""


def classify(error: VODError) -> Action:
    """Return the action for an error: the row of its class, else of its nearest base; without any, FAIL."""
    if error.code in _NEVER_AGAIN:
        return Action.FAIL
    if error.code in _AGAIN:
        return Action.RETRY
    for cls in type(error).__mro__:
        if cls in ACTIONS:
            return ACTIONS[cls]
    return Action.FAIL


def is_doubtful(error: VODError) -> bool:
    """Tell whether the request may have had its effect although no good answer came."""
    if isinstance(error, errors.TransportError):
        return error.was_sent
    return isinstance(error, errors.ServerFaultError | errors.UnexpectedAnswerError)


_LEAST_SEND_S = 60.0
_SLOWEST_BYTES_PER_S = 128.0
"""Half of 16 kbit/s, the slowest line that we promise to serve, shared by eight senders."""


def send_deadline_s(length: int, rate_of_one: float) -> float:
    """Longest time for sending one body, seconds: four times what the measured rate says, and at least a minute.

    A connection that is that much slower than its fellows is a fault, also when it never falls silent; a line that is
    slow altogether is none.

    Args:
        length: Bytes.
        rate_of_one: Bytes a second of one sender, as measured; 0 while unknown.
    """
    per_s = max(rate_of_one / 4.0, _SLOWEST_BYTES_PER_S)
    return max(_LEAST_SEND_S, length / per_s if rate_of_one > 0 else length / _SLOWEST_BYTES_PER_S)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    Attributes:
        retry_count: Retries of one fault without progress.
        retry_duration_s: Least wait before the first retry.
        patience_s: When set, retries go on for so long without progress, whatever `retry_count`.
        longest_s: Longest wait that we choose; a server's Retry-After may reach `longest_asked_s`.
        longest_asked_s: Longest Retry-After that is believed.
    """

    retry_count: int = 3
    retry_duration_s: float = 2.0
    patience_s: float | None = None
    longest_s: float = 30.0
    longest_asked_s: float = 120.0

    def may_retry(self, failures: int, since_progress_s: float) -> bool:
        """Tell whether one more attempt is allowed.

        Args:
            failures: Failed attempts of this request since the last progress, from 1.
            since_progress_s: Seconds since the last progress.
        """
        if self.patience_s is not None:
            return since_progress_s < self.patience_s
        return failures <= self.retry_count

    def wait_s(self, failures: int, error: VODError, randomness: Randomness) -> float:
        """Return the seconds to wait before the next attempt.

        The seed document calls `retryDuration` the interval between retries, so it is the floor; each further wait
        doubles and up to a quarter of jitter keeps many files from returning in step. With patience the wait is drawn
        from the whole range ("full jitter"), beginning at half a second.
        """
        asked = getattr(error, "retry_after_s", None)
        if asked is not None:
            # Never earlier than asked; up to one second more, so that not everyone returns at once.
            return float(min(asked, self.longest_asked_s)) + randomness.uniform(0.0, 1.0)
        doublings = min(failures - 1, 16)
        if self.patience_s is not None:
            top = min(self.longest_s, float(2**doublings))
            return randomness.uniform(0.5, max(0.5, top))
        base: float = min(self.retry_duration_s * 2.0**doublings, max(self.longest_s, self.retry_duration_s))
        return base * randomness.uniform(1.0, 1.25)
