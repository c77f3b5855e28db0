from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.run import Run


def test_training_is_handed_what_was_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import l2ltr_core.training as training

    calls = []

    def train(*args: object, **options: object) -> SimpleNamespace:
        calls.append((args, options))
        options["on_report"](
            SimpleNamespace(stage="layers", step=1, steps=9, eta_seconds=60, values={"loss": 0.5}, note="")
        )  # type: ignore[operator]
        options["on_report"](  # type: ignore[operator]
            SimpleNamespace(
                stage="layers", step=2, steps=9, eta_seconds=60, values={}, note="Memory is full."
            )
        )
        card = SimpleNamespace(name="run", fingerprint="abc")
        return SimpleNamespace(finished=True, cards=(card,), out_dir=tmp_path)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(training, "load_config", lambda path: f"the settings in {path.name}")
    datasets = ["--dataset", "a", "--dataset", "b"]
    more = ["--validation-pairs", "pairs", "--cache", tmp_path / "cache"]
    run = Run(capsys, "train", *datasets, "--config", "run.toml", "--out", tmp_path, "--resume", *more)
    assert run.code == 0, run.err
    assert calls[0][0] == ("the settings in run.toml", ["a", "b"], tmp_path, True)
    assert calls[0][1]["validation_pairs"] == "pairs" and calls[0][1]["cache_dir"] == tmp_path / "cache"
    assert "fingerprint abc" in run.out
    assert "layers 1/9 loss 0.5 1 min left" in run.err and "layers 2/9 Memory is full." in run.err
