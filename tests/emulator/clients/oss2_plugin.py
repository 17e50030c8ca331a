"""What oss2's own test-suite needs to meet the emulator: the vendor's names lead here, and nothing leads elsewhere.

A plugin of pytest for the environment of that suite (`-p oss2_plugin`); it imports nothing of this project.
"""

from __future__ import annotations

import os
import socket
import sys
import time

import oss2
from Crypto.PublicKey import RSA

_PORTS = {80: int(os.environ["JUDGE_PORT"]), 443: int(os.environ["JUDGE_TLS_PORT"])}
_getaddrinfo = socket.getaddrinfo
_sleep = time.sleep
# The suite sleeps 2.5 minutes for what the service spreads over its machines; the emulator has nothing to spread.
_LONGEST_SLEEP_S = 0.2


def _lead_here(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name and name.endswith(".aliyuncs.com"):
        return _getaddrinfo("127.0.0.1", _PORTS.get(int(port or 80), port), *args, **kwargs)
    if name not in (None, "", "localhost", "127.0.0.1"):
        raise socket.gaierror(socket.EAI_NONAME, "no way out of this suite")
    return _getaddrinfo(host, _PORTS.get(port, port), *args, **kwargs)


def _name_here(host):
    if host.endswith(".aliyuncs.com"):
        return "127.0.0.1"
    raise socket.gaierror(socket.EAI_NONAME, "no way out of this suite")


socket.getaddrinfo = _lead_here
socket.gethostbyname = _name_here
# What measures its own time by sleeping, and not the service's, sleeps.
_AWAKE = ("tests.test_credentials_provider",)


def _sleep_less(seconds):
    waits = sys._getframe(1).f_globals["__name__"] in _AWAKE
    _sleep(seconds if waits else min(seconds, _LONGEST_SLEEP_S))


time.sleep = _sleep_less

# Key management is another product of the vendor, which the emulator is not: every test makes such a provider in its
# setUp, few use it. RSA of the same library stands in, and those few are in the list of expected failures.
_key = RSA.generate(1024)
_pair = {"private_key": _key.export_key(), "public_key": _key.publickey().export_key()}
oss2.AliKMSProvider = lambda *args, **kwargs: oss2.RsaProvider(_pair)
