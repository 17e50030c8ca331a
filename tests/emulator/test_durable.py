"""With a data folder, what was answered with success is there after SIGKILL and a restart."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import oss2
import pytest

from tests.emulator.raw import Grant, call, complete, create, info, initiate, oss, owner, put_part
from tests.emulator.shop import BUCKET, Shop
from vod_widget.emulator import Emulator
from vod_widget.emulator.book import SqliteBook
from vod_widget.emulator.clock import iso_z
from vod_widget.emulator.lodging import Lodging

BIG = bytes(range(256)) * 500  # 128,000: enough for a part that is not the last


class Server:
    """`python -m vod_widget.emulator --data-dir`, which can be killed."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "vod_widget.emulator", "--json", "--data-dir", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.facts: Any = SimpleNamespace(**json.loads(line))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)
        assert self.process.returncode == -signal.SIGKILL

    def moved(self, grant: Grant) -> Grant:
        """The same credential, at the port of this server."""
        return Grant(grant.media_id, grant.keys, self.facts.endpoint, grant.bucket, grant.key, grant.auth)


@pytest.mark.slow
def test_everything_answered_survives_sigkill(tmp_path: Path) -> None:
    first = Server(tmp_path)
    emulator = first.facts
    done = create(emulator, Title="dönë", ReferenceId="ref-0001", Description="d", Tags="a,b")
    assert oss(done, "PUT", "", b"first", {"x-oss-meta-a": "b"}).status == 200
    assert oss(done, "PUT", "", BIG, {"Content-Type": "video/mp4"}).status == 200
    half = create(emulator, Title="half")
    upload_id = initiate(half)
    etag = put_part(half, upload_id, 1, BIG).headers["etag"]
    assert put_part(half, upload_id, 2, b"replaced").status == 200
    second_etag = put_part(half, upload_id, 2, b"tail").headers["etag"]
    grown = create(emulator, Title="grown")
    assert oss(grown, "POST", "append&position=0", b"abc").status == 200
    gone = create(emulator, Title="gone")
    assert oss(gone, "PUT", "", b"x").status == 200
    assert call(emulator, "DeleteVideo", {"VideoIds": gone.media_id}).status == 200
    assert call(emulator, "UpdateVideoInfo", {"VideoId": done.media_id, "Title": "new"}).status == 200
    cate_id = call(emulator, "AddCategory", {"CateName": "c"}).json["Category"]["CateId"]
    assert oss(done, "PUT", key="", bucket="my-bucket", keys=owner(emulator)).status == 200
    first.kill()

    again = Server(tmp_path)
    emulator = again.facts
    assert (emulator.access_key_id, emulator.access_key_secret) == (
        first.facts.access_key_id,
        first.facts.access_key_secret,
    )
    video = info(emulator, done.media_id)
    assert (video["Title"], video["Description"], video["Tags"], video["Size"]) == ("new", "d", "a,b", len(BIG))
    assert video["Status"] != "Uploading"
    # The credentials that were given out still open their own object, and nothing else.
    done, half, grown = again.moved(done), again.moved(half), again.moved(grown)
    got = oss(done, "GET")
    assert (got.body, got.headers["content-type"]) == (BIG, "video/mp4")
    assert oss(done, "GET", key=half.key).code == "AccessDenied"
    assert complete(half, upload_id, [(1, etag), (2, second_etag)]).status == 200
    assert oss(half, "GET").body == BIG + b"tail"
    assert oss(grown, "POST", "append&position=3", b"def").status == 200
    assert oss(grown, "GET").body == b"abcdef"
    assert call(emulator, "GetVideoInfo", {"VideoId": gone.media_id}).code == "InvalidVideo.NotFound"
    assert call(emulator, "GetVideoInfo", {"ReferenceId": "ref-0001"}).json["Video"]["VideoId"] == done.media_id
    assert call(emulator, "GetCategories", {"CateId": str(cate_id)}).json["Category"]["CateName"] == "c"
    assert oss(done, "GET", "bucketInfo", key="", bucket="my-bucket", keys=owner(emulator)).status == 200
    again.kill()
    # No byte of what was replaced or deleted is left.
    names = list((tmp_path / "blobs").iterdir())
    assert sum(path.stat().st_size for path in names) == len(BIG) + len(BIG) + len(b"tail") + len(b"abcdef")


