"""Downloads, from a server on loopback that stalls, truncates and lies."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.cli import main
from kerseg.core.lock import lock
from kerseg.data.sources import SOURCES
from kerseg.data.sources.kvasir_seg import KvasirSeg
from kerseg.data.sources.voc2012_aug import Voc2012Aug
from kerseg.download import transfer
from kerseg.download.partial import Partial
from kerseg.download.release import Archive, Release, download, fill
from kerseg.download.transfer import fetch
from kerseg.download.unpack import unpack
from kerseg.errors import ConfigError, DataError

DATA = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
HALF = 150_000
SHA = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each path with the next of its answers; the last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            hold = outer.released

            def do_GET(self) -> None:
                outer.requests.append(
                    (self.path, {key.lower(): value for key, value in self.headers.items()})
                )
                answers = outer.answers[self.path]
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def at(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url + path

    def asked(self, header: str) -> list[str | None]:
        return [headers.get(header) for _, headers in self.requests]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits: how long it would have been is listed."""
    waited: list[float] = []
    monkeypatch.setattr(transfer, "TIMEOUT", (5, 0.3))
    monkeypatch.setattr(transfer, "time", type("Clock", (), {"sleep": staticmethod(waited.append)}))
    return waited


def send(
    data: bytes = DATA,
    *,
    status: int | None = None,
    etag: str | None = '"one"',
    until: int | None = None,
    length: int | None = None,
    ranges: bool = True,
    honest: bool = True,
    then: str = "close",
    **headers: str,
) -> Answer:
    """Return an answer: a file server with the faults that its arguments say."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        first = 0
        wanted = handler.headers.get("Range")
        same = handler.headers.get("If-Range") in (None, etag) or not honest
        code = status or 200
        if wanted and ranges and same and not status:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            code = 206
        handler.send_response(code)
        if code == 206:
            handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        if etag:
            handler.send_header("ETag", etag)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data) - first if length is None else length))
        handler.end_headers()
        handler.wfile.write(data[first:until])
        handler.wfile.flush()
        if then == "hang":
            handler.hold.wait(20)

    return answer


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refusal(call: Callable[[], object], kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def test_a_file_arrives_and_is_not_fetched_again(server, tmp_path):
    url = server.at("/a.zip", send())
    for _ in range(2):
        fetch(url, tmp_path / "in/a.zip", size=len(DATA), checksum=SHA)
    assert (tmp_path / "in/a.zip").read_bytes() == DATA
    assert leftovers(tmp_path / "in") == ["a.zip"]
    assert server.asked("range") == [None]


@pytest.mark.parametrize("then", ["close", "hang"])
def test_what_was_cut_off_is_gone_on_with(server, tmp_path, waits, then):
    url = server.at("/a", send(until=HALF, then=then), send())
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA
    kept = int(server.asked("range")[1].removeprefix("bytes=").removesuffix("-"))
    assert HALF - transfer.CHUNK < kept <= HALF
    assert server.asked("if-range") == [None, '"one"']
    assert waits == [1.0]


def test_it_gives_up_where_nothing_new_arrives_and_keeps_what_has(server, tmp_path, waits):
    url = server.at("/a", send(until=HALF), send(until=0))
    message = refusal(lambda: fetch(url, tmp_path / "a", checksum=SHA))
    assert message.startswith(f"{url}: gave up after 5 attempts: ")
    kept = (tmp_path / "a.partial").stat().st_size
    assert message.endswith(
        f"The {kept:,} bytes that have arrived are kept: the same command goes on with them."
    )
    assert waits == [1, 2, 4, 8, 16]
    server.at("/a", send())
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert server.asked("range")[-1] == f"bytes={kept}-"


def test_a_server_that_starts_anew_each_time_and_never_ends_is_given_up(server, tmp_path):
    url = server.at("/a", send(until=HALF, ranges=False))
    assert "gave up after 5 attempts" in refusal(lambda: fetch(url, tmp_path / "a", checksum=SHA))
    assert len(server.requests) == 6


def test_a_server_that_ignores_ranges_sends_it_all_again(server, tmp_path):
    url = server.at("/a", send(until=HALF), send(ranges=False))
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        # An honest server sends the whole new file, as If-Range asks.
        ([send(OTHER, etag='"old"', until=HALF), send()], 2),
        # One that sends the rest of another version is seen through by its tag,
        ([send(OTHER, etag='"old"', until=HALF), send(honest=False)], 3),
        # or, if it has none, by the checksum of the two glued together.
        ([send(OTHER, etag=None, until=HALF), send(etag=None, honest=False)], 3),
    ],
)
def test_two_versions_of_a_file_are_not_glued_together(server, tmp_path, answers, requests):
    url = server.at("/a", answers[0], send(etag="", status=404))
    with pytest.raises(DataError, match="404"):
        fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a.partial").exists()
    server.at("/a", *answers[1:])
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert len(server.requests) - 1 == requests


def test_without_tag_and_checksum_nothing_is_gone_on_with(server, tmp_path):
    url = server.at("/a", send(OTHER, etag=None, until=HALF), send(etag=None))
    fetch(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA
    assert server.asked("range") == [None, None]


def test_the_beginning_of_another_address_is_not_used(server, tmp_path):
    old = server.at("/old", send(OTHER, until=HALF), send(status=403))
    assert "403 Forbidden" in refusal(lambda: fetch(old, tmp_path / "a", checksum=SHA))
    fetch(server.at("/new", send()), tmp_path / "a", checksum=SHA)
    assert server.asked("range")[-1] is None
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_complete_file_that_has_not_got_its_name_is_only_checked(server, tmp_path):
    url = server.at("/a", send(until=HALF), send())
    fetch(url, tmp_path / "a", size=len(DATA), checksum=SHA)
    (tmp_path / "a").rename(tmp_path / "a.partial")
    (tmp_path / "a.partial.json").write_text(f'{{"url": "{url}", "validator": "", "total": {len(DATA)}}}')
    asked = len(server.requests)
    fetch(url, tmp_path / "a", size=len(DATA), checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA and len(server.requests) == asked


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_passing_fault_is_waited_out(server, tmp_path, waits, code):
    url = server.at("/a", send(b"", status=code, Retry_After="7"), send())
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert waits == [7.0]


@pytest.mark.parametrize(
    ("code", "words"), [(404, "404 Not Found"), (403, "403 Forbidden"), (410, "410 Gone")]
)
def test_a_refusal_is_final(server, tmp_path, code, words):
    url = server.at("/a", send(b"no", status=code))
    assert refusal(lambda: fetch(url, tmp_path / "a")) == f"{url}: the server answers {words}."
    assert len(server.requests) == 1 and leftovers(tmp_path) == []


def test_a_web_page_in_place_of_the_file(server, tmp_path):
    url = server.at("/a.zip", send(b"<html>Log in</html>", Content_Type="text/html; charset=utf-8"))
    assert refusal(lambda: fetch(url, tmp_path / "a.zip")).startswith(
        f"{url}: the server sends a web page in place of the file"
    )
    assert leftovers(tmp_path) == []


def test_a_wrong_checksum_names_both_and_leaves_nothing(server, tmp_path):
    url = server.at("/a.zip", send(OTHER))
    message = refusal(lambda: fetch(url, tmp_path / "a.zip", checksum=SHA))
    wrong = hashlib.sha256(OTHER).hexdigest()
    assert message.startswith(
        f"{url}: not the file that is expected: a.zip has the sha256 {wrong}; expected {SHA[7:]}. It was deleted."
    )
    assert leftovers(tmp_path) == []


def test_md5_is_read_too(server, tmp_path):
    checksum = f"md5:{hashlib.md5(DATA).hexdigest().upper()}"
    fetch(server.at("/a", send()), tmp_path / "a", checksum=checksum)
    assert (tmp_path / "a").read_bytes() == DATA


def test_another_size_is_refused_before_the_file_has_come(server, tmp_path):
    url = server.at("/a", send(then="hang"))
    message = refusal(lambda: fetch(url, tmp_path / "a", size=4, checksum=SHA))
    assert message.startswith(f"{url}: not the file that is expected: 300,000 bytes; expected 4.")


def test_a_length_that_is_too_short_is_seen_by_the_checksum(server, tmp_path):
    url = server.at("/a", send(length=1000))
    assert "has the sha256" in refusal(lambda: fetch(url, tmp_path / "a", checksum=SHA))


def test_a_length_that_is_too_long_is_never_complete(server, tmp_path):
    url = server.at("/a", send(length=len(DATA) + 5))
    assert "gave up after 5 attempts" in refusal(lambda: fetch(url, tmp_path / "a", checksum=SHA))
    assert not (tmp_path / "a").exists()


def test_redirections_are_followed(server, tmp_path):
    url = server.at("/a", send(b"", status=302, Location="/b"))
    server.at("/b", send())
    fetch(url, tmp_path / "a", checksum=SHA)
    assert (tmp_path / "a").read_bytes() == DATA


def test_an_archive_called_gzip_encoded_is_kept_as_it_is(server, tmp_path):
    url = server.at("/a.tgz", send(Content_Encoding="gzip"))
    fetch(url, tmp_path / "a.tgz", checksum=SHA)
    assert (tmp_path / "a.tgz").read_bytes() == DATA


def test_nobody_answers(tmp_path):
    message = refusal(lambda: fetch("http://127.0.0.1:9/a", tmp_path / "a"))
    assert message.startswith("http://127.0.0.1:9/a: gave up after 5 attempts: ConnectionRefusedError: ")
    assert message.endswith("Try again later.")


def test_a_disk_that_is_too_small_is_refused_before_the_file_comes(server, tmp_path, monkeypatch):
    url = server.at("/a", send())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    message = refusal(lambda: fetch(url, tmp_path / "a", checksum=SHA))
    assert message.startswith(f"{tmp_path}: too little room: 0.0 GB are still to come, 0.0 GB are free.")


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no /dev/full, a disk that is full"
)
def test_a_full_disk_is_said_with_the_file(server, tmp_path):
    url = server.at("/a", send())
    (tmp_path / "b.partial").symlink_to("/dev/full")
    (tmp_path / "b.partial.json").write_text(f'{{"url": "{url}"}}')
    message = refusal(lambda: fetch(url, tmp_path / "b", checksum=SHA))
    assert message.startswith(f"{tmp_path / 'b.partial'}: cannot be written: No space left on device.")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_what_an_interrupted_run_has_is_gone_on_with(server, tmp_path, number, code):
    url = server.at("/a.zip", send(until=HALF, then="hang"), send())
    code_text = (
        "import signal, sys; from pathlib import Path; from kerseg.download.release import *; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # the tests may run in the background
        f"release = Release('x', 'free.', 'It is X.', (Archive({url!r}, {SHA!r}),));\n"
        f"try: fill(release, Path({str(tmp_path / 'x')!r}))\nexcept KeyboardInterrupt: sys.exit(130)"
    )
    process = subprocess.Popen([sys.executable, "-c", code_text], stderr=subprocess.PIPE, text=True)
    partial = tmp_path / ".x.download/a.zip.partial"
    deadline = time.monotonic() + 60
    while (
        not (server.requests and partial.exists() and partial.stat().st_size) and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert (number == signal.SIGKILL) or "What has arrived is kept: the same command goes on with it." in said
    assert not (tmp_path / "x").exists()
    kept = partial.stat().st_size
    fetch(url, partial.with_name("a.zip"), checksum=SHA)
    assert server.asked("range") == [None, f"bytes={kept}-"]
    assert partial.with_name("a.zip").read_bytes() == DATA


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz", **info: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("make", [zipped, tarred, lambda members: tarred(members, "w")])
def test_archives_are_known_by_what_they_hold(tmp_path, make):
    (tmp_path / "a.bin").write_bytes(make({"x/a.txt": b"1", "b.txt": b"2"}))
    unpack(tmp_path / "a.bin", tmp_path / "out/in")
    assert (tmp_path / "out/in/x/a.txt").read_bytes() == b"1"
    assert (tmp_path / "out/in/b.txt").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["../evil", "x/../../evil", "/evil", "C:\\evil", "..\\evil"])
def test_zip_members_outside_are_refused_and_none_is_written(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zipped({"good": b"1", name: b"2"}))
    message = refusal(lambda: unpack(tmp_path / "a.zip", tmp_path / "out/in"))
    assert message.startswith(f"{tmp_path / 'a.zip'}: refused: its member {name!r} would be written outside")
    assert leftovers(tmp_path / "out/in") == [] and leftovers(tmp_path / "out") == ["in"]


@pytest.mark.parametrize(
    ("name", "info"),
    [
        ("../evil", {}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "../../evil"}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("device", {"type": tarfile.CHRTYPE}),
    ],
)
def test_tar_members_outside_are_refused(tmp_path, name, info):
    (tmp_path / "a.tar").write_bytes(tarred({name: b""}, "w", **info))
    message = refusal(lambda: unpack(tmp_path / "a.tar", tmp_path / "out/in"))
    assert message.startswith(f"{tmp_path / 'a.tar'}: refused: its member {name!r} would be written outside")
    assert leftovers(tmp_path / "out/in") == [] and leftovers(tmp_path / "out") == ["in"]


def test_damaged_archives_are_said_to_be_damaged(tmp_path):
    good = zipped({"a.txt": b"hello" * 100})
    for name, data, message in (
        (
            "page.zip",
            b"<html>not here</html>",
            "damaged, or neither zip nor tar: it begins with b'<html>not here</html",
        ),
        ("bits.zip", good.replace(b"hello", b"jello", 1), "damaged archive: Bad CRC-32 for file 'a.txt'."),
        ("cut.tgz", tarred({"a": bytes(5000), "b": DATA})[:90_000], "damaged archive: "),
    ):
        (tmp_path / name).write_bytes(data)
        said = refusal(lambda name=name: unpack(tmp_path / name, tmp_path / "out"))
        assert said.startswith(f"{tmp_path / name}: {message}")


def release(server: Server, data: bytes, checksum: str | None = None, **more: object) -> Release:
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}" if checksum is None else checksum
    url = server.at("/set.zip", send(data))
    return Release("set", "for research.", "It is SET.", (Archive(url, checksum, len(data), **more),))


def test_a_release_becomes_a_folder_once_and_its_archives_go(server, tmp_path, capsys):
    found = release(server, zipped({"images/a.txt": b"1"}), into="inner")
    for _ in range(2):
        fill(found, tmp_path / "sets/set")
    assert (tmp_path / "sets/set/inner/images/a.txt").read_bytes() == b"1"
    assert leftovers(tmp_path / "sets") == ["set"] and len(server.requests) == 1
    said = capsys.readouterr().err
    assert said.startswith("set: for research.\n")
    assert said.endswith(f"{tmp_path / 'sets/set'}: is there and is taken as it is; nothing is downloaded.\n")


def test_an_empty_folder_is_filled_and_another_is_left_alone(server, tmp_path):
    found = release(server, zipped({"a.txt": b"1"}))
    (tmp_path / "empty").mkdir()
    fill(found, tmp_path / "empty")
    assert leftovers(tmp_path / "empty") == ["a.txt"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    fill(found, tmp_path / "mine")
    assert leftovers(tmp_path / "mine") == ["notes.txt"]
    assert "is a file. `root` takes a folder." in refusal(lambda: fill(found, tmp_path / "mine/notes.txt"))


def test_a_bad_archive_without_checksum_is_fetched_again(server, tmp_path, capsys):
    found = release(server, zipped({"../a.txt": b"1"}), checksum="")
    message = refusal(lambda: fill(found, tmp_path / "set"))
    assert "refused: its member '../a.txt'" in message
    assert (
        "It was deleted: the same command fetches it again.\nOr get it by hand and give `root`. It is SET."
        in message
    )
    assert "set.zip: no checksum is known: checked is only that it unpacks" in capsys.readouterr().err
    assert leftovers(tmp_path) == [".set.download"] and leftovers(tmp_path / ".set.download") == ["process"]
    fill(release(server, zipped({"a.txt": b"1"}), checksum=""), tmp_path / "set")
    assert leftovers(tmp_path) == ["set"]


def test_two_processes_do_not_fill_one_folder(server, tmp_path):
    found = release(server, zipped({"a.txt": b"1"}))
    store = tmp_path / ".set.download"
    store.mkdir()
    with lock(store / "process", lambda holder: AssertionError(holder)):
        assert refusal(lambda: fill(found, tmp_path / "set")).startswith(
            f"{store}: process {os.getpid()} on {platform.node()} is filling it. Wait until that is done."
        )
    assert server.requests == []
    fill(found, tmp_path / "set")
    assert leftovers(tmp_path) == ["set"]


def test_two_processes_do_not_fetch_one_file(server, tmp_path):
    url = server.at("/a", send())
    with Partial(tmp_path / "a", url).alone():
        assert refusal(lambda: fetch(url, tmp_path / "a")) == (
            f"{tmp_path / 'a.partial'}: another process is fetching it. Wait until that is done."
        )
        assert server.requests == []
    fetch(url, tmp_path / "a", checksum=SHA)
    assert leftovers(tmp_path) == ["a"]


def test_a_disk_that_cannot_hold_it_is_refused_before_anything_is_fetched(server, tmp_path, monkeypatch):
    found = Release("set", "free.", "It is SET.", (Archive("http://127.0.0.1:9/a", size=3 * 10**9),))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5 * 10**9))
    assert refusal(lambda: fill(found, tmp_path / "set")).startswith(
        f"{tmp_path}: too little room: set needs 6.0 GB, of which the archives, half, are deleted at the end;"
    )


def test_what_may_not_be_fetched_is_said_with_where_to_get_it(tmp_path, capsys):
    assert main(["convert", "cityscapes", "--download", "--root", str(tmp_path), "--output", "x"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: cityscapes cannot be downloaded by a program: it is given out after registration, for "
        "non-commercial use. Get it by hand and give --root. It is the folder that leftImg8bit_trainvaltest.zip and"
    )


def test_every_published_source_says_where_each_folder_comes_from():
    for name in SOURCES:
        source = SOURCES.load(name)
        assert bool(source.releases) == bool(getattr(source, "name", "")), name
        for field, found in getattr(source, "releases", {}).items():
            assert field in source.__dataclass_fields__
            assert found.terms.endswith(".") and "http" in found.layout
            for archive in found.archives:
                assert archive.name.endswith((".zip", ".tar", ".tgz", ".tar.gz"))
                algorithm, _, digest = archive.checksum.partition(":")
                assert len(digest) == {"sha256": 64, "md5": 32, "": 0}[algorithm]


def test_a_folder_that_a_source_does_without_is_not_fetched(server, tmp_path, monkeypatch):
    found = release(server, zipped({"a.txt": b"1"}))
    monkeypatch.setattr(Voc2012Aug, "releases", {"voc": found, "sbd": found})
    download(Voc2012Aug(voc=tmp_path / "voc"))
    assert leftovers(tmp_path) == ["voc"]
    download(Voc2012Aug(voc=tmp_path / "voc", sbd=tmp_path / "sbd"))
    assert leftovers(tmp_path) == ["sbd", "voc"]


def kvasir() -> bytes:
    members = {}
    for index in range(4):
        for folder, pixels in (
            ("images", np.full((8, 8, 3), 90, np.uint8)),
            ("masks", np.eye(8, dtype=np.uint8) * 255),
        ):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=100)
            members[f"Kvasir-SEG/{folder}/{index}.jpg"] = buffer.getvalue()
    return zipped(members)


def test_convert_downloads_into_the_cache_or_into_root(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(KvasirSeg, "releases", {"root": release(server, kvasir())})
    monkeypatch.setenv("KERSEG_DATA", str(tmp_path / "cache"))
    command = ["convert", "kvasir_seg", "--download", "--workers", "1", "--output"]
    assert main([*command, str(tmp_path / "one")]) == 0
    said = capsys.readouterr()
    assert "train: 4 pairs in 1 shards" in said.out
    assert "kvasir_seg: train has 4 images; 1,000 were published. Is the folder complete?" in said.err
    assert leftovers(tmp_path / "cache") == ["set"]
    assert main([*command, str(tmp_path / "two"), "--root", str(tmp_path / "raw")]) == 0
    assert leftovers(tmp_path / "raw") == ["Kvasir-SEG"]
    capsys.readouterr()
    assert main([*command, str(tmp_path / "three"), "--val-share", "0.25"]) == 0
    said = capsys.readouterr()
    assert "train: 3 pairs" in said.out and "val: 1 pairs" in said.out
    assert "kvasir_seg: train has 4 images; 1,000 were published." in said.err
    assert len(server.requests) == 2
    # Without --download the folder must be named.
    assert main(["convert", "kvasir_seg", "--output", str(tmp_path / "four")]) == 2


def test_a_server_s_refusal_ends_with_how_to_do_it_by_hand(server, tmp_path):
    url = server.at("/set.zip", send(b"", status=404))
    found = Release("set", "free.", "It is SET, from https://example.org.", (Archive(url),))
    assert refusal(lambda: fill(found, tmp_path / "set")).splitlines() == [
        f"{url}: the server answers 404 Not Found.",
        "Or get it by hand and give `root`. It is SET, from https://example.org.",
    ]
    assert refusal(lambda: fill(Release("x", "no.", "It is X."), tmp_path / "x"), ConfigError).endswith(
        "It is X."
    )


# --- hostile servers and archives


def chunked(data: bytes, *, cut: bytes = b"0\r\n\r\n", **headers: str) -> Answer:
    """Return an answer in one chunk that ends with ``cut``."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n" + cut)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answer with ever more, and no length."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(DATA)


