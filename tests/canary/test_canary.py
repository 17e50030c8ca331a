"""Secrets put in by twelve ways are in none of the places that a session leaves; and the search finds what is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary.search import files_of, forms, hits
from tests.canary.world import SINKS, WAYS, World, opened

ROOT = Path(__file__).resolve().parents[2]
SECRET = 'Canary+sEcret/for"tests=7731'

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("form", sorted(forms(SECRET)))
def test_the_search_finds_each_form(form: str) -> None:
    assert form in hits({"place": b"before " + forms(SECRET)[form] + b" after"}, [SECRET])["place"]


def session(world: World, plant: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    del environment["ALIBABA_CLOUD_ECS_METADATA_DISABLED"]  # the instance of the session is a stand-in
    done = subprocess.run(
        [sys.executable, "-m", "tests.canary.session", str(world.facts), plant],
        env=environment,
        capture_output=True,
        check=False,
        timeout=250,
        cwd=world.facts.parent,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return (done.stdout + done.stderr).decode()


def test_s1_s5_s6_s37_no_secret_is_anywhere_after_uploads_and_failures_by_every_way(tmp_path: Path, home: Path) -> None:
    with opened(tmp_path, home) as world:
        printed = session(world)
        ways = (world.folder / "ways.txt").read_text().splitlines()
        assert [line.split() for line in ways] == [[name, "Success"] for name in WAYS]
        tracebacks = (world.folder / "tracebacks.txt").read_text()
        assert "NO ERROR" not in tracebacks
        assert "unchanged: True" in (world.folder / "environment.txt").read_text()
        places = files_of(tmp_path, without=world.inputs)
        places |= {f"home/{name}": blob for name, blob in files_of(home, without=world.inputs).items()}
        # The emulator keeps what it stores and its own keys; what it writes down of requests is judged, not that.
        places = {name: blob for name, blob in places.items() if not name.startswith("emulator/")}
        places["log of the emulator"] = repr(world.emulator.requests).encode()
        places["urls"] = "\n".join(f"{one.path}?{one.query}" for one in world.emulator.requests).encode()
        places["printed"] = printed.encode()
        assert {f"sinks/{name}.txt" for name in SINKS} <= set(places)
        secrets = world.secrets()
        assert len(secrets) > 40, "each upload was given keys of its own"
        assert hits(places, secrets) == {}


@pytest.mark.parametrize("sink", SINKS)
def test_a_leak_in_any_sink_is_found(tmp_path: Path, sink: str) -> None:
    for name in SINKS:
        (tmp_path / f"{name}.txt").write_text(f"nothing in {name}" + (f" but {SECRET}" if name == sink else ""))
    assert list(hits(files_of(tmp_path), [SECRET, "another-secret-0123456789"])) == [f"{sink}.txt"]


def test_a_key_that_somebody_logs_at_debug_is_found(tmp_path: Path, home: Path) -> None:
    with opened(tmp_path, home) as world:
        session(world, plant="logs")
        assert "logs.txt" in hits(files_of(world.folder), world.secrets())
