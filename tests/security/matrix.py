"""What is required of security, and where that is shown.

A test anywhere below `tests` proves a requirement by its name alone: `test_s8_...`, `test_s1_s5_...`, and with a case of the
fault matrix before it, `test_f23_s8_...`. What no such test shows is said in `ELSEWHERE`, with where it is shown or why not.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

REQUIREMENTS = {
    "S1": "secrets live in `Secret` only: in no repr, trait, journal, URL, log, exception, traceback or notebook",
    "S2": "keys typed into the widget travel once, come back nowhere, and are off in a public policy",
    "S3": "a key that stands in the text of a cell is warned of",
    "S4": "texts of a server's errors are filtered before anyone sees them",
    "S5": "the loggers of oss2, urllib3, requests and the vendor's core are filtered too",
    "S6": "no secret is written to the environment or to the arguments of a process",
    "S7": "https always; plain http and IP addresses only to loopback, and only when that is configured",
    "S8": "redirects are followed nowhere",
    "S9": "proxies, netrc and CA files of the environment change nothing",
    "S10": "certificates are always checked, with no switch; TLS 1.2 at least",
    "S11": "an upload address must name the vendor's storage",
    "S12": "the region of the host is the credential's; no credential lives longer than 12 hours",
    "S13": "a VideoId of the front-end is never refreshed",
    "S14": "journal and profiles: own user, 0600 in 0700, no links; others' writing is refused, their reading warned of",
    "S15": "the policy is the kernel's and frozen; a public page may do nothing but send its own files",
    "S16": "what the front-end writes into a trait changes nothing",
    "S17": "a page may touch its own files only",
    "S18": "counts, sizes and rates of messages are limited in the kernel",
    "S19": "paths of the kernel stay inside the allowed roots, also through links and swaps",
    "S20": "names of files are cleaned and never used as a path",
    "S21": "web addresses as sources",
    "S22": "file systems of others (fsspec) as sources",
    "S23": "the front-end writes text only, and runs nothing that came as data",
    "S24": "saved HTML and text are escaped",
    "S25": "titles, tags and user data are built and checked, never pasted into URLs or XML",
    "S26": "XML of the storage: no entities, bounded",
    "S27": "no pickle, marshal, yaml.load, eval, exec or shell",
    "S28": "messages have a schema; a bad one is refused and harms nobody",
    "S29": "the emulator is reached from this machine only",
    "S30": "the emulator's CORS is exact",
    "S31": "the emulator checks signatures, expiry and scope, and refuses keys that look real",
    "S32": "the emulator's files stay in its folder",
    "S33": "temporary credentials by default; long-lived ones are warned of",
    "S34": "minimal RAM policies ship, and a check names what is missing",
    "S35": "dependencies are bounded, locked and audited for a release",
    "S36": "importing the package loads no SDK, no pandas, no Jupyter and patches no loop",
    "S37": "a crash tells no secret, and nothing is sent anywhere",
    "S38": "SECURITY.md: the threat model and a private way to report",
}

ELSEWHERE = {
    "S13": "no message of the page carries a VideoId: tests/widget/test_handler.py holds every key of every kind",
    "S23": "the front-end's own tests and lint: vod_widget/widget/frontend",
    "S29": "the emulator's own tests: tests/emulator/test_server.py",
    "S30": "the emulator's own tests: tests/emulator/test_server.py",
    "S31": "the emulator's own tests: tests/emulator/test_oss_auth.py",
    "S32": "the emulator's own tests: tests/emulator/test_storage.py",
    "S35": "a matter of a release: bounds stand in pyproject.toml with their reasons; there was no release yet",
}

_NAMED = re.compile(r"test((?:_[fs]\d+)+)_")


def requirements_of(name: str) -> tuple[str, ...]:
    """The requirements in a test's name."""
    found = _NAMED.match(name)
    return tuple(f"S{int(part[1:])}" for part in found[1].split("_")[1:] if part[0] == "s") if found else ()


def proofs(root: Path) -> dict[str, list[str]]:
    """Tests below `root`, by requirement."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if not re.search(r"def test(?:_f\d+)*_s\d", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for requirement in requirements_of(node.name):
                    found.setdefault(requirement, []).append(f"{path.relative_to(root)}::{node.name}")
    return found
