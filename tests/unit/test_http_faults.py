"""What a failure of the network means, and whether the request may have had its effect."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

import pytest
import urllib3.exceptions as u3

from vod_widget import errors
from vod_widget._http_faults import clean, retry_after_s, transport_error
from vod_widget.errors import TransportError, VODError
from vod_widget.secret import Secret

# What came, its class, and whether it may have worked: S as the request was sent, N never.
FAILURES: tuple[tuple[BaseException, type[VODError], str], ...] = (
    (socket.gaierror(-2, "unknown"), errors.ConnectError, "N"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), errors.ConnectError, "N"),
    (OSError(errno.ENETUNREACH, "unreachable"), errors.ConnectionLostError, "S"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), errors.ConnectionLostError, "S"),
    (BrokenPipeError(errno.EPIPE, "pipe"), errors.ConnectionLostError, "S"),
    (TimeoutError("late"), errors.RequestTimeoutError, "S"),
    (http.client.RemoteDisconnected("gone"), errors.ConnectionLostError, "S"),
    (http.client.IncompleteRead(b""), errors.ConnectionLostError, "S"),
    (ssl.SSLEOFError(8, "eof"), errors.ConnectionLostError, "S"),
    (ssl.SSLZeroReturnError(6, "closed"), errors.ConnectionLostError, "S"),
    (u3.ProtocolError("broken", ConnectionResetError()), errors.ConnectionLostError, "S"),
)


@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize(("raised", "kind", "worked"), FAILURES, ids=[type(f[0]).__name__ for f in FAILURES])
def test_lost_request_may_have_worked_exactly_when_all_of_it_was_sent(
    raised: BaseException, kind: type[VODError], worked: str, was_sent: bool
) -> None:
    error = transport_error(raised, was_sent=was_sent, host="h")
    assert type(error) is kind
    assert isinstance(error, TransportError)
    assert error.was_sent is (was_sent and worked == "S")


def test_tls_that_breaks_after_the_request_is_a_lost_line_and_before_it_no_tls() -> None:
    broken = ssl.SSLError(1, "record layer failure")
    assert type(transport_error(broken, was_sent=True, host="h")) is errors.ConnectionLostError
    assert type(transport_error(broken, was_sent=False, host="h")) is errors.TlsError


def test_wait_until_a_time_that_has_passed_is_none_and_never_negative() -> None:
    assert retry_after_s({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, now_s=2e9) == 0.0


def test_secret_that_stands_where_a_text_is_cut_does_not_survive_as_a_half() -> None:
    secret = Secret("tornSecretTornSecretTornSecret01")
    for filler in range(265, 300):
        assert "tornSecret" not in clean("a" * filler + secret.reveal())
