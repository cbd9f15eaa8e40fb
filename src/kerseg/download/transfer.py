"""One file over HTTP, gone on with where an earlier attempt stopped.

What has arrived lies beside the place of the file (`kerseg.download.partial`). The server is asked for the rest of
just that version (``Range`` and ``If-Range``, RFC 9110 sections 13.1.5 and 14.2); if it has another one by now, or
does not send parts, the file is fetched from its start. The file gets its name when size and checksum are right.
"""

import hashlib
import http.client
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import requests
import urllib3

from kerseg.__version__ import __version__
from kerseg.core.console import printable
from kerseg.core.progress import Progress
from kerseg.download.partial import Partial
from kerseg.errors import DataError

CHUNK = 2**16
MEGABYTE = 10**6
TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""
ATTEMPTS = 5
"""Attempts in a row that bring nothing new before giving up."""
LONGEST_WAIT = 60.0

_RETRIED = (408, 425, 429, 500, 502, 503, 504)


class _PassingError(Exception):
    """A fault that another attempt may not meet.

    Args:
        reason: For the message.
        wait: Seconds that the server asks for.
    """

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def fetch(url: str, path: Path, *, size: int | None = None, checksum: str = "") -> None:
    """Download ``url`` to ``path``, going on with what an earlier attempt has left.

    Args:
        url: HTTP or HTTPS; redirections are followed.
        path: File to make. If it is there and has the checksum, nothing is done.
        size: Of the file, bytes, where it is known.
        checksum: ``"sha256:..."`` or ``"md5:..."``; ``""`` where none is known.

    Raises:
        DataError: The server refuses, sends something else, or does not answer; or the disk is full. What has
            arrived stays for the next run, unless it is wrong.

    Example:
        >>> fetch("https://example.org/a.zip", Path("a.zip"), size=1204)  # doctest: +SKIP
    """
    if path.exists() and not _wrong(path, size, checksum):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Partial(path, url)
    try:
        with partial.alone():
            _fetch(partial, path, size, checksum)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}.") from error


def _fetch(partial: Partial, path: Path, size: int | None, checksum: str) -> None:
    url, resumed = partial.url, partial.size > 0
    _receive_all(partial, size, bool(checksum))
    if (wrong := _wrong(partial.path, size, checksum)) and resumed:
        # The pieces may be of two versions of the file.
        partial.discard()
        _receive_all(partial, size, bool(checksum))
        wrong = _wrong(partial.path, size, checksum)
    if wrong:
        partial.discard()
        raise DataError(
            f"{url}: not the file that is expected: {wrong}. It was deleted. The file on the server has changed, "
            "or something on the way has changed it."
        )
    partial.become(path)


def _receive_all(partial: Partial, size: int | None, has_checksum: bool) -> None:
    """Receive until the file is complete; attempts that bring nothing new are counted."""
    best, failures = partial.size, 0
    with ExitStack() as stack:
        meter = _Meter(stack, partial.path.name.removesuffix(".partial"))
        while True:
            try:
                return _receive(partial, size, has_checksum, meter)
            except _PassingError as error:
                failures = 0 if partial.size > best else failures + 1
                best = max(best, partial.size)
                if failures >= ATTEMPTS:
                    raise DataError(
                        f"{partial.url}: gave up after {failures} attempts: {error}. {_kept(partial)}"
                    ) from error
                time.sleep(min(max(2.0**failures, error.wait), LONGEST_WAIT))
            except OSError as error:
                raise DataError(
                    f"{partial.path}: cannot be written: {error.strerror}. {_kept(partial)}"
                ) from error


