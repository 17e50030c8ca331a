"""The fault matrix: what can go wrong, what is promised then, and by which kinds of test that is shown.

This table is the contract of the project's reliability. A test proves a case by its name alone: it begins with
`test_f5_` for F5, with `test_f65_f66_` for two of them. Its kind is said once for its module, by a constant:

    FAULT_KIND = "L"

`S` a machine or queue driven with a virtual clock and faults at its interfaces, no socket; `L` real sockets against a
server on loopback that misbehaves; `P` a process of its own and real signals; `F` an injected file layer or a real
small disk; `W` the widget's kernel half with a fake comm; `B` a real browser. `"LP"` is both.

In the promises: R is what is sent a second time, `k` the parts of a file in flight, P the size of a part. Wait: the row
says how long and why. Fail(code): the file ends in Failure with this stable code, what was sent stays usable; a code
also stands for those that begin with it (`Auth.Refused`), and where the cloud gave one of its own, that one is shown.
OK: it ends in Success without anybody's help.

`python -m tests.fault` runs them and writes `docs/fault-matrix.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "S": "simulation",
    "L": "loopback sockets",
    "P": "processes and signals",
    "F": "injected file layer",
    "W": "widget with a fake comm",
    "B": "browser",
}


@dataclass(frozen=True)
class Case:
    """One thing that can go wrong."""

    number: int
    group: str
    kinds: str
    """The kinds of test that it needs, one letter each; see `KINDS`."""
    fault: str
    promise: str

    @property
    def id(self) -> str:
        return f"F{self.number}"


# Kinds that cannot be tested here, each with the reason; what is left of a case is tested.
_NO_SUCH_SOURCE = "no such source is built: an address is refused when it is added, with the way out"
NOT_HERE: dict[tuple[str, str], str] = {
    ("F103", "L"): _NO_SUCH_SOURCE,
}

# id | kinds | fault | promise
_TABLE = r"""
## Create / refresh (VOD API)
F1 | SL | DNS failure | Wait, then OK; bytes 0; code `Network.Dns` if budget spent
F2 | L | connect refused | as F1, `Network.Refused`
F3 | L | TLS certificate expired / self-signed / wrong host | Fail(`Tls`) at once, no retry, no bypass switch in the UI; nothing sent after handshake
F4 | SL | reset before server acts | Wait, OK, exactly one VideoId
F5 | SL | create executed, response lost | lookup by ReferenceId, then RefreshUploadVideo: OK, exactly one VideoId
F6 | S | F5 and lookup fails too (n times) | Wait; no second create until a lookup has said "none"; one VideoId
F7 | SP | F5 then kill -9 then restart | ReferenceId is in the journal: one VideoId
F8 | S | server answers "ReferenceId exists" | treated as F5; a foreign title/size under it = Fail(`Reference.Conflict`)
F9 | S | lookup not permitted by RAM | Fail(`Create.Unknown`) with both choices spelled out (look in console / create again); never silently twice
F10 | SL | 500 / 502 | Wait, via F5 path (the call may have run)
F11 | SL | 503 + Retry-After 7 | waits >= 7 s (virtual), OK
F12 | S | Throttling.User / 429 on 1,000 adds | token bucket halves; all created, at most one retry storm per 1 s; order of queue kept
F13 | SL | 403 InvalidAccessKeyId / SignatureDoesNotMatch | Fail(`Auth`) for this file, whole queue pauses (not 1,000 failures); message has no string-to-sign
F14 | S | 403 no RAM permission | Fail(`Permission`) naming the missing action, e.g. vod:CreateUploadVideo
F15 | SL | clock 20 min ahead or behind | offset learned from Date header, one retry, OK; shows a warning once
F16 | L | truncated JSON, HTML 200 (captive portal), 10 MB body | bounded read 1 MB, Wait via F5 path, else Fail(`Protocol`)
F17 | S | UploadAuth/UploadAddress not base64, missing fields | Fail(`Protocol.Auth`), secret not shown
F18 | SL | UploadAddress points at a host outside the allow-list, http://, IP, userinfo | Fail(`Endpoint.Refused`), no byte and no token sent
F19 | S | refresh response lost | repeated freely (idempotent), OK
F20 | S | refresh: video deleted meanwhile | Fail(`Video.Gone`), offers new video; never creates alone
F21 | S | refresh returns another object key | old upload aborted, restart from 0, progress restarts with `restart` event; R<=size
F22 | L | response drips 1 byte/s | total deadline 60 s, then Wait
F23 | L | 301/302/307 answer | Fail(`Redirect`), second host sees nothing
F24 | S | user callback (onUploadStarted) never calls setUploadAuthAndAddress / calls it twice / from another thread / raises | timeout 60 s Fail(`Auth.Missing`) / second ignored with a warning / works / Fail(`Callback`), queue goes on

