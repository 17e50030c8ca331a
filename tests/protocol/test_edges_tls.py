"""Certificates are always checked, plain http is for this machine only, and TLS is at least 1.2."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.helpers.raw_server import Peer, RawServer, answering
from tests.protocol.support import Bytes, WallClock, address, sts_credentials, upload_auth
from vod_widget import errors
from vod_widget.oss import OssStore
from vod_widget.vod_api import SdkVodApi

FAULT_KIND = "L"

STORED = (200, b"", {"ETag": '"AB12"'})


def certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 30) -> Path:
    """Make a self-signed certificate and its key in one PEM file; `days` < 0: it ended."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    try:
        names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        names = x509.DNSName(host)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}{days}.pem"
    path.write_bytes(
        cert.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def server_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def edges():
    """Return a function that makes both calls against one endpoint: an object's HEAD and GetVideoInfo."""
    made: list[OssStore | SdkVodApi] = []

    def calls(endpoint: str, ca_file: Path | None):
        clock, ca = WallClock(), str(ca_file) if ca_file else None
        store = OssStore(clock, pool_size=1, ca_file=ca, read_timeout_s=60)
        api = SdkVodApi(clock, ca_file=ca, timeout_s=60)
        made.extend((store, api))
        return (
            store.open(upload_auth(), address(endpoint)).head,
            lambda: api.open(sts_credentials(), "cn-shanghai", endpoint).find_video(video_id="x"),
        )

    yield calls
    for edge in made:
        edge.close()


@pytest.mark.parametrize(
    ("host", "days", "trusted"),
    [("127.0.0.1", 30, False), ("127.0.0.1", -1, True), ("oss.example", 30, True)],
    ids=["self-signed", "expired", "wrong host"],
)
def test_f3_bad_certificate_is_refused_at_once_and_nothing_is_sent(edges, tmp_path, host, days, trusted):
    pem = certificate(tmp_path, host=host, days=days)
    with RawServer(answering(STORED), tls=server_context(pem)) as server:
        for number, call in enumerate(edges(server.endpoint, pem if trusted else None), start=1):
            with pytest.raises(errors.TlsError) as caught:
                call()
            assert caught.value.was_sent is False
            assert server.connections == number
    assert server.requests == []


def test_a_trusted_certificate_works_and_the_connection_is_kept(edges, tmp_path):
    pem = certificate(tmp_path)
    found = (200, b'{"Video": {"VideoId": "x", "Status": "Normal"}}', STORED[2])
    with RawServer(answering(found), tls=server_context(pem)) as server:
        head, find = edges(server.endpoint, pem)
        assert head().etag == "AB12"
        assert find().status == "Normal"
        assert head().etag == "AB12"
        assert (server.connections, len(server.requests)) == (2, 3)


def test_s9_the_environment_cannot_add_an_authority(edges, tmp_path, monkeypatch):
    pem = certificate(tmp_path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "ALIBABA_CLOUD_CA_BUNDLE"):
        monkeypatch.setenv(name, str(pem))
    with RawServer(answering(STORED), tls=server_context(pem)) as server:
        for call in edges(server.endpoint, None):
            with pytest.raises(errors.TlsError):
                call()


def test_a_server_that_speaks_plain_http_on_the_tls_port_is_a_tls_fault(edges):
    def script(peer: Peer) -> None:
        peer.sock.recv(100)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with RawServer(script) as server:
        for call in edges(server.endpoint.replace("http", "https"), None):
            with pytest.raises(errors.TlsError):
                call()


def test_s10_old_tls_is_not_spoken():
    from vod_widget._connection import tls_context

    context = tls_context(None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_part_over_tls_arrives_whole_and_early_refusals_are_heard(tmp_path, is_kept):
    pem = certificate(tmp_path)
    data = bytes(range(256)) * 8192

    def script(peer: Peer) -> None:
        if is_kept:
            peer.read_request()
            peer.answer(*STORED)
        peer.read_head()
        peer.answer(503, b"")
        answered.set()
        peer.hold()

    import threading

    answered = threading.Event()

    class Waiting(Bytes):
        def __iter__(self):
            answered.wait(60)
            yield from super().__iter__()

    store = OssStore(WallClock(), pool_size=1, ca_file=str(pem), read_timeout_s=60)
    with RawServer(script, tls=server_context(pem)) as server:
        session = store.open(upload_auth(), address(server.endpoint))
        if is_kept:
            assert session.upload_part("U", 1, Bytes(data)).size_bytes == len(data)
            assert server.requests[0].body == data
        body = Waiting(bytes(32 << 20))
        with pytest.raises(errors.ServerFaultError):
            session.upload_part("U", 2, body)
        assert sum(body.given) < 4 << 20
    store.close()
