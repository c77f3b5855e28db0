"""Checkpoints by `hf://owner/name`, from and to a hub that runs on this machine for the test."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from l2ltr_core.checkpoints import load_card, load_encoder, push_checkpoint, save_checkpoint
from l2ltr_core.cli import main
from l2ltr_core.errors import CheckpointError
from l2ltr_core.model.config import CheckpointCard, ModelConfig, ViewConfig
from l2ltr_core.model.network import L2LTR

CONFIG = ModelConfig(
    stem="patch", width=32, depth=2, heads=2, mlp_width=32, ground_size_px=(16, 64), aerial_size_px=(16, 64)
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_let_me_in"


class Hub(ThreadingHTTPServer):
    """One folder as the repository `owner/tiny`, in the hub's way; who has the token may write to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.asked: list[str] = []
        self.created: list[dict] = []
        self.broken = False


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if self.server.broken:
            self.reply(500, b"")
        elif path.startswith("/api/models/owner/tiny"):
            self.answer_api(path.removeprefix("/api/models/owner/tiny"))
        elif path.startswith("/owner/tiny/resolve/"):
            _, name = path.removeprefix("/owner/tiny/resolve/").split("/", 1)
            content = (self.server.folder / name).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            self.reply(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        else:
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        mine = f"http://{self.headers['Host']}/owner/tiny"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.reply(401, b"")
        elif self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            self.reply_json({"url": mine})
        elif self.path == "/api/models/owner/tiny/preupload/main":
            wanted = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in wanted]
            self.reply_json({"files": modes})
        elif self.path == "/api/models/owner/tiny/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    (self.server.folder / line["value"]["path"]).write_bytes(content)
            self.reply_json({"commitOid": COMMIT, "commitUrl": f"{mine}/commit/{COMMIT}"})
        else:
            self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})

    def answer_api(self, question: str) -> None:
        revision = question.rpartition("/")[2] or "main"
        if revision not in ("main", COMMIT):
            self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(path.name for path in self.server.folder.iterdir())
        if question.startswith("/tree/"):
            entries = [
                {"type": "file", "path": name, "oid": "0", "size": (self.server.folder / name).stat().st_size}
                for name in files
            ]
            self.reply_json(entries)
        else:
            about = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            self.reply_json(about)

    def reply_json(self, value: object) -> None:
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def reply(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository, and an empty cache."""
    folder = tmp_path / "repository"
    torch.manual_seed(0)
    save_checkpoint(L2LTR(CONFIG), CheckpointCard("tiny", CONFIG, ViewConfig(chip_m=50)), folder)
    (folder / "README.md").write_text("# A repository has other files too")
    (folder / "config.json").write_text("{}")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    constants = huggingface_hub.constants
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_checkpoint_loads_from_the_hub_as_from_its_folder(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = load_encoder("hf://owner/tiny")
    local = load_encoder(hub.folder / "tiny.json")
    views = np.random.default_rng(0).integers(0, 255, (2, 16, 64, 3), np.uint8)
    assert encoder.card == local.card
    np.testing.assert_array_equal(
        encoder.encode_aerial(views, prepared=True), local.encode_aerial(views, prepared=True)
    )
    assert capsys.readouterr() == ("", "")


def test_only_the_checkpoints_files_are_downloaded(hub: Hub) -> None:
    load_encoder("hf://owner/tiny@main")
    assert not any("README" in path for path in hub.asked)


def test_a_checkpoint_may_be_asked_for_at_a_commit(hub: Hub) -> None:
    assert load_card(f"hf://owner/tiny@{COMMIT}").name == "tiny"


def test_what_was_downloaded_before_is_used_when_the_hub_is_gone(hub: Hub) -> None:
    load_encoder("hf://owner/tiny")
    hub.shutdown()
    hub.server_close()
    assert load_encoder("hf://owner/tiny").name == "tiny"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("hf://owner/other", "http://127.0.0.1:.* has no repository owner/other open to you"),
        ("hf://owner/tiny@v9", "The repository owner/tiny has no revision v9"),
        ("hf://tiny", "hf://tiny is not an address; give hf://owner/name"),
        ("hf://own er/ti ny", "is not an address that a hub can have"),
    ],
)
def test_an_address_that_is_not_there_is_refused_in_one_sentence(
    hub: Hub, address: str, sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_encoder(address)
    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_an_error_within_seconds(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(CheckpointError, match="does not answer, and owner/tiny has not been downloaded"):
        load_encoder("hf://owner/tiny")
    assert time.monotonic() - start < 20


def test_weights_that_were_altered_on_the_hub_are_refused(hub: Hub) -> None:
    weights = hub.folder / "tiny.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is not the file that tiny\.json describes"):
        load_encoder("hf://owner/tiny")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint that is not on the hub, and the token of its owner."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    torch.manual_seed(1)
    save_checkpoint(L2LTR(CONFIG), CheckpointCard("mine", CONFIG, ViewConfig(chip_m=50)), tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("not for others")
    return tmp_path / "mine"


def emptied(hub: Hub) -> Hub:
    for path in hub.folder.iterdir():
        path.unlink()
    return hub


def test_a_checkpoint_is_pushed_in_one_command_and_loads_from_there(
    hub: Hub, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emptied(hub)
    assert main(["checkpoint", "push", str(mine), "hf://owner/tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.strip().endswith(COMMIT)
    assert err == ""
    assert sorted(path.name for path in hub.folder.iterdir()) == ["mine.json", "mine.safetensors"]
    assert load_encoder("hf://owner/tiny").card == load_card(mine)
    (created,) = hub.created
    assert created.get("private") or created.get("visibility") == "private"  # by the library's version


def test_pushing_without_the_right_token_is_refused_in_one_sentence(
    hub: Hub, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_someone_else")
    sentence = "does not let you do that with owner/tiny; set HF_TOKEN"
    with pytest.raises(CheckpointError, match=sentence) as caught:
        push_checkpoint(mine, "hf://owner/tiny")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("hf://owner/tiny", r"holds tiny\.safetensors already; a checkpoint needs one of its own"),
        ("hf://owner/tiny@v9", "The repository owner/tiny has no revision v9"),
        ("owner/tiny", "owner/tiny is not an address; give hf://owner/name"),
    ],
)
def test_a_repository_that_cannot_take_the_checkpoint_is_left_as_it_was(
    hub: Hub, mine: Path, address: str, sentence: str
) -> None:
    before = sorted(hub.folder.iterdir())
    with pytest.raises(CheckpointError, match=sentence):
        push_checkpoint(mine, address)
    assert sorted(hub.folder.iterdir()) == before


def test_weights_that_disagree_with_their_card_are_not_pushed(hub: Hub, mine: Path) -> None:
    weights = mine / "mine.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is not the file that mine\.json describes"):
        push_checkpoint(mine, "hf://owner/tiny")
    assert hub.created == []


def test_pushing_to_a_hub_that_does_not_answer_is_one_sentence(
    hub: Hub, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match="owner/tiny cannot be uploaded: ") as caught:
        push_checkpoint(mine, "hf://owner/tiny")
    assert "\n" not in str(caught.value)
