"""What a queue asks of the account beside uploading: its categories, and where a stored video can be watched.

Floor 4. Called from a thread of the caller's that may wait for the network, never under the queue's condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .authority import Authority
from .errors import MissingCredentialError, RestrictionError
from .model import Category

if TYPE_CHECKING:
    from .vod_api import SdkVodSession

__all__ = ["categories", "play_url"]

_MAX_CATEGORIES = 500
_MAX_CALLS = 60


def _session(authority: Authority) -> SdkVodSession:
    to = authority.resolve(required=True)
    if to.provider is None:
        raise MissingCredentialError("no credentials of the queue's own were found")
    return authority.api().open(to.provider.credentials(), to.region, to.endpoint)


def categories(authority: Authority) -> list[Category]:
    """List the account's categories, parents before their children; at most 500 of them.

    Raises:
        VODError: No keys, or the service said no.
    """
    session = _session(authority)
    found: list[Category] = []
    calls = 0

    def go_below(parent: Category | None) -> None:
        nonlocal calls
        calls += 1
        for category, has_more in session.categories_below(parent):
            if len(found) < _MAX_CATEGORIES:
                found.append(category)
                if has_more and calls < _MAX_CALLS:
                    go_below(category)

    go_below(None)
    return found


def play_url(authority: Authority, video_id: str) -> str:
    """Return an address at which the video can be watched for a while.

    Raises:
        VODError: No keys, or the service said no; code "Play.NotReady" while it has no stream.
    """
    url = _session(authority).play_url(video_id)
    if url is None:
        raise RestrictionError(
            "the service has nothing to play yet", code="Play.NotReady", hint="Wait until it is transcoded."
        )
    return url
