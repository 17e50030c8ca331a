"""Every way in which a secret could get out of an upload is looked through for the secrets that were in use."""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import PART, AppServer, file_of, runs, uploader
from tests.helpers.invariants import check_secrets
from vod_widget.emulator.faults import Reset, Status

ROOT = Path(__file__).parents[2]


class _Everything(logging.Handler):
    """What any logger says at DEBUG, with tracebacks that show variables."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(f"{record.name} {record.getMessage()} {record.args!r}\n")
        if record.exc_info and record.exc_info[1] is not None:
            self.text.write(_verbose(record.exc_info[1]))


def _verbose(error: BaseException) -> str:
    """As `%xmode Verbose` shows an error: with the variables of every frame."""
    try:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    except AttributeError:  # a copy that is half made has no repr yet
        return "".join(traceback.format_exception(error))


def _refused(act: Any) -> str:
    try:
        return repr(act())
    except Exception as error:
        return f"{error!r} {_verbose(error)}"


@pytest.fixture
def logs() -> Any:
    handler = _Everything()
    root = logging.getLogger()
    before = root.level
    loggers = [logging.getLogger(name) for name in ("", "vod_widget", "oss2", "urllib3", "requests", "aliyunsdkcore")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.text
    root.removeHandler(handler)
    root.setLevel(before)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_s1_s5_s6_an_upload_with_every_kind_of_trouble_shows_no_secret_in_twenty_sinks(
    emulator: Any, tmp_path: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """A good file, one that is refused, one with a retry, one whose authority comes from an application with STS."""
    sinks: dict[str, str] = {}
    environment = dict(os.environ)
    app = AppServer(emulator)
    token = app.assume_role()  # the application's own call, with its own logs
    logs = request.getfixturevalue("logs")
    secrets = {emulator.access_key_secret, token["AccessKeySecret"], token["SecurityToken"]}
    events: list[Any] = []
    grants: set[Any] = set()
    emulator.faults.add(op="UploadPart", nth=2, action=Reset())
    emulator.faults.add(op="CreateUploadVideo", nth=3, action=Status(403, "SignatureDoesNotMatch"))

    def started(info: Any) -> None:
        if info.name == "sts.mp4":
            up.set_sts_token(info, token["AccessKeyId"], token["AccessKeySecret"], token["SecurityToken"])

    keys = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
    with (
        warnings.catch_warnings(record=True) as told,
        uploader(emulator, tmp_path, credentials=keys, on_upload_started=started, parallel=1) as up,
    ):
        warnings.simplefilter("always")

        def listen(event: Any) -> None:
            events.append(event)
            grants.update(r.machine.grant for r in up._queue.records if r.machine is not None and r.machine.grant)

        up.subscribe(listen)
        infos = [up.add_file(file_of(tmp_path, name, 4 * PART)) for name in ("a.mp4", "b.mp4", "c.mp4", "sts.mp4")]
        runs(up)
        assert {"Success"} <= {info.state for info in infos}
        for grant in grants:
            credentials = grant.auth.credentials
            secrets |= {credentials.access_key_secret.reveal(), credentials.security_token.reveal()}
        failed = [info for info in infos if info.error is not None]
        sinks |= {
            "1 repr of the queue": repr(up),
            "2 repr of files": repr(infos),
            "3 variables of files": repr([vars(i) if hasattr(i, "__dict__") else dir(i) for i in infos]),
            "4 snapshot": repr(up.snapshot()),
            "5 results": repr(up.results()),
            "6 totals": repr(up.totals()),
            "7 events": repr(events) + str(events),
            "8 callbacks": repr(list(up.heard)),
            "9 traits": repr(up.trait_values()),
            "10 repr of the authority": repr(vars(up._authority)) + repr(up.provider) + repr(vars(up.provider)),
            "11 repr of grants": repr(grants) + str([vars(g) if hasattr(g, "__dict__") else g for g in grants]),
            "12 errors": repr([i.error for i in failed]) + str([(i.error, i.error.args) for i in failed]),
            "13 tracebacks with variables": "".join(_verbose(i.error) for i in failed),
            "14 keys pickled, copied, dumped": "".join(
                _refused(act)
                for act in (
                    lambda: pickle.dumps(keys),
                    lambda: copy.deepcopy(keys),
                    lambda: json.dumps(keys),
                    lambda: json.dumps(vars(keys) if hasattr(keys, "__dict__") else {}, default=str),
                    lambda: f"{keys} {keys!r}",
                )
            ),
            "15 records": repr([vars(r) if hasattr(r, "__dict__") else r for r in up._queue.records]),
        }
    journal = b"".join(p.read_bytes() for p in (tmp_path / "journal").rglob("*") if p.is_file())
    assert journal
    sinks["16 journal"] = journal.decode("latin-1")
    sinks["17 logs at DEBUG"] = logs.getvalue()
    assert "oss2" in logs.getvalue() or "vod_widget" in logs.getvalue(), "the logs were on"
    sinks["18 warnings"] = str([str(w.message) for w in told])
    sinks["19 output"] = "".join(capfd.readouterr())
    sinks["20 URLs"] = str([(r.path, r.query) for r in emulator.requests if r.op != "AssumeRole"])
    sinks["21 environment"] = str({k: v for k, v in os.environ.items() if environment.get(k) != v})
    sinks["22 arguments"] = Path("/proc/self/cmdline").read_bytes().decode("latin-1")
    assert len(secrets) >= 6
    check_secrets(secrets, sinks)
    assert emulator.access_key_id not in sinks["7 events"] + sinks["16 journal"] + sinks["17 logs at DEBUG"]


def test_s6_a_profile_is_read_without_a_trace_in_environment_and_arguments(emulator: Any, home: Path) -> None:
    folder = home / ".aliyun"
    folder.mkdir()
    secret = emulator.access_key_secret
    profile = {"name": "p", "mode": "AK", "access_key_id": emulator.access_key_id, "access_key_secret": secret}
    (folder / "config.json").write_text(json.dumps({"current": "p", "profiles": [profile]}))
    (folder / "config.json").chmod(0o600)
    before = dict(os.environ)
    shown = repr(vw.profiles()) + str(vw.explain("p"))
    assert dict(os.environ) == before
    check_secrets([secret], {"shown": shown, "arguments": Path("/proc/self/cmdline").read_bytes()})


def test_s4_what_a_server_repeats_of_a_signature_is_cut_from_every_text(emulator: Any, tmp_path: Path) -> None:
    """The emulator says what it was given to sign, as the vendor does (the token is in it)."""
    emulator.faults.add(op="UploadPart", times=None, action=Status(403, "SignatureDoesNotMatch"))
    with uploader(emulator, tmp_path, retry_count=0) as up:
        info = up.add_file(file_of(tmp_path, size=4 * PART))
        runs(up)
        assert info.state == "Failure"
        shown = str(info.error) + _verbose(info.error) + repr(list(up.heard))
    for word in ("StringToSign", "x-oss-security-token", "CanonicalRequest"):
        assert word not in str(info.error)
    assert emulator.access_key_secret not in shown


_CRASH = """
import faulthandler, sys
import vod_widget as vw
faulthandler.enable(open(sys.argv[1], "w"), all_threads=True)
keys = vw.Credentials("LTAI5tAbcdefghijklmnop", sys.stdin.readline().strip(), "token-" + "x" * 30)
up = vw.VODUpload(credentials=keys)
up.add_file(b"x", name="a.mp4")
import ctypes
ctypes.string_at(0)
"""


@pytest.mark.slow
def test_s37_a_crash_dump_shows_no_secret_and_nothing_is_written_unasked(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _CRASH, str(dump)],
        input="a-secret-that-nobody-knows\n",
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode < 0, "it crashed"
    text = dump.read_text()
    assert "Fatal Python error" in text
    check_secrets(["a-secret-that-nobody-knows", "token-" + "x" * 30], {"dump": text, "out": done.stdout + done.stderr})
    assert list(work.iterdir()) == [], "no report of our own"
