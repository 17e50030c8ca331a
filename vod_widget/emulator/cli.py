"""The command `vod-widget emulator`: serve until told to stop.

What lives here: `serve`. It imports `emulator` only. Runs in the main thread, which waits for
a signal; this is the one module of the package that prints.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from vod_widget.emulator.cloud import DEFAULT_ACCOUNT_ID, DEFAULT_UPLOAD_AUTH_TTL_S
from vod_widget.emulator.emulator import NETWORK_WARNING, Emulator
from vod_widget.emulator.switches import Switches


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vod-widget emulator",
        description="Serve a strict local VOD, STS and OSS on 127.0.0.1 until SIGTERM or Ctrl-C.",
    )
    parser.add_argument("--port", type=int, default=0, help="http port; 0 takes a free one")
    parser.add_argument("--tls-port", type=int, default=None, help="also serve https; 0 takes a free port")
    parser.add_argument("--data-dir", default=None, help="keep everything in this folder, over restarts")
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready, for programs")
    parser.add_argument("--oss-endpoint", default="", metavar="URL", help="what UploadAddress says as Endpoint")
    parser.add_argument(
        "--upload-auth-ttl",
        type=float,
        default=DEFAULT_UPLOAD_AUTH_TTL_S,
        metavar="SECONDS",
        help="life of an UploadAuth (default: %(default)g)",
    )
    parser.add_argument(
        "--allow-missing-timestamp",
        action="store_true",
        help="take RPC calls without Timestamp, as the vendor's browser SDK sends them",
    )
    parser.add_argument(
        "--dangerously-listen-to-the-network-as",
        metavar="NAME",
        default="",
        dest="network_name",
        help="listen on every interface and answer to this host name or address, too: whoever reaches this machine can "
        "try to use the emulator",
    )
    parser.add_argument("--account-id", default=DEFAULT_ACCOUNT_ID, help="account id, digits")
    return parser


def serve(argv: Sequence[str] | None = None) -> int:
    """Run the emulator until SIGTERM or SIGINT.

    Args:
        argv: Arguments after `vod-widget emulator`; None takes them from the process.

    Returns:
        Exit status: 0 after a signal, 2 when it cannot start.
    """
    args = _parser().parse_args(argv)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    old = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        switches = Switches(allow_missing_timestamp=args.allow_missing_timestamp)
        emulator = Emulator(
            args.data_dir,
            args.port,
            args.tls_port,
            args.upload_auth_ttl,
            oss_endpoint=args.oss_endpoint,
            account_id=args.account_id,
            switches=switches,
            network_name=args.network_name,
        )
        with emulator:
            if args.network_name:
                print(f"vod-widget emulator: WARNING: {NETWORK_WARNING}.", file=sys.stderr, flush=True)
            _announce(emulator, as_json=args.json)
            # Short waits, so that signals are handled at once on every platform.
            while not stop.wait(0.5):
                pass
    except (OSError, ValueError) as exc:
        print(f"vod-widget emulator: {exc}", file=sys.stderr)
        return 2
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    return 0


def _announce(emulator: Emulator, *, as_json: bool) -> None:
    """Print where the emulator is. Its keys are made up and open nothing else."""
    facts = {
        "endpoint": emulator.endpoint,
        "tls_endpoint": emulator.tls_endpoint if emulator.has_tls else None,
        "access_key_id": emulator.access_key_id,
        "access_key_secret": emulator.access_key_secret,
        "role_arn": emulator.role_arn,
        "region": emulator.region,
    }
    if emulator.has_tls:
        facts["tls_ca_file"] = str(emulator.tls_ca_file)
    if as_json:
        # For programs only: a person's terminal keeps no secret that moves clocks and injects faults.
        facts["admin_secret"] = emulator.admin_secret
        print(json.dumps(facts), flush=True)
        return
    width = max(map(len, facts))
    print("The emulator is ready; stop it with Ctrl-C. Its keys work nowhere else.")
    for name, value in facts.items():
        print(f"  {name:<{width}}  {value or '-'}")
    print(f"Open {emulator.endpoint}/ in a browser to see what is stored.")
    sys.stdout.flush()
