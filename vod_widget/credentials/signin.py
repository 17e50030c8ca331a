"""Keys behind a sign-in in the browser: modes CloudSSO and OAuth of the vendor's command line.

The vendor's own package keeps them (`pip install "vod_widget[credentials]"`): it knows how tokens of a sign-in are
renewed and writes the rotated ones back into the CLI's file, which two keepers must not do in two ways. It is imported
here and nowhere else, on first use, because it starts a scheduler and opens log handlers. Any thread; blocks on the
network, so callers run it beside themselves.

Source: https://github.com/aliyun/credentials-python 1.0.12, provider/cli_profile.py, read 2026-11.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any, Final

from vod_widget.errors import CredentialError
from vod_widget.model import Credentials

from .bounded import run_beside
from .taking import take

__all__ = ["SIGN_IN_S", "has_keeper", "keys_from_sign_in"]

SIGN_IN_S: Final = 30.0
# Its transport logs requests and answers, keys and all: nothing of that leaves it while we call.
_LOUD: Final = ("alibabacloud-tea", "credentials")


def has_keeper() -> bool:
    """Tell whether the vendor's package is installed."""
    return importlib.util.find_spec("alibabacloud_credentials") is not None


def keys_from_sign_in(name: str, path: Path, place: str, mode: str, *, wait_s: float = SIGN_IN_S) -> Credentials:
    """Get keys from the sign-in of a profile.

    Args:
        name: The profile.
        path: The CLI's file, which is rewritten when tokens are rotated.
        place: Profile and file, for people.
        mode: CloudSSO or OAuth.
        wait_s: Longest wait, s.

    Raises:
        CredentialError: The sign-in has ended, or the service gave no keys.
    """
    again = f"Run: aliyun configure --profile {name} --mode {mode}; then retry."
    outcome = run_beside(
        lambda: _ask(name, path, place), wait_s=wait_s, what=f"the sign-in of profile {name}", hint=again
    )
    if isinstance(outcome, Credentials):
        return outcome
    raise CredentialError(f"the sign-in of {place} gave no keys: {outcome}", code="Auth.SignIn", hint=again)


class _Quiet(logging.Filter):
    """Lets nothing through."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return False


_quiet = _Quiet()


def _ask(name: str, path: Path, place: str) -> Credentials | str:
    """Never raises: a foreign traceback and text may hold tokens."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    for logger in loggers:
        logger.addFilter(_quiet)
    try:
        provider = _provider(name, path)
        given: Any = provider.get_credentials()
        found = take(
            {
                "AccessKeyId": given.get_access_key_id(),
                "AccessKeySecret": given.get_access_key_secret(),
                "SecurityToken": given.get_security_token(),
            },
            place,
        )
    except ImportError:
        return 'the package is missing; run: pip install "vod_widget[credentials]"'
    except ValueError:
        return "the sign-in has ended"
    except Exception as exc:
        return f"{type(exc).__name__}"
    finally:
        for logger in loggers:
            logger.removeFilter(_quiet)
    return found


def _provider(name: str, path: Path) -> Any:
    from alibabacloud_credentials.provider.cli_profile import CLIProfileCredentialsProvider

    return CLIProfileCredentialsProvider(profile_name=name, profile_file=str(path))
