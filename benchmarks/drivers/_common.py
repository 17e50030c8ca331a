"""What every driver shares: standard library only, since peers run in environments of their own.

A driver is a program: `python driver.py SPEC`, SPEC being JSON. It imports and connects, then calls `measure`, and
prints one line of JSON.
"""

import json
import os
import resource
import sys
import time

SPEC = json.loads(sys.argv[1])


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory_mib(field="VmRSS"):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def measure(work, **facts):
    """Run `work` and print what it took; CPU of this process alone, memory above what it held before."""
    idle = memory_mib()
    with open("/proc/self/clear_refs", "w") as peaks:
        peaks.write("5")
    began_s, cpu_before = time.monotonic(), cpu_s()
    result = work()
    cpu, ended_s = cpu_s() - cpu_before, time.monotonic()
    peak = memory_mib("VmHWM")
    print(
        json.dumps(
            {
                "wall_s": ended_s - began_s,
                "cpu_s": cpu,
                "idle_mib": idle,
                "above_idle_mib": max(0.0, peak - idle),
                "began_at": began_s,
                "ended_at": ended_s,
                **facts,
                **(result or {}),
            }
        ),
        flush=True,
    )
    os._exit(0)  # threads of the peers' libraries must not hold the run


def trust(ca_file):
    """Make requests, certifi and ssl trust the sink's certificate."""
    if ca_file:
        os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = ca_file
        try:
            import certifi
        except ImportError:
            return
        certifi.where = lambda: ca_file


def direct(names, address):
    """Resolve these host names, and all below them, to one address."""
    if not names:
        return
    import socket

    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        ours = isinstance(name, str) and any(name == n or name.endswith("." + n) for n in names)
        return real(address if ours else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def congest(name):
    """Give every TCP socket this congestion control, before it connects."""
    if not name:
        return
    import socket

    class Socket(socket.socket):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if self.family == socket.AF_INET and self.type == socket.SOCK_STREAM:
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())

    socket.socket = Socket


trust(SPEC.get("ca_file"))
congest(SPEC.get("congestion"))
direct(SPEC.get("names"), SPEC.get("address"))