def _receive(partial: Partial, size: int | None, has_checksum: bool, meter: "_Meter") -> None:
    """Ask once for what is missing, and write it down."""
    start = partial.size
    if start and start in (size, partial.total):
        return
    headers = {"User-Agent": f"kerseg/{__version__}", "Accept-Encoding": "identity"}
    if start and (partial.validator or has_checksum):
        headers["Range"] = f"bytes={start}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    try:
        response = requests.get(partial.url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise DataError(f"{partial.url}: not an address that can be fetched: {error}.") from error
    except requests.RequestException as error:
        raise _PassingError(_reason(error)) from error
    with response:
        total = _accept(response, partial, size)
        if (missing := total - partial.size) > (free := shutil.disk_usage(partial.path.parent).free):
            raise DataError(
                f"{partial.path.parent}: too little room: {missing / 1e9:.1f} GB are still to come, "
                f"{free / 1e9:.1f} GB are free. {_kept(partial)}"
            )
        meter.show(total, partial.size)
        limit = size or total or start + shutil.disk_usage(partial.path.parent).free
        arrived = partial.size
        with partial.path.open("ab") as file:
            try:
                # As sent: a .tgz that a server calls "gzip-encoded" must not be unpacked on the way.
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    arrived += len(chunk)
                    if arrived > limit:
                        break
                    file.write(chunk)
                    meter.advance(len(chunk))
            except (urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
                raise _PassingError(_reason(error)) from error
    if arrived > limit:
        partial.discard()
        raise DataError(
            f"{partial.url}: not the file that is expected: the server sends more than {limit:,} bytes."
        )
    if partial.size < total:
        raise _PassingError(f"the connection ended after {partial.size:,} of {total:,} bytes")


def _accept(response: requests.Response, partial: Partial, size: int | None) -> int:
    """Judge the answer, and prepare to write at the right place.

    Returns:
        Size of the whole file, 0 if the server does not say.

    Raises:
        _PassingError: Another attempt may help.
        DataError: None will.
    """
    url, status = partial.url, f"{response.status_code} {response.reason}"
    if response.status_code in _RETRIED:
        raise _PassingError(f"the server answers {status}", _seconds(response.headers.get("Retry-After", "")))
    if response.status_code == 416:
        # It has no more than has arrived, which then is of another version, or complete but for the checks.
        partial.discard()
        raise _PassingError(f"the server answers {status}")
    if response.status_code not in (200, 206):
        raise DataError(f"{url}: the server answers {status}.")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise DataError(
            f"{url}: the server sends a web page in place of the file; it may ask for a login, or be out of order."
        )
    validator = _validator(response)
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        first, total = (int(match[1]), int(match[2])) if match else (-1, 0)
        # What says nothing of its version may be of another one.
        changed = validator != partial.validator or partial.total not in (0, total)
        if first != partial.size or changed:
            partial.discard()
            raise _PassingError("the server sends another part, or the file has changed")
        return _of_size(url, total, size)
    total = _of_size(url, _length(response), size)
    partial.begin(validator, total)
    return total


def _length(response: requests.Response) -> int:
    """Return the length that the server announces, 0 if it does not."""
    text = response.headers.get("Content-Length", "").strip()
    if not text or (text.isascii() and text.isdecimal() and len(text) < 19):
        return int(text or 0)
    raise DataError(
        f"{response.url}: not the file that is expected: the server says that its length is {text!r:.60}."
    )


def _of_size(url: str, total: int, size: int | None) -> int:
    if size is not None and total and total != size:
        raise DataError(
            f"{url}: not the file that is expected: {total:,} bytes; expected {size:,}. The file on the server has "
            "changed."
        )
    return total


def _validator(response: requests.Response) -> str:
    """Return what identifies this version of the file to the byte; ``""`` if nothing does."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _wrong(path: Path, size: int | None, checksum: str) -> str:
    """Return what is wrong with a file; ``""`` if it is the one expected."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} bytes; expected {size:,}"
    if checksum:
        algorithm, _, expected = checksum.partition(":")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        if digest != expected.lower():
            return f"{path.name.removesuffix('.partial')} has the {algorithm} {digest}; expected {expected}"
    return ""


def _reason(error: Exception) -> str:
    """Return the innermost cause of an error of requests or urllib3, which wrap each other's."""
    cause: BaseException = error
    for _ in range(8):  # they may refer to one another in a circle
        inner = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return printable(f"{type(cause).__name__}: {cause!s:.300}")


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


def _kept(partial: Partial) -> str:
    if not partial.size:
        return "Try again later."
    return f"The {partial.size:,} bytes that have arrived are kept: the same command goes on with them."


class _Meter:
    """The progress bar of one file, which is shown once its size is known."""

    def __init__(self, stack: ExitStack, name: str):
        self._stack, self._name = stack, name
        self._advance: Callable[[int], None] | None = None
        self._done = self._shown = 0

    def show(self, total: int, done: int) -> None:
        """Say how much there is, and how much has arrived; less than before if the file starts anew."""
        if self._advance is None:
            megabytes = -(-total // MEGABYTE) if total else None
            bar = Progress(f"download {self._name}", total=megabytes, unit="MB")
            self._advance = self._stack.enter_context(bar).advance
        self._done = done
        self._tell()

    def advance(self, size: int) -> None:
        """Report that many bytes more."""
        self._done += size
        self._tell()

    def _tell(self) -> None:
        megabytes = -(-self._done // MEGABYTE)
        if self._advance and megabytes != self._shown:
            self._advance(megabytes - self._shown)
            self._shown = megabytes