@pytest.mark.parametrize("answer", [endless, chunked(DATA * 3)])
def test_a_file_that_does_not_end_is_stopped_at_its_size(server, tmp_path, answer):
    url = server.at("/a", answer)
    assert refusal(lambda: fetch(url, tmp_path / "a", size=len(DATA))) == (
        f"{url}: not the file that is expected: the server sends more than 300,000 bytes."
    )
    assert leftovers(tmp_path) == [] and len(server.requests) == 1


def test_a_file_of_no_known_size_is_stopped_where_the_disk_ends(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    assert "the server sends more than 1,000,000 bytes" in refusal(
        lambda: fetch(server.at("/a", endless), tmp_path / "a")
    )
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "9" * 40])
def test_a_length_that_is_none_is_refused(server, tmp_path, length):
    url = server.at("/a", send(length=length))
    message = refusal(lambda: fetch(url, tmp_path / "a"))
    assert message.startswith(f"{url}: not the file that is expected: ")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("cut", [b"", b"5\r\nabc", b"zz\r\n", b"\xff\xff"])
def test_a_chunked_body_that_is_cut_is_not_whole(server, tmp_path, waits, cut):
    url = server.at("/a", chunked(DATA, cut=cut))
    assert refusal(lambda: fetch(url, tmp_path / "a")).startswith(f"{url}: gave up after 5 attempts: ")
    server.answers["/a"] = [chunked(DATA)]
    fetch(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_part_that_does_not_say_of_which_version_it_is_is_not_spliced(server, tmp_path):
    url = server.at("/a", send(until=HALF), send(OTHER, etag=None, honest=False), send(OTHER, etag='"two"'))
    fetch(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == OTHER
    assert server.asked("range") == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize("facts", [b"", b"[]", b'{"total": "abc"}', b'{"total": -1}', b"\xff", b"[" * 10_000])
def test_facts_that_are_none_begin_anew(server, tmp_path, facts):
    (tmp_path / "a.partial").write_bytes(OTHER[:HALF])
    (tmp_path / "a.partial.json").write_bytes(facts)
    fetch(server.at("/a", send()), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA and server.asked("range") == [None]


BOMB = bytes(2**20)
BOMBS = {
    "zip": lambda: zipped({f"{number}": BOMB for number in range(120)}, zipfile.ZIP_DEFLATED),
    "tar.gz": lambda: tarred({f"{number}": BOMB for number in range(120)}),
    "many files": lambda: tarred({f"{number}": b"" for number in range(30_000)}),
    "behind the end": lambda: gzip.compress(tarred({"a": b"1"}, "w") + bytes(120 * 2**20)),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unpacks_to_far_more_than_it_is_is_refused(tmp_path, kind):
    data = BOMBS[kind]()
    (tmp_path / "a").write_bytes(data)
    assert refusal(lambda: unpack(tmp_path / "a", tmp_path / "out")) == (
        f"{tmp_path / 'a'}: refused: unpacked it would take more than {20 * len(data) + 64 * 2**20:,} bytes, "
        "20 times its own size. No published data set does."
    )
    if kind == "zip":  # whose list of contents is read first
        assert leftovers(tmp_path / "out") == []


def test_an_archive_that_the_disk_has_no_room_for_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=150_000))
    for name, data in (("a.zip", zipped({"a": DATA[:HALF], "b": DATA})), ("a.tar", tarred({"b": DATA}, "w"))):
        (tmp_path / name).write_bytes(data)
        assert "too little room: " in refusal(lambda name=name: unpack(tmp_path / name, tmp_path / "out"))
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "FIFOTYPE", "BLKTYPE", "GNUTYPE_SPARSE"])
@pytest.mark.parametrize("target", ["inside", "../../evil"])
def test_tars_hold_plain_files_alone(tmp_path, kind, target):
    data = tarred({"inside": b"1"}, "w")[:1024] + tarred(
        {"odd": b""}, "w", type=getattr(tarfile, kind), linkname=target
    )
    (tmp_path / "a.tar").write_bytes(data)
    assert "its member 'odd' would be written outside the folder, or is no plain file" in refusal(
        lambda: unpack(tmp_path / "a.tar", tmp_path / "out/in")
    )
    assert leftovers(tmp_path / "out/in") == ["inside"] and leftovers(tmp_path / "out") == ["in"]


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "its member 'link' would" in refusal(lambda: unpack(tmp_path / "a.zip", tmp_path / "out"))