## Init
F25 | SL | reset before / 5xx / timeout | Wait, OK
F26 | SL | executed, response lost | OK; at most one zero-byte orphan per lost response; aborted later if ListMultipartUploads is allowed on the key
F27 | L | truncated or wrong XML, empty UploadId, entity bomb | bounded parse without entities; as F26; never an uncaught ParseError
F28 | SF | UploadId ok, journal write fails (ENOSPC) | no part sent; abort tried; Wait
F29 | SP | kill -9 between response and journal | as F26
F30 | S | 404 NoSuchBucket | Fail(`Bucket`)
F31 | SL | 403 expired | refresh, OK
F32 | S | key > 1,023 bytes, control characters, leading `/` or `\` | refused before any call, Fail(`Name`)

## Part k (start / middle / end)
F33 | L | reset at start (0 bytes) | OK, R<=1P
F34 | L | reset at 25 / 50 / 99 % | OK, R<=1P each time
F35 | SL | response lost (part stored) | OK, R<=1P (or 0 when list shows a matching CRC)
F36 | SL | 500, 502, 503+Retry-After, 429, 408 | OK, R<=1P; other parts go on; concurrency halves, grows +1 per 8 good parts
F37 | L | 5xx sent early while we still send | answer read at once, sending stops; R<=1P
F38 | SL | 403 SecurityTokenExpired in k parts at once | one refresh for k failures (single flight), OK, R<=kP
F39 | S | 403 AccessDenied / InvalidAccessKeyId with live token | one refresh, then Fail(`Auth`); requests after the first fatal <= k-1
F40 | SL | 403 RequestTimeTooSkewed | offset from Date, retry, OK
F41 | S | 404 NoSuchUpload (lifecycle rule, console abort) | HEAD first (maybe completed); else new Init, R<=size, row says "storage dropped the parts"
F42 | SL | damaged body, server checks Content-MD5 | InvalidDigest, re-sent, OK, R<=1P
F43 | SL | damaged body, server ignores MD5, returns its CRC | mismatch seen, same part number overwritten, OK, R<=1P; never Complete over it, also after kill
F44 | S | correct body, server returns wrong CRC always | Fail(`Integrity`) after 3, part not counted
F45 | S | no CRC header | ETag compared where `content_md5` is on; else list parts' CRC; if none: Success carries `verified="length"` and a warning
F46 | S | wrong ETag returned | re-read through ListParts before Complete; OK
F47 | L | stall: no byte accepted for 30 s | idle timeout, OK, R<=1P
F48 | L | slow reader 1 KB/s for ever | whole-part deadline; Wait; the *file* fails only by no-progress budget
F49 | L | slowloris response | deadline as F22, R<=1P
F50 | L | truncated response (Content-Length 100 more) | treated as lost response, F35
F51 | L | proxy answers 200 with HTML | no CRC and no ETag: not accepted, F45 order
F52 | L | server closes idle keep-alive | transparent, R=0
F53 | S | network gone 10 min (all calls refused), then back | Wait with countdown; resumes <= 30 s after return; R<=kP
F54 | S | wifi flaps: 50 % of requests reset | OK; total sent <= 2.5 x size (expected 2x, bound tested over 200 seeds)
F55 | L | address changes: DNS moves to another IP | new connections resolve again, OK
F56 | S | bandwidth 16 kbit/s | no false timeout: deadline scales with measured rate
F57 | S | duplicate part ack (retry raced with late success) | same CRC, idempotent; progress counted once
F58 | S | 10,000 parts limit: size above 10,000 x P | P raised before Init; > 48.8 TiB refused at add

## List parts
F59 | SL | 5xx, reset, lost | Wait, OK
F60 | SL | 1,000+ parts, several pages, page 2 fails | only page 2 repeated; requests = ceil(n/1000)
F61 | S | list shows a part of wrong size or CRC | that part re-sent, R<=1P per bad part
F62 | S | list omits an acknowledged part | re-sent
F63 | S | list shows extra part numbers | ignored in Complete list
F64 | L | endless pagination (same marker) | Fail(`Protocol`) after marker repeats once

## Complete
F65 | SL | reset before | repeated, OK, R=0
F66 | SL | executed, response lost | HEAD/GetVideoInfo: size + CRC equal -> Success, R=0, object written once
F67 | S | F66 and HEAD forbidden by the upload token | GetVideoInfo status by VideoId; else Wait; never a blind second upload
F68 | SP | F66 then kill -9 | same after restart, R=0
F69 | S | second Complete -> NoSuchUpload | as F66
F70 | SL | 200 with `<Error>`, 203, truncated 200 | body parsed; not success until F66 check
F71 | S | 400 InvalidPart / EntityTooSmall / InvalidPartOrder | list, re-send the bad parts, once; else Fail(`Parts`)
F72 | S | object CRC differs from ours | not Success; whole file re-sent once under the same VideoId; else Fail(`Integrity`)
F73 | SL | Complete takes 90 s | own deadline 300 s + F66
F74 | S | token expires between last part and Complete | refresh, OK, R=0
F75 | S | other process completed the same key | equal CRC: Success; else Fail(`Conflict`)

## Tokens and time
F76 | S | token lives 3,000 s, upload lasts 3 h | renewed at 80 % of life, no failed request seen by the user
F77 | S | refresh callback of the app is slow (5 min) | workers idle, no busy loop, no thread leak, row "waiting for credentials"
F78 | S | app resumes with an already expired token | one more onUploadTokenExpired, at most 3, then Fail(`Auth.Expired`)
F79 | S | resumeUploadWithAuth for another file / wrong bucket | refused, Fail(`Auth.Mismatch`)
F80 | S | system clock jumps +-1 day mid-run | timers monotonic; only signing uses wall time + learned offset
F81 | S | laptop sleeps 8 h | on wake: refresh + list, R<=kP
F82 | S | environment profile removed or rotated mid-run | next refresh Fail(`Auth`), queue pauses, running parts finish
F83 | S | STS AssumeRole throttled | as F12

## Journal and disk
F84 | SF | ENOSPC / EIO / EROFS at any journal write | upload continues for acknowledged work, warning; new Init waits (F28); after kill R<=unsaved parts, never wrong bytes
F85 | F | torn write (first n bytes of the record, every n) | last good record used; R<=1P per lost record
F86 | F | fsync lies (data lost at power cut) | list + CRC repairs, R<=lost parts
F87 | F | journal truncated / garbage / `"x"` / other version / newer version | quarantined as `.bad-<ts>`, named in a warning; file restarts; VideoId recovered by ReferenceId
F88 | F | journal from another machine or other uid, symlink, world-writable dir | refused
F89 | P | two processes or two kernels, same journal folder, same file | lock per entry: `vw.upload` waits for the other's result, `VODUpload` gets Fail(`Locked`, pid); lock of a dead pid taken over; no double send; other files are not disturbed
F90 | F | NFS without locks | detected by self-test, falls back to O_EXCL lease with heartbeat
F91 | F | journal dir deleted while running | recreated, warning
F92 | F | HOME missing or read-only (containers, Binder) | falls back to a temp dir, says "resume after restart is off"
F93 | F | 100,000 finished files | compaction; <= 2 KB per unfinished file and 130 bytes a part; a finished one is a line (0.6 KB), only its newest stays, found without reading them all
F94 | F | secrets in the journal | none, ever

## Source
F95 | FL | truncated before / during / after part k | seen before the short part is sent (length known, no hang): Fail(`Source.Changed`)
F96 | F | grows during upload | Fail(`Source.Changed`), or `on_change="restart"`: R<=size, once
F97 | F | replaced by rename (new inode), same size | open handle kept for identity (dev, inode, size, mtime_ns, ctime_ns) per part and again before Complete: Fail(`Source.Changed`)
F98 | F | edited in place, same size, mtime restored | ctime differs -> seen; without ctime (fsspec) per-part CRC at resume catches it; object = one version only
F99 | F | deleted while uploading | POSIX: open handle finishes, OK; resume after kill: Fail(`Source.Missing`)
F100 | F | permission lost, or read error EIO at byte n | Fail(`Source.Read`, offset); other files go on
F101 | F | read blocks for ever (dead NFS/FUSE) | reader thread watchdog 60 s, Fail(`Source.Stalled`); leaked reader threads <= 1 per file, counted
F102 | F | directory, FIFO, socket, /dev/zero, /proc file | refused at add
F103 | L | fsspec: reset, 5xx, short read, wrong size, no seek | ranged re-read; no seek: spooled within limit, or sequential with R<=1P from buffer
F104 | L | web URL: no length, length lies (more/less), 206 wrong range, ETag changes, redirect to private address | spooled to known length / Fail(`Source.Length`) / If-Range fails: restart / refused
F105 | L | web URL expires (403) midway | Fail(`Source.Expired`), parts kept
F106 | WB | browser stream: tab closed / reload / network lost | row "waiting for the browser"; re-select restores when name, size, lastModified and first+last 64 KB CRC match; R<=kP
F107 | B | browser file changed on disk (NotReadableError) | Fail(`Source.Changed`)
F108 | SL | 0-byte file; 1 byte; exactly P; P+1; P-1 | 0 bytes: refused at add (`EmptyFile`); the others OK

## Process and kernel
F109 | P | KeyboardInterrupt in the cell that called start(block=True) | cell returns < 1 s; uploads go on or stop as asked (`on_interrupt`), said on screen; no zombie
F110 | P | KeyboardInterrupt inside a user callback | callback aborted only
F111 | PWB | kernel restart, kill -9 of a kernel | threads end with the process; the new widget offers what had begun, from the journal, and what had not, from the list of its queue, each once; R<=kP per file
F112 | SP | kill -9 at each of 14 points (before/after every call and every journal write) | restart: Success, one VideoId, one object, R<=kP
F113 | SP | kill -9 twenty times in a row | as F112; R<=20kP
F114 | P | SIGTERM | stop intake, let part requests 5 s, journal, exit; R<=kP
F115 | P | fork (multiprocessing) after start | child has no workers and no lock; pid check; never double send
F116 | S | out of memory / MemoryError in a worker | file fails, queue goes on, locks released
F117 | F | thread cannot start (limit) | works with fewer; Fail only if zero
F118 | F | too many open files | backs off, OK; fds <= 2 per active file + pool
F119 | P | kernel idle-culled / interpreter exit with atexit | as F114
F120 | PW | asyncio loop of the kernel blocked 60 s by user code | uploads go on; UI catches up with <= 1 message per file
F121 | S | machine suspend | F81

## User actions at every phase
F122 | SL | cancelFile in each of 12 states | Canceled < 2 s in UI; abort sent; 0 orphan bytes after the network returns
F123 | SP | cancel while offline | tombstone in journal; abort retried, also after restart
F124 | S | cancel races with Complete | either Success or Canceled+no object *claimed*, never both events; if stored, the row says so
F125 | S | deleteFile(i) while uploading | as cancel, then row gone; indexes of others: ids stay valid
F126 | S | delete during iteration / from a callback | no deadlock (callbacks run without locks)
F127 | S | cleanList during 100 uploads | all aborted, list empty, threads 0
F128 | SL | stop/start 1,000 times, random gaps | no duplicate worker per file; R<=kP per stop; one `start` event per real start
F129 | S | stopUpload from onUploadProgress | no deadlock
F130 | S | resumeFile on Success / Uploading / unknown index | no-op / no-op / IndexError; no bytes
F131 | S | add a file that is unfinished again, here or in another uploader | refused (`AlreadyQueued` / `Locked`); after Success a second add is a deliberate new asset
F132 | S | change credentials, region, part size mid-run | used for new files; running file keeps P
F133 | S | setters called with None / wrong types / huge strings | TypeError/ValueError before any state change
F134 | S | callback raises at each of 6 events | logged once, upload goes on, counted in stats
F135 | S | callback blocks 10 min | other files go on; its own later events wait in order; queue bounded by coalescing progress

## UI and comm
F136 | WB | browser closes, other tab opens | uploads from kernel sources go on; state rebuilt from one snapshot
F137 | W | comm closed / send raises | swallowed, retried on next snapshot; upload unaffected
F138 | W | messages lost, doubled, reordered | snapshot + version number; UI converges
F139 | W | chunk out of order, overlapping, negative, beyond size, NaN, 2^63, wrong id, after end | refused with code; stream survives if the right chunk follows
F140 | W | chunk flood without credit | window 4 x 1 MiB; stream closed at first violation; RSS growth <= 16 MiB
F141 | W | fake size (0, -1, 1e18, less/more than sent) | Fail(`Source.Length`)
F142 | W | 200 widgets displayed, 1,000 files | <= 4 messages/s per widget, <= 64 KB/s

## Scale and chaos
F143 | SW | 100,000 files queued | add <= 5 s; RSS <= 150 MiB over baseline; UI windowed; start to first byte < 2 s
F144 | S | 48.8 TB file (sparse, simulated) | no per-part list above 10,000; RSS <= k*P + 50 MiB
F145 | S | random sequences: 1,000,000 faults nightly, 20,000 per commit | I1-I12 hold; failing seed printed and kept as regression
F146 | P | real-socket soak, as long as asked (`python -m tests.soak`): 8 workers, toxics + kill -9 every 20 s | I1-I12
"""


def _parse(table: str) -> tuple[Case, ...]:
    cases: list[Case] = []
    group = ""
    for line in table.splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line:
            name, kinds, fault, promise = line.split(" | ")
            cases.append(Case(int(name.removeprefix("F")), group, kinds, fault, promise))
    return tuple(cases)


CASES = _parse(_TABLE)
