"""Keys that a command of the person's prints: mode External.

The command is split as a shell would and run without one, so nothing in it is expanded. Its output is read into
`Credentials` inside a function that does not raise; its standard error is not read, for it may repeat a key. Standard
library, floor 0 and this package; blocks until the command ends or its deadline passes.

Source: https://github.com/aliyun/aliyun-cli, mode External, "process_command"; read 2026-11.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from typing import Any, Final

from vod_widget.errors import CredentialError
from vod_widget.model import Credentials
from vod_widget.secret import Secret

from .taking import take

__all__ = ["COMMAND_S", "command_problem", "keys_from_command"]

# The vendor's own limit: long enough for a person to confirm on a phone.
COMMAND_S: Final = 60.0
_LIMIT_BYTES: Final = 65_536


def split_command(text: str) -> list[str] | None:
    """Split as a shell would; None when a quote is not closed. Windows paths keep their backslashes."""
    try:
        words = shlex.split(text, posix=os.name != "nt")
    except ValueError:
        return None
    return [word.strip('"') for word in words] if os.name == "nt" else words


def command_problem(text: str) -> str:
    """Say why a command cannot be run, or return ""; the command may hold a secret, so the text does not repeat it."""
    words = split_command(text)
    if words is None:
        return "a quote in process_command is not closed"
    return "" if words and words[0] else "process_command is empty"


def keys_from_command(command: Secret, place: str, *, wait_s: float = COMMAND_S) -> Credentials:
    """Run a command that prints keys as JSON.

    Args:
        command: The command line.
        place: What names the command, for people.
        wait_s: Longest time that it may take, s; then it is ended with what it started.

    Raises:
        CredentialError: It cannot be run, fails, takes too long, or prints something else.
    """
    outcome = _run(command, place, wait_s)
    if isinstance(outcome, Credentials):
        return outcome
    raise CredentialError(
        f"the command of {place} gave no keys: {outcome}",
        code="Auth.External",
        hint="Run the profile's process_command in a terminal, correct what it says, then retry.",
    )


def _run(command: Secret, place: str, wait_s: float) -> Credentials | str:
    words = split_command(command.reveal())
    if not words:
        return "it cannot be split into words"
    options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
    try:
        # S603: the person's own command from the person's own profile is what this mode is.
        process = subprocess.Popen(  # noqa: S603
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, shell=False, **options
        )
    except FileNotFoundError:
        return "there is no such program on this machine"
    except (OSError, ValueError) as exc:
        return f"it cannot be run ({type(exc).__name__})"
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(wait_s, end)
    timer.name = "vod-keys-timer"
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        output = process.stdout.read(_LIMIT_BYTES + 1)
        if len(output) > _LIMIT_BYTES:
            _kill(process)
        status = process.wait()
    finally:
        timer.cancel()
        timer.join()
        if process.stdout is not None:
            process.stdout.close()
    if late.is_set():
        return f"it did not end within {wait_s:g} s"
    if len(output) > _LIMIT_BYTES:
        return "it prints too much"
    if status != 0:
        return f"it ended with status {status}"
    return _read(output, place)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and, where there are process groups, all that it started: one of them may hold the pipe."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except OSError:
        pass


def _read(output: bytes, place: str) -> Credentials | str:
    try:
        data: Any = json.loads(output)
    except (ValueError, RecursionError):
        return "it does not print JSON"
    if not isinstance(data, dict):
        return "it does not print a JSON object"
    if str(data.get("mode") or "").lower() == "ststoken" and not data.get("sts_token"):
        return "it prints mode StsToken without sts_token"
    return take(data, place)