def packed(name: str, data: bytes) -> bytes:
    return {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}[name](
        data
    )


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_that_is_cut_at_the_end_of_a_member_is_damaged(tmp_path, kind):
    whole = tarred({"a": b"1" * 512, "b": b"2" * 512}, "w")
    (tmp_path / "whole").write_bytes(packed(kind, whole))
    unpack(tmp_path / "whole", tmp_path / "out")
    assert leftovers(tmp_path / "out") == ["a", "b"]
    for cut in (1024, 1024 + 512, 2048):
        (tmp_path / "cut").write_bytes(packed(kind, whole[:cut]))
        assert "damaged archive: " in refusal(lambda: unpack(tmp_path / "cut", tmp_path / "cut-out"))


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_packed_tar_whose_end_is_missing_or_wrong_is_damaged(tmp_path, kind):
    whole = packed(kind, tarred({"a": DATA}, "w"))
    for data in (whole[:-6], whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], whole[: len(whole) // 2]):
        (tmp_path / "a").write_bytes(data)
        assert "damaged archive: " in refusal(lambda: unpack(tmp_path / "a", tmp_path / "out"))


def test_a_header_that_claims_a_gigabyte_is_not_read(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    (tmp_path / "a.tgz").write_bytes(gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**20)))
    message = refusal(lambda: unpack(tmp_path / "a.tgz", tmp_path / "out"))
    assert "a header of 1,073,741,824 bytes" in message or "neither zip nor tar" in message


def test_a_name_that_is_a_file_and_a_folder_is_the_archive_s_fault(tmp_path):
    for name, data in (
        ("a.tar", tarred({"x": b"1", "x/y": b"2"}, "w")),
        ("a.zip", zipped({"x": b"1", "x/y": b"2"})),
    ):
        (tmp_path / name).write_bytes(data)
        message = refusal(lambda name=name: unpack(tmp_path / name, tmp_path / f"out-{name}"))
        assert message.endswith("is a file in it and a folder.")
