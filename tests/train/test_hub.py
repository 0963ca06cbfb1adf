"""Weights from the hub: the real client against a hub on this machine."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from leadlab_train.errors import CheckpointError
from leadlab_train.hub import ONE_LEAD, fetch_weights

COMMIT, OLD = "a" * 40, "b" * 40
REPOS = {
    "them/ecgfounder": {
        "12_lead_ECGFounder.pth": b"twelve",
        ONE_LEAD: b"one lead",
        "README.md": b"-",
    },
    "them/nested": {f"weights/{ONE_LEAD}": b"nested", "other.pth": b"other"},
    "them/single": {"model.safetensors": b"single", "config.json": b"{}"},
    "them/several": {"a.pth": b"a", "b.safetensors": b"b"},
    "them/texts": {"README.md": b"-"},
}
REVISIONS = {"main": COMMIT, COMMIT: COMMIT, "v1": OLD, "refs/pr/1": OLD}


class Hub(ThreadingHTTPServer):
    """The three requests that the client makes, with the headers it reads."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.cut_short = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.asked.append(f"{self.command} {path}")
        listing = path.startswith("api/models/")
        repo, _, rest = _after_repo(path.removeprefix("api/models/"))
        if repo == "them/gated":
            return self.refuse(403, "GatedRepo")
        if repo not in REPOS:
            return self.refuse(404, "RepoNotFound")
        revision = next((r for r in REVISIONS if rest == r or rest.startswith(f"{r}/")), None)
        if revision is None:
            return self.refuse(404, "RevisionNotFound")
        if listing:
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in REPOS[repo].items()
            ]
            return self.reply(json.dumps(entries).encode(), REVISIONS[revision])
        data = REPOS[repo].get(rest.removeprefix(f"{revision}/"))
        if data is None:
            return self.refuse(404, "EntryNotFound")
        return self.reply(data + revision.encode(), REVISIONS[revision])

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, data: bytes, commit: str) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:1] if self.server.cut_short else data)


def _after_repo(path: str) -> tuple[str, str, str]:
    """Split ``ORG/NAME/resolve|tree/REST``."""
    organisation, name, verb, *rest = [*path.split("/"), "", ""]
    return f"{organisation}/{name}", verb, "/".join(rest).strip("/")


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client waits between its tries
    return lambda spec: fetch_weights(spec, endpoint=hub.url, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("spec", "name", "content"),
    [
        ("hf:them/ecgfounder", ONE_LEAD, b"one leadmain"),
        ("hf:them/ecgfounder/12_lead_ECGFounder.pth", "12_lead_ECGFounder.pth", b"twelvemain"),
        ("hf:them/ecgfounder@v1", ONE_LEAD, b"one leadv1"),
        ("hf:them/ecgfounder@refs/pr/1", ONE_LEAD, b"one leadrefs/pr/1"),
        (f"hf:them/ecgfounder/README.md@{COMMIT}", "README.md", b"-" + COMMIT.encode()),
        ("hf:them/nested", ONE_LEAD, b"nestedmain"),
        (f"hf:them/nested/weights/{ONE_LEAD}@v1", ONE_LEAD, b"nestedv1"),
        ("hf:them/nested/other.pth", "other.pth", b"othermain"),
        ("hf:them/single@v1", "model.safetensors", b"singlev1"),
    ],
)
def test_the_file_that_was_asked_for_is_fetched(fetch, hub, spec, name, content):
    path = fetch(spec)
    assert path.name == name
    assert path.read_bytes() == content
    assert len([line for line in hub.asked if line.startswith("GET them/")]) == 1


def test_a_fetched_file_is_not_fetched_again_and_needs_no_network(fetch, hub):
    first = fetch("hf:them/ecgfounder")
    hub.asked.clear()
    assert fetch("hf:them/ecgfounder") == first
    assert not [line for line in hub.asked if line.startswith("GET")]
    hub.shutdown()
    hub.server_close()
    assert fetch("hf:them/ecgfounder") == first


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hf:them/nothing", "no repository them/nothing, or it is private.*check the name"),
        ("hf:them/gated", "ask for consent.*accept their terms"),
        ("hf:them/ecgfounder@v9", "has no revision v9.*after @"),
        (
            "hf:them/ecgfounder/3_lead.pth",
            f"no file 3_lead.pth.*12_lead_ECGFounder.pth, {ONE_LEAD}",
        ),
        ("hf:them/several", r"neither .* Its weights \(2\): a.pth, b.safetensors.*/FILE"),
        ("hf:them/several@v1", "them/several@v1 holds neither .* hf:them/several/FILE@v1"),
        ("hf:them/texts", "no file that ends in .safetensors or .pth.*name another"),
        ("hf:them/.bad..name", "check the name"),
        ("hf:them/ecgfounder/../../x.pth", "cannot be fetched|holds no file"),
    ],
)
def test_what_cannot_be_had_is_said_with_a_remedy(fetch, hub, tmp_path, spec, says):
    with pytest.raises(CheckpointError, match=f"(?s){says}") as caught:
        fetch(spec)
    assert "Remedy: " in str(caught.value)
    assert not [line for line in hub.asked if line.startswith("GET them/")]
    assert not [file for file in tmp_path.rglob("*.pth") if file.stat().st_size]


@pytest.mark.parametrize(
    "spec", ["them/ecgfounder", "hf:", "hf:ecgfounder", "hf:them/", "hf:a/b@", "hf:a b/c", "x.pth"]
)
def test_what_is_no_address_is_refused_before_any_request(fetch, hub, spec):
    with pytest.raises(CheckpointError, match="write hf:ORG/NAME"):
        fetch(spec)
    assert hub.asked == []


def test_without_a_network_the_error_says_so(fetch, hub):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(CheckpointError, match=r"the hub does not answer.*check the network"):
        fetch("hf:them/ecgfounder")


def test_a_download_that_is_cut_short_is_no_file(fetch, hub, tmp_path):
    hub.cut_short = True
    with pytest.raises(CheckpointError, match="cannot be fetched"):
        fetch("hf:them/ecgfounder")
    assert not list(Path(tmp_path).rglob(ONE_LEAD))


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r"pip install 'leadlab\[hub\]'.*give its path"):
        fetch_weights("hf:them/ecgfounder")
