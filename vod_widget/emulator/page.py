"""The page `GET /`: what the cloud holds, for people.

What lives here: `render`. It imports `cloud` and `record`; pure but for the clock, called under the lock
of `Cloud`.

Safety: everything that came from a client is escaped; there is no script at all, and the policy in the
headers forbids one, as well as anything from outside and any frame around the page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlsplit

from vod_widget.emulator.assets import Asset
from vod_widget.emulator.clock import iso_z
from vod_widget.emulator.cloud import Cloud
from vod_widget.emulator.objects import Upload
from vod_widget.emulator.record import RequestRecord

_URL_LIFE_S = 3600
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1a7f37; --busy: #9a6700; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --busy: #d29922; --bad: #f85149; } }
* { box-sizing: border-box; }
body { font: 14px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; margin-bottom: 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
header span, .soft { opacity: .7; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.card video, .card img, .card .none { display: block; width: 100%; aspect-ratio: 16/9; object-fit: contain; }
.card video, .card img { background: #111; }
.card .none { display: grid; place-items: center; background: var(--soft); }
.card div.text { padding: .6rem .8rem; overflow-wrap: anywhere; } .card strong { display: block; }
.state { font-weight: 600; } .Normal, .ok { color: var(--good); }
.Uploading, .UploadSucc, .Transcoding { color: var(--busy); } .no { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 12px ui-monospace, monospace; overflow-wrap: anywhere; } td { white-space: nowrap; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self' data:; media-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_KINDS = {"video": "Videos and audios", "image": "Images", "attached": "Attached media"}


def render(cloud: Cloud, requests: Sequence[RequestRecord]) -> bytes:
    """Return the page.

    Args:
        cloud: What is shown; the caller holds its lock.
        requests: The last ones, oldest first.
    """
    uploads = [upload for bucket in cloud.store.buckets() for upload in cloud.store.multipart.uploads(bucket.name)]
    assets = sorted(cloud.vod.assets.values(), key=lambda asset: -asset.created_wall_s)
    parts = []
    for kind, title in _KINDS.items():
        mine = [asset for asset in assets if asset.kind == kind]
        if mine or kind == "video":
            cards = "".join(_card(cloud, asset, uploads) for asset in mine)
            empty = '<p class="soft">Nothing yet.</p>'
            parts.append(f"<h2>{title} ({len(mine)})</h2>" + (f'<div class="cards">{cards}</div>' if mine else empty))
    parts.append(f"<h2>Unfinished uploads ({len(uploads)})</h2>")
    if uploads:
        parts.append(_uploads(uploads))
    parts.append("<h2>Last requests</h2>" + _requests(requests))
    body = "".join(parts)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>VOD emulator</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><header><h1>VOD emulator</h1>"
        f"<span>account {_text(cloud.account_id)}</span><span>region {_text(cloud.region)}</span>"
        f"<span>bucket {_text(cloud.bucket)}</span><span>{iso_z(cloud.clock.wall_s())}</span>"
        f'<a href="/">Reload</a></header><main>{body}</main></body></html>'
    )
    return text.encode("utf-8", "replace")


def _text(value: object) -> str:
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"), quote=True)


def _size(size_bytes: int) -> str:
    """Return a size for people: 842 bytes, 17.2 KB, 1.5 GB."""
    value = float(size_bytes)
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{size_bytes:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def _card(cloud: Cloud, asset: Asset, uploads: Sequence[Upload]) -> str:
    status = cloud.vod.status(asset)
    name = asset.title or asset.file_name or asset.media_id
    facts = [_size(asset.size_bytes) if asset.completed_age_s is not None else "", asset.tags, asset.sub_type]
    begun = [upload for upload in uploads if (upload.bucket, upload.key) == (asset.bucket, asset.key)]
    if begun:
        there = sum(part.blob.size_bytes for upload in begun for part in upload.parts.values())
        declared = f" of {_size(asset.declared_bytes)}" if asset.declared_bytes else ""
        facts.insert(0, f"{_size(there)}{declared} in parts")
    if asset.cate_id is not None:
        facts.append(cloud.vod.categories.name(asset.cate_id) or f"category {asset.cate_id}")
    line = " · ".join(_text(fact) for fact in facts if fact)
    more = f"<div>{_text(asset.description)}</div>" if asset.description else ""
    return (
        f'<article class="card">{_picture(cloud, asset, name)}<div class="text"><strong>{_text(name)}</strong>'
        f'<span class="state {_text(status)}">{_text(status)}</span> <span class="soft">{line}</span>{more}'
        f"<div><code>{_text(asset.media_id)}</code></div>"
        f'<div class="soft">{_text(asset.file_name)} {iso_z(asset.created_wall_s)}</div></div></article>'
    )


def _picture(cloud: Cloud, asset: Asset, name: str) -> str:
    if cloud.store.find(asset.bucket, asset.key) is None:
        return '<div class="none soft">no bytes yet</div>'
    # Relative, so that it works by whatever loopback name the page was opened.
    signed = urlsplit(cloud.sign_url("http://127.0.0.1", asset.bucket, asset.key, _URL_LIFE_S))
    url = _text(f"{signed.path}?{signed.query}")
    if asset.kind == "video":
        return f'<video controls preload="metadata" src="{url}" aria-label="{_text(name)}"></video>'
    if asset.kind == "image":
        return f'<img src="{url}" alt="{_text(name)}" loading="lazy">'
    return f'<div class="none"><a href="{url}">open</a></div>'


def _table(heads: Iterable[tuple[str, str]], rows: Iterable[str]) -> str:
    head = "".join(f'<th class="{kind}">{title}</th>' for title, kind in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _uploads(uploads: Iterable[Upload]) -> str:
    rows = [
        f"<tr><td><code>{_text(upload.key)}</code></td><td><code>{_text(upload.upload_id)}</code></td>"
        f'<td class="number">{len(upload.parts)}</td>'
        f'<td class="number">{_size(sum(part.blob.size_bytes for part in upload.parts.values()))}</td>'
        f"<td>{iso_z(upload.initiated_s)}</td></tr>"
        for upload in uploads
    ]
    heads = [("Object", ""), ("Upload id", ""), ("Parts", "number"), ("Size", "number"), ("Begun", "")]
    return _table(heads, rows)


def _requests(requests: Sequence[RequestRecord]) -> str:
    rows = []
    for record in reversed(requests):
        good = 200 <= record.status < 400
        named = (record.query.get(name, "") for name in ("VideoId", "ImageId", "MediaIds", "VideoIds", "Title"))
        what = record.key or next(filter(None, named), "") or record.path.removeprefix("/")
        part = f" part {record.part_number}" if record.part_number is not None else ""
        faults = f" ⚡ {', '.join(record.faults)}" if record.faults else ""
        body = _size(record.body_bytes) if record.body_bytes else ""
        rows.append(
            f'<tr><td class="number">{record.number}</td><td>{_text(record.op or record.method)}{part}</td>'
            f'<td class="{"ok" if good else "no"}">{record.status} {_text(record.code)}{_text(faults)}</td>'
            f'<td class="number">{body}</td><td><code>{_text(what)}</code></td></tr>'
        )
    heads = [("No.", "number"), ("Operation", ""), ("Answer", ""), ("Body", "number"), ("Object", "")]
    return _table(heads, rows)
