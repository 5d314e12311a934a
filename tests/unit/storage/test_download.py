"""Downloads end in the right file or in one sentence, whatever the server does."""

import hashlib
import io
import json
import re
import resource
import shutil
import socket
import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hostile_server import STALL, self_signed, serve

from pipeline.errors import InputError
from pipeline.storage.download import DIGESTS, Remote, fetch
from pipeline.storage.transfer import RetryPolicy

HASTY = RetryPolicy(connect=0.5, stall=0.3, attempts=4, backoff=0.01, longest=2)
CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    with serve(CONTENT) as running:
        yield running


def remote(server, *behaviours, **changes):
    urls = tuple(server.url(b) for b in behaviours)
    return Remote(**{"name": "a.bin", "urls": urls, "size": len(CONTENT), "digest": MD5, **changes})


def get(file, folder):
    return fetch(file, folder, retry=HASTY)


def sentence_of(file, folder):
    """The error of a fetch, checked for what every such error must hold."""
    with pytest.raises(InputError) as caught:
        get(file, folder)
    text = str(caught.value)
    assert "\n" not in text and str(folder) in text and file.name in text
    assert all(url in text for url in file.urls)
    assert not (folder / file.name).exists()
    return text


RECOVERS = (
    *("good", "no_range", "redirect", "no_length"),
    *("drop", "drop_once_no_range", "changed_meanwhile"),
    *("wrong_range", "ignored_range", "range_refused"),
    *("busy", "wait_a_second"),
)


@pytest.mark.parametrize("behaviour", RECOVERS)
def test_ends_in_the_right_file(server, tmp_path, behaviour):
    path = get(remote(server, behaviour), tmp_path)
    assert path == tmp_path / "a.bin" and path.read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


NEVER = {
    "missing": "404",
    "broken": "500",
    "loop": "redirects without end",
    "to_file": "not HTTP",
    "come_back_tomorrow": "429 .*asks to wait 86400 s",
    "stall": "silent",
    "wrong_length": "offers 300,004 bytes instead of 300,000",
    "wrong_content": "md5 [0-9a-f]{32} instead of",
    "web_page": "offers 36 bytes",
    "encoded": "encoded copy",
    "drop_always_no_range": "the connection broke off",
}


@pytest.mark.parametrize("behaviour", NEVER)
def test_ends_in_one_sentence(server, tmp_path, behaviour):
    text = sentence_of(remote(server, behaviour), tmp_path)
    assert re.search(NEVER[behaviour], text)
    assert "300,000 bytes" in text and MD5 in text


def test_stall_is_noticed_in_time(server, tmp_path):
    started = time.monotonic()
    sentence_of(remote(server, "stall"), tmp_path)
    assert time.monotonic() - started < STALL


def test_a_drop_is_resumed_not_restarted(server, tmp_path):
    get(remote(server, "drop"), tmp_path)
    assert server.ranges()[0] is None
    assert all(asked is not None for asked in server.ranges()[1:]) and len(server.ranges()) >= 3


def test_a_drop_is_resumed_in_a_later_run(server, tmp_path):
    with pytest.raises(InputError):
        fetch(remote(server, "drop"), tmp_path, retry=replace(HASTY, attempts=0))
    assert not (tmp_path / "a.bin").exists()
    assert get(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    (resumed,) = {asked for name, asked in server.requests if name == "good"}
    assert int(resumed.removeprefix("bytes=").rstrip("-")) > 0


def test_part_of_another_file_is_never_completed(server, tmp_path):
    """Same length, same server, but the part holds other bytes: noticed by its digest."""
    (tmp_path / ".a.bin.part").write_bytes(bytes(1000))
    assert get(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.ranges() == ["bytes=1000-", None]


def test_part_without_digest_or_validator_starts_over(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(bytes(1000))
    path = get(remote(server, "good", digest=None), tmp_path)
    assert path.read_bytes() == CONTENT and server.ranges() == [None]


def test_complete_part_is_used_without_a_request(server, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(CONTENT)
    assert get(remote(server, "missing"), tmp_path).read_bytes() == CONTENT
    assert server.requests == []


def test_mirrors_are_tried_in_order(server, tmp_path):
    get(remote(server, "missing", "wrong_content", "good", "stall"), tmp_path)
    assert [name for name, _ in server.requests] == ["missing", "wrong_content", "good"]


def test_retry_after_is_honoured(server, tmp_path):
    started = time.monotonic()
    get(remote(server, "wait_a_second"), tmp_path)
    assert time.monotonic() - started >= 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_an_unknown_certificate_is_refused(tmp_path):
    with serve(CONTENT, self_signed(tmp_path)) as server:
        text = sentence_of(remote(server, "good"), tmp_path)
    assert "certificate" in text


def test_unreachable_host_is_named(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"
    text = sentence_of(Remote("a.bin", (url,), note="ask the authors"), tmp_path)
    assert "connection refused" in text and "digest not published" in text
    assert "ask the authors" in text


def test_file_put_by_hand_is_verified_and_used(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    get(remote(server, "good"), tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("content", [CONTENT[:-1], bytes(len(CONTENT))])
def test_wrong_file_put_by_hand_is_named_and_kept(server, tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InputError, match="left as it is"):
        get(remote(server, "good"), tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == content


def test_first_digest_is_recorded_and_held_against_later_copies(server, tmp_path):
    file = remote(server, "good", size=None, digest=None)
    get(file, tmp_path)
    recorded = json.loads((tmp_path / DIGESTS).read_text())
    assert recorded == {"a.bin": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"}
    (tmp_path / "a.bin").write_bytes(b"other")
    with pytest.raises(InputError, match="sha256"):
        get(file, tmp_path)
    (tmp_path / "a.bin").unlink()
    assert "sha256" in sentence_of(remote(server, "web_page", size=None, digest=None), tmp_path)


def test_unknown_length_needs_a_digest(server, tmp_path):
    text = sentence_of(remote(server, "no_length", size=None, digest=None), tmp_path)
    assert "does not say how long" in text


@pytest.mark.parametrize("name, kind", [("a.zip", "zip"), ("a.rar", "rar")])
def test_web_page_is_not_taken_for_an_archive(server, tmp_path, name, kind):
    file = remote(server, "web_page", name=name, size=None, digest=None)
    assert re.search(f"is not a (whole )?{kind}", sentence_of(file, tmp_path))
    assert not (tmp_path / DIGESTS).exists()


def test_archive_without_digest_is_accepted_when_whole(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    with serve(buffer.getvalue()) as server:
        file = Remote("a.zip", (server.url("good"),))
        assert zipfile.is_zipfile(get(file, tmp_path))


def test_two_downloads_of_one_file_at_once_share_it(server, tmp_path):
    file = remote(server, "wait_a_second")
    threads = [threading.Thread(target=get, args=(file, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [name for name, _ in server.requests] == ["wait_a_second"] * 2


def test_downloads_into_one_folder_at_once_lose_no_digest(server, tmp_path):
    files = [remote(server, "good", name=f"{i}.bin", digest=None) for i in range(8)]
    threads = [threading.Thread(target=get, args=(file, tmp_path)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((tmp_path / DIGESTS).read_text())) == 8


def test_full_disk_gives_a_sentence_and_keeps_what_arrived(server, tmp_path):
    """A limit on file sizes fails a write in the same way as a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot be written"):
            get(remote(server, "good"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert get(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=100000-"]


def test_damaged_digests_file_is_named(server, tmp_path):
    (tmp_path / DIGESTS).write_text("[]")
    with pytest.raises(InputError, match=DIGESTS):
        get(remote(server, "good", digest=None), tmp_path)
