"""Tables of the networks themselves: what they learned from, how alike their layers are, and the two attentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from l2ltr_core.evaluation.held_out import HeldOut
from l2ltr_core.evaluation.intervals import bootstrap_difference
from l2ltr_core.evaluation.tables.cells import (
    NOT_MEASURED,
    Cards,
    Cell,
    Rows,
    Table,
    agreed,
    get,
    number,
    table_of,
)
from l2ltr_core.model.config import CheckpointCard

SELF_CROSS, PLAIN = "self-cross", "self"
SEED = 0


def trained(cards: Cards) -> Table:
    """What tells the checkpoints apart."""

    def learned_from(card: CheckpointCard) -> str:
        data = card.training.get("data", {})
        cities = dict.fromkeys(name.partition("-")[0] for name in data)
        return f"{sum(data.values()):,} photos of {', '.join(cities)}" if data else NOT_MEASURED

    return table_of(
        "The checkpoints",
        "What tells them apart.",
        cards,
        [
            ("attention", lambda card: card.model.attention),
            (
                "layers, heads, width",
                lambda card: f"{card.model.depth}, {card.model.heads}, {card.model.width}",
            ),
            ("learned from", learned_from),
            ("steps of the layers", number("training", "main_steps")),
            ("fingerprint", lambda card: card.fingerprint),
        ],
    )


def layers(cards: Cards) -> Table:
    """How alike the layers are."""
    about = (
        f"How alike the ground branch's layers are, on {agreed(cards, 'layers', 'photos')} photos: the mean over all "
        "pairs of depths, and between a layer's input and output from the first layer to the last."
    )

    def neighbours(name: str) -> Cell:
        def cell(card: CheckpointCard) -> str:
            values = get(card, "layers", name)
            return NOT_MEASURED if values is None else " ".join(f"{value:.2f}" for value in values)

        return cell

    rows: Rows = [
        ("cosine, all pairs", number("layers", "cosine")),
        ("cosine, neighbours", neighbours("cosine_of_neighbours")),
        ("CKA, all pairs", number("layers", "cka")),
        ("CKA, neighbours", neighbours("cka_of_neighbours")),
    ]
    return table_of("Layers", about, cards, rows)


def attention(cards: Cards, records: Mapping[str, HeldOut]) -> Table:
    """Self-cross against plain self-attention: runs of each kind, and each pair that saw the same photos."""
    final = [card for card in cards if _is_final(card) and get(card, "places", "recall_at_1") is not None]
    plain = [card for card in final if card.model.attention == PLAIN]
    trained_on = [card.training.get("data") for card in plain]
    cross = [
        card
        for card in final
        if card.model.attention == SELF_CROSS and card.training.get("data") in trained_on
    ]
    kinds = {SELF_CROSS: cross, PLAIN: plain}
    measured = {
        "recall@1": ("places", "recall_at_1"),
        "recall@1 under corruptions": ("corruptions", "mean", "recall_at_1"),
        "cosine of layers, all pairs": ("layers", "cosine"),
        "CKA of layers, all pairs": ("layers", "cka"),
    }
    rows = [["runs", *(str(len(of)) for of in kinds.values())]]
    for label, path in measured.items():
        found = [[value for card in of if (value := get(card, *path)) is not None] for of in kinds.values()]
        rows.append([label, *(_spread(values) for values in found)])
    about = (
        "The paper's own comparison, of runs that learned from the same photos: the mean of each kind, lowest and "
        "highest in brackets where there are several."
    )
    for first, second in product(cross, plain):
        about += _difference(first.name, second.name, records)
    return Table("Self-cross against self-attention", about, ["", *kinds], rows if cross and plain else [])


def _is_final(card: CheckpointCard) -> bool:
    """Not a snapshot of another run, which carries that run's name."""
    return card.training.get("configuration", {}).get("name", card.name) == card.name


def _difference(first: str, second: str, records: Mapping[str, HeldOut]) -> str:
    one, other = records.get(first), records.get(second)
    if one is None or other is None:
        return ""
    both = one.photos.merge(other.photos, on="photo")
    if len(both) != len(one.photos) or len(both) != len(other.photos):
        return ""
    hits = (both["rank_x"] == 1).to_numpy(), (both["rank_y"] == 1).to_numpy()
    gain = 100 * (hits[0].mean() - hits[1].mean())
    low, high = (100 * each for each in bootstrap_difference(*hits, SEED))
    return (
        f" On the same {len(both)} held-out photos `{first}` finds {abs(gain):.1f} points "
        f"{'more' if gain >= 0 else 'fewer'} at the first guess than `{second}` (95 % interval of the difference "
        f"{low:+.1f} to {high:+.1f}{', so chance may explain it' if low <= 0 <= high else ''})."
    )


def _spread(values: Sequence[float]) -> str:
    if not values:
        return NOT_MEASURED
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
