"""The command `vod-widget`: what the package does, from a shell.

Exit status: 0 all well, 1 something failed, 2 a wrong call or no credentials, 130 interrupted. An error is one line
with its code and the next step, never a traceback. Floor 6: imports everything below; runs in the main thread.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from vod_widget import batch
from vod_widget.batch.words import one_line
from vod_widget.errors import CredentialError, UsageError, VODError
from vod_widget.lifetime import TERM_GRACE_S, Terminated
from vod_widget.model import UploadState

from .arguments import chosen_options, make_parser, metadata_of

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after `vod-widget`; None takes them from the process.

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["emulator"]:
        from vod_widget.emulator.cli import serve

        return serve(given[1:])
    args = make_parser().parse_args(given)
    try:
        return _COMMANDS[args.command](args)
    except KeyboardInterrupt:
        _complain("stopped; what was sent is kept. Run the same command again, or: vod-widget resume")
        return 130
    except VODError as error:
        _complain(str(error))
        return 2 if isinstance(error, UsageError | CredentialError) else 1
    except BrokenPipeError:  # `vod-widget profiles | head -1`
        sys.stdout = None  # Python would flush it once more at its end, and complain
        return 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"vod-widget: {one_line(text)}\n")
    sys.stderr.flush()


def _heed_sigterm() -> None:
    """Let a polite kill stop as Ctrl-C does, but with time for the parts on their way: they need not go again."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_signal)


def _upload(args: Namespace) -> int:
    _heed_sigterm()
    options = chosen_options(args)
    results = batch.upload(args.files, progress=args.progress, **options, **metadata_of(args))
    _show(results, as_json=args.json)
    return 1 if results.failed else 0


def _resume(args: Namespace) -> int:
    _heed_sigterm()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        uploader = batch.resume(**chosen_options(args))
    close_s = 10.0
    try:
        for warning in told:
            _complain(str(warning.message))
        if uploader.list_files() and not args.list:
            batch.finish(uploader, progress=args.progress)
        results = batch.results_of(uploader)
    except KeyboardInterrupt as interrupt:
        close_s = 1.0
        if isinstance(interrupt, Terminated):
            uploader._end_with_process(TERM_GRACE_S)
        raise
    finally:
        uploader.close(close_s)
    if not results and not args.json:
        _say("Nothing is unfinished.")
        return 0
    _show(results, as_json=args.json)
    # A file that somebody canceled is where that person wanted it.
    unwell = [row for row in results.failed if row.state != UploadState.CANCELED]
    return 1 if unwell and not args.list else 0


def _show(results: batch.Results, *, as_json: bool) -> None:
    _say(json.dumps(results.to_dicts(), ensure_ascii=False, default=str) if as_json else repr(results))


def _profiles(args: Namespace) -> int:
    found = batch.profiles()
    if args.json:
        _say(json.dumps([_fields(profile) for profile in found], ensure_ascii=False))
        return 0
    _say(repr(found))
    return 0


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _explain(args: Namespace) -> int:
    _say(str(batch.explain(args.profile)))
    return 0


def _check(args: Namespace) -> int:
    options = chosen_options(args)
    checks = batch.check(files=args.files or None, **options, **metadata_of(args))
    _say(json.dumps([_fields(row) for row in checks], ensure_ascii=False) if args.json else repr(checks))
    return 0 if checks.ok else 1


def _demo(args: Namespace) -> int:
    from .demo import run_demo

    return run_demo(
        folder=args.dir, port=args.port, opens_browser=args.browser, is_check=args.check, say=_say, complain=_complain
    )


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "upload": _upload,
    "resume": _resume,
    "profiles": _profiles,
    "explain": _explain,
    "check": _check,
    "demo": _demo,
}
