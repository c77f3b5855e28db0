"""Self-cross against plain self-attention, and the paper's loss: short runs from several seeds.

    python scripts/ablation.py run KIND SEED    one run of `STEPS` steps on warmed-up stems (runs/ablation)
    python scripts/ablation.py table            what the runs measured, written into docs/ablation.md

The stems are those of the shipped checkpoint and do not move: a run trains the layers alone, from nothing, without
columns and without memory, so that what differs is attention or loss. Validation photos judge.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from build_assets import LATEST_FOREIGN, LATEST_HELSINKI, RUNS, VALIDATION, City

import l2ltr_core as l2
from l2ltr_core.assets import ASSETS
from l2ltr_core.datasets import open_dataset
from l2ltr_core.inspection import layer_cka, layer_similarity
from l2ltr_core.training import load_config, train
from l2ltr_core.training.config import StageConfig

FOLDER, PAGE = RUNS / "ablation", Path("docs/ablation.md")
KINDS = {
    "self-cross": ("self-cross", "infonce"),
    "self": ("self", "infonce"),
    "triplet": ("self-cross", "triplet"),
}
"""Attention and loss; only the first two are compared with each other in words."""
SEEDS = (1, 2, 3)
STEPS, PHOTOS = 300, 24
STEMS, CONFIG = ASSETS / "checkpoints" / "helsinki-l2ltr.safetensors", "configs/helsinki-l2ltr.toml"
FOREIGN = {"san-francisco": 4, "astana": 3, "monaco": 2, "all": 2, "quarter": 2, "uniform": 2}
"""So many cities of each kind, by city or by part: fewer than the checkpoints learned from, for short runs."""
MEASURES = {
    "validation photos found within 25 m": ("places_recall_within_25m", "{:.1%}"),
    "validation photos paired with their tile": ("paired_recall_at_1", "{:.1%}"),
    "cosine of a layer with the next, ground": ("neighbours_cosine", "{:.3f}"),
    "cosine of the first layer with the last": ("ends_cosine", "{:.3f}"),
    "CKA of a layer with the next": ("neighbours_cka", "{:.3f}"),
    "CKA of the first layer with the last": ("ends_cka", "{:.3f}"),
}


def run(kind: str, seed: int) -> None:
    """Train, look at the layers on some validation photos, and write it all into one JSON file."""
    name = f"{kind}-{seed}"
    attention, loss = KINDS[kind]
    config = load_config(CONFIG)
    config = replace(
        config, name=name, seed=seed, snapshots={},
        model=replace(config.model, attention=attention, column_width=0),
        objective=replace(config.objective, loss=loss),
        batches=replace(config.batches, memory_steps=0, memory_abroad=0, mine_every=STEPS // 3),
        main=StageConfig(steps=STEPS, learning_rate=config.main.learning_rate),
    )  # fmt: skip
    out = FOLDER / name
    result = train(
        config, [each.folder for each in cities()], out, (out / "state.pt").exists(),
        warm_start=STEMS, validation=VALIDATION.folder, cache_dir=FOLDER / "views",
    )  # fmt: skip
    if result.finished:
        measured = result.cards[0].results["validation"] | _layers(
            l2.load_encoder(out / f"{name}.safetensors")
        )
        (out / "measured.json").write_text(json.dumps(measured, indent=2) + "\n")


def cities() -> list[City]:
    """What every run learns from; `python scripts/build_assets.py worlds` renders them."""
    chosen = LATEST_HELSINKI[:4]
    for kind, count in FOREIGN.items():
        chosen += [city for city in LATEST_FOREIGN if kind in (city.city, city.part)][:count]
    return chosen


def _layers(encoder: l2.Encoder) -> dict[str, float]:
    """How alike the outputs of the layers are, over the ground tokens of `PHOTOS` validation photos."""
    queries = open_dataset(VALIDATION.folder).queries
    chosen = np.linspace(0, len(queries) - 1, PHOTOS).round().astype(int).tolist()
    tokens = np.concatenate(
        [encoder.layer_tokens(queries[k].load(), heading_deg=queries[k].heading_deg) for k in chosen], axis=1
    )
    found = {}
    for name, alike in (("cosine", layer_similarity(tokens)[1:, 1:]), ("cka", layer_cka(tokens)[1:, 1:])):
        found[f"neighbours_{name}"] = float(np.mean([alike[a, b] for a, b in pairwise(range(len(alike)))]))
        found[f"ends_{name}"] = float(alike[0, -1])
    return found


def table() -> None:
    """Mean and range over the seeds, side by side."""
    found = {kind: [each for seed in SEEDS if (each := _measured(kind, seed))] for kind in KINDS}
    found = {kind: each for kind, each in found.items() if each}
    if not {"self-cross", "self"} <= found.keys():
        sys.exit("Each kind of attention needs a finished run first.")
    lines = [
        "# Self-cross against self-attention", "",
        "The paper takes the keys of each layer from the layer below, and says that this keeps layers from becoming "
        "too alike and finds more. Here both kinds of attention learned from the same photos, on the same warmed-up "
        f"stems, for {STEPS} steps in {len(cities())} worlds, from several seeds (`scripts/ablation.py`, one core). "
        "The mean over the seeds, and in brackets the lowest and the highest."
        + (" The last column: self-cross attention under the paper's soft-margin triplet loss." * ("triplet" in found)),
        "",
        f"| | {' | '.join(found)} |", f"| --- |{' --- |' * len(found)}",
        f"| seeds | {' | '.join(str(len(each)) for each in found.values())} |",
    ]  # fmt: skip
    for words, (key, form) in MEASURES.items():
        cells = []
        for runs in found.values():
            values = [each[key] for each in runs]
            middle, low, high = (form.format(v) for v in (statistics.mean(values), min(values), max(values)))
            cells.append(f"{middle} ({low} to {high})")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += ["", "Attention: " + _verdict(found, "self-cross", "self", "self-cross", "plain self-attention")]
    if "triplet" in found:
        lines[-1] += " Loss: " + _verdict(found, "self-cross", "triplet", "InfoNCE", "the triplet loss")
    lines += ["", "These are short runs of a small network on a simulated city.", ""]
    PAGE.write_text("\n".join(lines))


def _verdict(found: dict[str, list[dict[str, Any]]], one: str, other: str, name: str, other_name: str) -> str:
    """Whether every seed of one kind finds more than any of the other."""
    ones, others = ([each["places_recall_within_25m"] for each in found[kind]] for kind in (one, other))
    if not (min(ones) > max(others) or min(others) > max(ones)):
        return "the ranges of what is found overlap: no difference is shown."
    more = name if statistics.mean(ones) > statistics.mean(others) else other_name
    return f"every seed of {more} finds more than any of the other."


def _measured(kind: str, seed: int) -> dict[str, Any]:
    path = FOLDER / f"{kind}-{seed}" / "measured.json"
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) == 4 and sys.argv[2] in KINDS:
        run(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:] == ["table"]:
        table()
    else:
        sys.exit(__doc__)
