import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request

import pytest

from hierprune.examples import download as module
from hierprune.examples.download import answering, download
from hierprune.examples.idx import IdxSet, read_folder

DEAD = "http://127.0.0.1:9"  # the discard port: nobody listens


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A mirror on this machine, and its folder."""
    root = tmp_path / "site"
    root.mkdir()
    handler = functools.partial(Quiet, directory=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()
        thread.join()


def fill(root: Path, contents: dict[str, bytes]) -> None:
    root.mkdir(exist_ok=True)
    for name, data in contents.items():
        (root / f"{name}.gz").write_bytes(gzip.compress(data, 1))


def test_first_good_copy_counts(
    site: tuple[str, Path],
    contents: dict[str, bytes],
    files: IdxSet,
    tmp_path: Path,
):
    url, root = site
    fill(root / "bad", contents | {"t10k-labels-idx1-ubyte": b"a page of a hotel's network"})
    fill(root / "good", contents)
    mirrored = replace(files, mirrors=(DEAD, f"{url}/bad", f"{url}/good"))
    assert download(mirrored, tmp_path / "kept")
    assert read_folder(files, tmp_path / "kept").keys() == contents.keys()


def test_no_good_copy(
    site: tuple[str, Path],
    contents: dict[str, bytes],
    files: IdxSet,
    tmp_path: Path,
):
    url, root = site
    fill(root, contents | {"t10k-labels-idx1-ubyte": b"other"})
    assert not download(replace(files, mirrors=(url,)), tmp_path / "kept")


def test_nobody_answers(files: IdxSet, tmp_path: Path):
    assert not download(replace(files, mirrors=(DEAD,)), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_silent_mirror_is_not_waited_for(
    site: tuple[str, Path], contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    url, root = site
    fill(root, contents)
    released = threading.Event()
    urlopen = module.urlopen

    def slow(question: Request, timeout: float) -> object:
        if question.host == "silent":
            released.wait(30)
            raise ConnectionError
        return urlopen(question, timeout=timeout)

    monkeypatch.setattr(module, "urlopen", slow)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    assert answering(("http://silent", url)) == (url,)
    assert not released.is_set()
    released.set()
