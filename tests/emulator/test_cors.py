"""Which pages of browsers may use the emulator: those of this machine, and where a bucket has rules, those that they name."""

from __future__ import annotations

import pytest

from tests.emulator.raw import create, oss, owner, send
from vod_widget.emulator import Emulator

PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,x-oss-date"}


@pytest.mark.parametrize("origin", ["http://localhost:8888", "https://127.0.0.1", "http://[::1]:3000"])
def test_pages_of_this_machine_may_upload(emulator: Emulator, origin: str) -> None:
    for path in ("/", f"/{emulator.bucket}/key"):
        answer = send(emulator.endpoint, "OPTIONS", path, {"Origin": origin, **PREFLIGHT})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "authorization,x-oss-date"
        assert "access-control-allow-credentials" not in answer.headers
    answer = oss(create(emulator), "PUT", body=b"x", headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert "ETag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil", "file://"]
)
def test_other_pages_may_not(emulator: Emulator, origin: str) -> None:
    for path, code in (("/bucket-name/key", b"AccessForbidden"), ("/", b"AccessForbidden")):
        answer = send(emulator.endpoint, "OPTIONS", path, {"Origin": origin, **PREFLIGHT})
        assert answer.status == 403
        assert code in answer.body
        assert "access-control-allow-origin" not in answer.headers
    plain = oss(create(emulator), "PUT", body=b"x", headers={"Origin": origin})
    assert "access-control-allow-origin" not in plain.headers


def test_options_without_origin_or_method(emulator: Emulator) -> None:
    assert send(emulator.endpoint, "OPTIONS", "/b-b/k", {}).status == 400
    assert send(emulator.endpoint, "OPTIONS", "/b-b/k", {"Origin": "http://localhost"}).status == 400


def test_private_network_preflight(emulator: Emulator) -> None:
    headers = {"Origin": "http://localhost", **PREFLIGHT, "Access-Control-Request-Private-Network": "true"}
    answer = send(emulator.endpoint, "OPTIONS", "/", headers)
    assert answer.headers["access-control-allow-private-network"] == "true"


def test_a_bucket_goes_by_its_own_rules(emulator: Emulator) -> None:
    grant = create(emulator)
    rule = (
        "<AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
        "<ExposeHeader>ETag</ExposeHeader>"
    )
    body = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>"
    assert oss(grant, "PUT", "cors", body, key="", keys=owner(emulator)).status == 200
    for origin, method, status in (
        ("https://a.example", "GET", 200),
        ("https://a.example", "PUT", 403),
        ("http://localhost", "GET", 403),
    ):
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        assert send(emulator.endpoint, "OPTIONS", f"/{grant.bucket}/key", asked).status == status
    answer = oss(grant, "GET", headers={"Origin": "https://a.example"})
    assert (answer.status, answer.headers["access-control-expose-headers"]) == (404, "ETag")