@pytest.mark.slow
def test_killed_in_the_middle_of_many_uploads(tmp_path: Path) -> None:
    first = Server(tmp_path)
    emulator = first.facts
    grant = create(emulator)
    keys = owner(emulator)
    answered: dict[str, bytes] = {}
    enough = threading.Event()

    def put(worker: int) -> None:
        for number in range(100_000):
            key, data = f"{worker}/{number % 5}", f"{worker} {number} ".encode() * (1 + number % 7)
            try:
                if oss(grant, "PUT", "", data, key=key, keys=keys).status != 200:
                    return
            except (OSError, http.client.HTTPException):
                # This one was not answered: it may be there or not, the one before it may be gone.
                answered.pop(key, None)
                return
            answered[key] = data
            if number == 40:
                enough.set()

    threads = [threading.Thread(target=put, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    first.kill()
    for thread in threads:
        thread.join(60)
    assert len(answered) >= 10

    again = Server(tmp_path)
    there = again.moved(grant)
    for key, data in answered.items():
        assert oss(there, "GET", key=key, keys=keys).body == data
    again.kill()


def test_a_restart_in_order(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        grant = create(emulator)
        assert oss(grant, "PUT", "", b"bytes").status == 200
        emulator.clock.advance(100)
        emulator.clock.skew(5)
        assert create(emulator).media_id != grant.media_id
    with Emulator(data_dir=tmp_path) as emulator:
        assert emulator.object_path(grant.media_id).read_bytes() == b"bytes"
        assert (emulator.clock.advanced_s, emulator.clock.skew_s) == (100, 5)
        assert emulator.status(grant.media_id) == "Normal"
        emulator.clock.advance(2901)
        late = Grant(grant.media_id, grant.keys, emulator.endpoint, grant.bucket, grant.key, grant.auth)
        assert oss(late, "GET").code in ("SecurityTokenExpired", "RequestTimeTooSkewed")
        emulator.reset()
    with Emulator(data_dir=tmp_path) as emulator:
        assert (emulator.assets, emulator.clock.advanced_s) == ([], 0)
        assert list((tmp_path / "blobs").iterdir()) == []


def test_rules_of_buckets_and_roles_survive(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        session = oss2.Session()
        auth = oss2.Auth(emulator.access_key_id, emulator.access_key_secret)
        bucket = oss2.Bucket(auth, emulator.endpoint, "my-bucket", session=session)
        bucket.create_bucket()
        rule = oss2.models.CorsRule(["https://a.test"], ["PUT"], ["*"], ["ETag"], 5)
        bucket.put_bucket_cors(oss2.models.BucketCors([rule]))
        params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me", "DurationSeconds": "900"}
        made = call(emulator, "AssumeRole", params).json["Credentials"]
        rules = emulator.cloud.cors_rules("my-bucket")
        bucket.put_bucket_request_payment("Requester")
        bucket.put_object("cold", b"x", headers={"x-oss-storage-class": "Archive", "x-oss-tagging": "a=b"})
        bucket.restore_object("cold")
        bucket.put_symlink("cold", "link")
        kept = (emulator.cloud.store.bucket("my-bucket"), *emulator.cloud.store.objects("my-bucket"))
        session.session.close()
    from tests.emulator.raw import Keys

    keys = Keys(made["AccessKeyId"], made["AccessKeySecret"], made["SecurityToken"])
    with Emulator(data_dir=tmp_path) as emulator:
        assert emulator.cloud.cors_rules("my-bucket") == rules
        assert (emulator.cloud.store.bucket("my-bucket"), *emulator.cloud.store.objects("my-bucket")) == kept
        assert call(emulator, "GetCategories", keys=keys).status == 200
        assert call(emulator, "AssumeRole", params, keys=keys).code == "NoPermission"


def test_versions_survive_and_a_lost_one_brings_no_older_one_back(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        shop = Shop(create(emulator), owner(emulator))
        shop.ask("PUT", "")
        shop.put("a", b"zero")
        shop.switch("Enabled")
        first = shop.put("a", b"first")
        shop.put("a", b"second")
        shop.delete("b")
        shop.switch("Suspended")
        shop.put("a", b"newest")
        before = shop.versions()
    with Emulator(data_dir=tmp_path) as emulator:
        shop = Shop(replace(shop.grant, endpoint=emulator.endpoint), owner(emulator))
        assert shop.versions() == before
        assert [shop.ask("GET", "a").body, shop.get("a", first).body] == [b"newest", b"first"]
        stored = emulator.cloud.store.get(BUCKET, "a")
    (tmp_path / "blobs" / stored.content.blobs[0].name).write_bytes(b"")
    with Emulator(data_dir=tmp_path) as emulator:
        shop = Shop(replace(shop.grant, endpoint=emulator.endpoint), owner(emulator))
        assert shop.ask("GET", "a").code == "NoSuchKey"
        assert shop.get("a", first).body == b"first"


def test_jobs_go_on_after_a_restart(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        emulator.cloud.pulls.on_job = lambda job: None  # as if it was killed before it could begin
        url = "http%3A%2F%2F192.0.2.1%2Fa.mp4"
        (job,) = call(emulator, "UploadMediaByURL", {"UploadURLs": url}).json["UploadJobs"]
    with Emulator(data_dir=tmp_path) as emulator:
        assert emulator.settle()
        (row,) = call(emulator, "GetURLUploadInfos", {"JobIds": job["JobId"]}).json["URLUploadInfoList"]
        assert row["Status"] == "DOWNLOAD_FAIL"


def test_a_call_cannot_be_replayed_after_a_restart(tmp_path: Path) -> None:
    once = {"SignatureNonce": "n-1"}
    with Emulator(tmp_path) as first:
        assert call(first, "GetCallerIdentity", change=once).status == 200
    with Emulator(tmp_path) as again:
        assert call(again, "GetCallerIdentity", change=once).code == "SignatureNonceUsed"
        for skew_s, change in ((2000, {}), (4000, once)):  # long after, and longer
            again.clock.skew(skew_s)
            now = {"Timestamp": iso_z(again.clock.wall_s())}
            assert call(again, "GetCallerIdentity", change={**change, **now}).status == 200
    with closing(SqliteBook(tmp_path / "state.sqlite3")) as book:
        kept = [record["nonce"] for record in book.read("nonce")]
    assert kept == ["n-1"]  # used anew; the other one is forgotten


def test_bytes_that_were_never_answered_are_swept(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "left-over").write_bytes(b"x")
    with Emulator(data_dir=tmp_path):
        assert list((tmp_path / "blobs").iterdir()) == []


def test_one_emulator_a_folder(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        grant = create(emulator)
        with pytest.raises(OSError, match="in use by another emulator"):
            Emulator(data_dir=tmp_path)
        assert oss(grant, "PUT", "", b"x").status == 200


def test_a_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path):
        pass
    with pytest.raises(ValueError, match="belongs to account"):
        Emulator(data_dir=tmp_path, account_id="77")
    (tmp_path / "state.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(OSError, match="cannot be read"):
        Emulator(data_dir=tmp_path)


def test_a_given_key_wins_over_the_written_one(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path) as emulator:
        old = owner(emulator)
    with Emulator(data_dir=tmp_path, access_key_id="EMUmine", access_key_secret="s") as emulator:
        assert owner(emulator).access_key_id == "EMUmine"
        assert call(emulator, "GetCallerIdentity", keys=old).status == 200
    with Emulator(data_dir=tmp_path) as emulator:
        assert (emulator.access_key_id, emulator.access_key_secret) == ("EMUmine", "s")


def test_the_state_is_private(tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert {p.stat().st_mode & 0o077 for p in (tmp_path / "new").glob("state*")} == {0}


def test_only_the_process_that_made_a_folder_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lodging = Lodging()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        lodging.remove()
        assert lodging.folder.exists()
    lodging.remove()
    assert not lodging.folder.exists()
    lodging.remove()


def test_what_a_killed_process_left_goes_with_the_next_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that is restarted at once removes nothing, and a demo's uploads may be gigabytes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    strange = tmp_path / "vod-emulator-of-somebody"
    strange.mkdir()
    code = (
        "import sys\n"
        "from vod_widget.emulator import Emulator\n"
        "emulator = Emulator()\n"
        "(emulator.data_dir / 'blobs' / 'video').write_bytes(b'x')\n"
        "print(emulator.data_dir, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            left = Path(process.stdout.readline().strip())
            with Emulator() as while_it_lives:
                assert (left / "blobs" / "video").exists()
                process.kill()
                process.wait(60)
                with Emulator() as later:
                    assert not left.exists()
                    assert while_it_lives.data_dir.exists()
                    assert later.data_dir.exists()
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == [strange]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_parents_folder_alone() -> None:
    code = (
        "import os, sys, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "from vod_widget.emulator import Emulator\n"
        "emulator = Emulator()\n"
        "child = os.fork()\n"
        "if not child: sys.exit(0)\n"  # runs the finalizers, as a multiprocessing child may
        "os.waitpid(child, 0)\n"
        "print(emulator.data_dir.exists(), emulator.data_dir)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    there, folder = done.stdout.split()
    assert there == "True"
    assert not Path(folder).exists()


def test_what_lost_its_bytes_is_dropped_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(tmp_path / "data") as emulator:
        whole, cut, gone = create(emulator), create(emulator), create(emulator)
        for grant in (whole, cut, gone):
            oss(grant, "PUT", "", b"0123456789")
        upload_id = initiate(whole, key=whole.key)
        put_part(whole, upload_id, 1, b"part")
        paths = {grant.key: emulator.object_path(grant.media_id) for grant in (cut, gone)}
        (part,) = [path for path in (tmp_path / "data" / "blobs").iterdir() if path.read_bytes() == b"part"]
    paths[cut.key].write_bytes(b"01234")  # as a power cut leaves them
    paths[gone.key].unlink()
    part.unlink()
    with Emulator(tmp_path / "data") as emulator:
        assert emulator.object_path(whole.media_id).read_bytes() == b"0123456789"
        for grant in (cut, gone):
            with pytest.raises(LookupError, match="nothing is stored"):
                emulator.object_path(grant.media_id)
        (upload,) = emulator.unfinished_uploads
        assert upload.part_numbers == ()
    assert caplog.text.count("as after a power cut") == 3
