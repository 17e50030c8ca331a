"""A throw-away certificate authority for the emulator's https port.

What lives here: making a CA and one server certificate for loopback names. It imports
`cryptography`, and only when a TLS port is asked for. The CA's key is used once and never
written; the server's key lies in the private data folder.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any

_LIFE_DAYS = 30


def vendor_names(region: str) -> list[str]:
    """Return the vendor's host names of a region; `*` stands for a bucket."""
    hosts = [f"oss-{region}", f"*.oss-{region}", "oss-accelerate", "*.oss-accelerate"]
    hosts += ["vod", f"vod.{region}", "sts", f"sts.{region}"]
    return [f"{host}.aliyuncs.com" for host in hosts]


def _own_names(network_name: str) -> list[Any]:
    from cryptography import x509

    if not network_name:
        return []
    try:
        return [x509.IPAddress(ipaddress.ip_address(network_name))]
    except ValueError:
        return [x509.DNSName(network_name), x509.DNSName(f"*.{network_name}")]


def make_server_context(folder: Path, region: str, network_name: str = "") -> tuple[ssl.SSLContext, Path]:
    """Make a CA and a certificate for this machine's names, and for those of the vendor that are answered.

    A client that resolves the vendor's names to this machine finds them here, the bucket's too. The CA's key is
    forgotten at once, so whoever trusts the CA trusts this one certificate and no other.

    Args:
        folder: Private folder for the two files.
        region: Whose names of VOD, STS and OSS stand in the certificate.
        network_name: Another name or address of this machine.

    Returns:
        The server's context and the CA file that clients shall trust.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = dt.datetime.now(dt.UTC)
    # A day back, so that a client with a slow clock still trusts it.
    start, end = now - dt.timedelta(days=1), now + dt.timedelta(days=_LIFE_DAYS)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vod_widget emulator CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = {
        "digital_signature": False,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    ca_cert = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.DNSName("*.localhost"),
            *(x509.DNSName(name) for name in vendor_names(region)),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
            *_own_names(network_name),
        ]
    )
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(ca_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca_cert.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(chain_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(private + cert.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain_file)
    return context, ca_file
