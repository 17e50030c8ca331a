"""oss2's own test-suite against the emulator, judged by a list of what is expected to fail and why.

    python -m tests.emulator.oss2_suite CHECKOUT --python JUDGE/bin/python      the whole suite, about five minutes
    python -m tests.emulator.oss2_suite CHECKOUT --python ... -k versioning     some of it

CHECKOUT is the source of oss2 2.19.1 with its folder `tests`, for example an unpacked `pip download --no-binary :all:
--no-deps oss2==2.19.1`. JUDGE is an environment for it, made once (Python 3.11; the suite needs no newer one):

    python -m venv JUDGE && JUDGE/bin/pip install pytest pytest-timeout mock flask "setuptools<70" \
        oss2==2.19.1 aliyun-python-sdk-sts

Nothing of it is changed: it runs in a copy of the checkout, in a process where the vendor's names lead to the emulator
(`clients/oss2_plugin.py`) and other names to nothing. Exit status 0: what failed is what `oss2_expected.py` expects.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.emulator.oss2_expected import EITHER, EXPECTED, reason_of
from vod_widget.emulator import Emulator, Switches

CLIENTS = Path(__file__).parent / "clients"
PAYER_ACCOUNT_ID = "2000000000000002"
TIMEOUT_S = 1800


def environment(emulator: Emulator, checkout: Path) -> dict[str, str]:
    """Return the variables that the suite reads, and those of the plugin."""
    payer = emulator.cloud.add_account(PAYER_ACCOUNT_ID)
    keys = {"ID": emulator.access_key_id, "KEY": emulator.access_key_secret}
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", ""),
        "PYTHONPATH": f"{CLIENTS}{os.pathsep}{checkout}",
        "JUDGE_PORT": emulator.endpoint.rpartition(":")[2],
        "JUDGE_TLS_PORT": emulator.tls_endpoint.rpartition(":")[2],
        "REQUESTS_CA_BUNDLE": str(emulator.tls_ca_file),
        "ALIBABA_CLOUD_CA_BUNDLE": str(emulator.tls_ca_file),
        "OSS_TEST_ACCESS_KEY_ID": keys["ID"],
        "OSS_TEST_ACCESS_KEY_SECRET": keys["KEY"],
        "OSS_TEST_STS_ID": keys["ID"],
        "OSS_TEST_STS_KEY": keys["KEY"],
        "OSS_TEST_STS_ARN": emulator.role_arn,
        "OSS_TEST_RAM_ROLE_ARN": emulator.role_arn,
        "OSS_TEST_RAM_UID": emulator.account_id,
        "OSS_TEST_UID": emulator.account_id,
        "OSS_TEST_REGION": emulator.region,
        "OSS_TEST_ENDPOINT": f"http://oss-{emulator.region}.aliyuncs.com",
        "OSS_TEST_PAYER_UID": PAYER_ACCOUNT_ID,
        "OSS_TEST_PAYER_ACCESS_KEY_ID": payer.access_key_id,
        "OSS_TEST_PAYER_ACCESS_KEY_SECRET": payer.access_key_secret,
    }


def chinese(folder: Path) -> dict[str, str]:
    """Make the Chinese locale that two tests switch to; {} where the machine lacks its source (Debian: `locales`)."""
    folder.mkdir()
    command = ["localedef", "-i", "zh_CN", "-f", "UTF-8", str(folder / "zh_CN.UTF-8")]
    done = subprocess.run(command, capture_output=True, check=False) if shutil.which("localedef") else None
    return {"LOCPATH": str(folder)} if done and done.returncode == 0 else {}


def run(source: Path, python: str, arguments: list[str]) -> dict[str, str]:
    """Run the suite; return what became of each test: "" when it passed, else the first line of its complaint."""
    # Its programs use OSS by a token of AssumeRole, too.
    switches = Switches(role_actions=("vod:*", "oss:*"))
    with tempfile.TemporaryDirectory() as folder, Emulator(tls_port=0, switches=switches) as emulator:
        checkout, report = Path(folder) / "oss2", Path(folder) / "report.xml"
        locales = chinese(Path(folder) / "locales")
        shutil.copytree(source, checkout, ignore=shutil.ignore_patterns(".git"))
        command = [python, "-m", "pytest", "-p", "oss2_plugin", "-p", "no:logging", "-p", "no:cacheprovider", "-q"]
        command += [
            "--timeout",
            "300",  # some send thousands of requests, on whatever machine this is
            "--tb",
            "short",
            "--show-capture",
            "no",
            "--junit-xml",
            str(report),
            *(arguments or ["tests"]),
        ]
        variables = {**environment(emulator, checkout), **locales}
        subprocess.run(command, cwd=checkout, env=variables, timeout=TIMEOUT_S, check=False)
        if not report.exists():
            raise SystemExit("the suite did not run; see above")
        return _read(report)


def _read(report: Path) -> dict[str, str]:
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name')}"
        bad = next((child for child in case if child.tag in ("failure", "error")), None)
        found[name] = "" if bad is None else (bad.get("message") or "failed").splitlines()[0][:160]
    return found


def main() -> int:
    """Print the number, and what differs from the list."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulator.oss2_suite")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the suite's environment")
    parser.add_argument("-k", default="", help="only tests that match, as pytest's -k")
    args = parser.parse_args()
    if not (args.checkout / "tests" / "test_object.py").is_file():
        parser.error(f"{args.checkout} is no source of oss2 with its tests")
    found = run(args.checkout.resolve(), args.python, ["tests", "-k", args.k] if args.k else [])
    failed = {name: complaint for name, complaint in found.items() if complaint}
    new = {name: complaint for name, complaint in failed.items() if not reason_of(name) and name not in EITHER}
    mended = sorted(name for name in found if reason_of(name) and name not in failed)
    print(f"\n{len(found) - len(failed)} of {len(found)} tests of oss2 pass.")
    for reason, count in Counter(
        reason_of(name) or "depends on how fast this machine is" for name in failed if name not in new
    ).most_common():
        print(f"  {count:3} fail as expected: {reason}")
    for name, complaint in sorted(new.items()):
        print(f"  NEW FAILURE {name}: {complaint}")
    for name in mended:
        print(f"  PASSES, and is expected to fail: {name}")
    missing = sorted(name for names in EXPECTED.values() for name in names if not args.k and name not in found)
    for name in missing:
        print(f"  IS NOT THERE: {name}")
    return 1 if new or mended or missing else 0


if __name__ == "__main__":
    sys.exit(main())
