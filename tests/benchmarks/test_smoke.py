"""The benchmarks still run: each sink takes a file from our driver and from the limit's, and agrees on every byte."""

import socket
import ssl
import sys
import time

import pytest

from benchmarks import runner
from benchmarks import sink as sinks
from benchmarks.report import runs_of
from benchmarks.rows import LIMIT, OURS, ROWS, Setting, below, spec_for
from benchmarks.runner import Measured, Variant, files_for, run_variant
from tests.helpers.until import until

MIB = 2**20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["c", "python"])
def test_sinks_agree_with_the_client_on_every_byte(tmp_path, monkeypatch, kind):
    if kind == "python":
        monkeypatch.setattr(sinks, "build", lambda: (None, True))
    elif sinks.build()[0] is None:
        pytest.skip("there is no C compiler on this machine")
    size = 9 * MIB + 5000
    files = files_for(tmp_path, 1, size, ".mp4")
    for verify in (0, 1) if kind == "c" else (1,):
        with sinks.Sink(tmp_path, options={"verify": verify}) as sink:
            spec = spec_for(Setting(True, 1, tmp_path, print), sink, files)
            for variant in (OURS, LIMIT) if verify else (OURS,):
                sample = run_variant(variant, spec(variant), sink, timeout_s=60)
                assert sample["cpu_s"] > 0
                assert sample["sink_bytes"] >= size, variant.name
                assert sample["sink_verifies"] is bool(verify)


@pytest.fixture(params=["c", "python"])
def tls_sink(tmp_path, monkeypatch, request):
    if request.param == "python":
        monkeypatch.setattr(sinks, "build", lambda: (None, True))
    elif sinks.build()[0] is None or not sinks.build()[1]:
        # What was mended is of the C sink; without one a run has the other, which is tried by its own parameter.
        pytest.skip("there is no C compiler with OpenSSL on this machine")
    with sinks.Sink(tmp_path, tls=True) as sink:
        yield sink


def _half_a_part(sink: sinks.Sink) -> ssl.SSLSocket:
    """A connection that has sent the first half of an object of 8 KiB, and was heard."""
    heard = sink.ask("stats")["bytes"]
    raw = socket.create_connection(("127.0.0.1", sink.port), timeout=30)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = ssl._create_unverified_context().wrap_socket(raw)
    connection.sendall(b"PUT /o HTTP/1.1\r\nHost: x\r\nContent-Length: 8192\r\n\r\n" + b"x" * 4096)
    until(lambda: sink.ask("stats")["bytes"] >= heard + 4096, "the first half was heard")
    return connection


def test_a_connection_that_ends_badly_costs_no_other_one(tls_sink):
    ending, going_on = _half_a_part(tls_sink), _half_a_part(tls_sink)
    # Without a word of TLS, as a process ends that is killed.
    ending.shutdown(socket.SHUT_RDWR)
    ending.close()
    for _ in range(4):
        going_on.sendall(b"x" * 1024)
        tls_sink.ask("stats")
    assert going_on.recv(15) == b"HTTP/1.1 200 OK"
    going_on.close()


def test_what_a_run_left_is_cut_before_the_next_one(tls_sink):
    left = _half_a_part(tls_sink)
    tls_sink.ask("reset")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        for _ in range(1000):
            left.sendall(b"x")
            if left.recv(1) == b"":
                raise ConnectionResetError
    assert tls_sink.ask("stats")["bytes"] == 0
    left.close()


def test_a_ratio_is_that_of_the_medians():
    measured = Measured()
    for value in (1.0, 9.0, 2.0):
        measured.add("a", {"cpu_s": value})
    for value in (4.0, 3.0, 4.0):
        measured.add("b", {"cpu_s": value})

    assert measured.ratio("a", "cpu_s", "b") == 0.5
    assert measured.ratio("a", "cpu_s", "b").rounds == (0.25, 3.0, 0.5)
    assert below("a / b", measured.ratio("a", "cpu_s", "b"), 1.0).value == "0.50 (0.25-3.00)"
    measured.add("b", {"unfinished_s": 60.0})  # a run without the figure belongs to no round
    assert len(measured.ratio("a", "cpu_s", "b").rounds) == 3


@pytest.mark.parametrize("driver", ["oss2_resumable", "oss_v2", "voduploadsdk_", "ours"])
def test_every_one_has_its_connection_before_the_clock_starts(driver):
    text = (runner.HERE / "drivers" / f"{driver}.py").read_text()
    assert 'for file in SPEC["warm_files"]:' in text.partition("def work")[0]


def test_a_peer_that_fails_counts_with_what_it_sent_and_the_table_says_why(monkeypatch):
    class Silent:
        def ask(self, what):
            return {"bytes": 5} if what == "stats" else {}

    monkeypatch.setattr(runner, "python_of", lambda _peer: sys.executable)
    peer = Variant("peer", "no_such_driver", "oss2")
    sample = run_variant(peer, {}, Silent(), timeout_s=60)
    assert sample["sink_bytes"] == 5
    assert sample["unfinished_s"] > 0
    assert "wall_s" not in sample
    assert runs_of([{"wall_s": 1.0}, {**sample, "failed": "SSLEOFError"}]) == "2 (1 failed: SSLEOFError)"

    with pytest.raises(RuntimeError, match="ours failed"):
        run_variant(Variant("ours", "no_such_driver"), {}, Silent(), timeout_s=60)


def test_a_run_that_is_cut_counts_from_its_first_byte_on(monkeypatch):
    class Late:
        def ask(self, what):
            return {"bytes": 5, "first_byte_at": first_s} if what == "stats" else {}

    first_s = time.monotonic() - 1000.0

    sample = run_variant(Variant("ours", "idle"), {"folder": "/nowhere"}, Late(), timeout_s=0.0)
    assert sample["unfinished_s"] >= 1000.0


def test_every_row_says_what_it_measures():
    assert all(function.__doc__ for function in ROWS.values())
