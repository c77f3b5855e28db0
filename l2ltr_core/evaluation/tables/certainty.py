"""Tables of how true confidences are, and who is rejected."""

from __future__ import annotations

from l2ltr_core.evaluation.calibration import FALSE_REJECTIONS, SURE, SURROUNDINGS_M
from l2ltr_core.evaluation.report.certainty import TARGET_FPR
from l2ltr_core.evaluation.tables.cells import (
    NOT_MEASURED,
    Cards,
    Rows,
    Table,
    get,
    number,
    percent,
    recall,
    table_of,
    with_interval,
)
from l2ltr_core.localization import ESTIMATE_RADIUS_M, RADIUS_SHARES
from l2ltr_core.model.config import CheckpointCard


def confidence(cards: Cards) -> Table:
    """How true the confidences are and how well the radii hold, with the heading known and searched."""
    about = (
        f"The confidence says how often a photo was taken within {ESTIMATE_RADIUS_M:g} m of the estimate (or within "
        "the gallery's own spacing, where that is wider). Expected calibration error, ten bins: on validation photos, "
        "each half judged by what the other half chose, and on held-out photos, which chose nothing. By chance: what "
        "confidences that are exactly right would show on so few photos. Radii: how many held-out photos lie within "
        "the radius that should hold 68 % of them, and 95 %. Surroundings left out: held-out photos in the gallery "
        f"without the places within {SURROUNDINGS_M:g} m, where every answer is wrong. "
        "Searched: the same of some of the photos with their headings unknown, by a calibration of its own."
    )
    rows: Rows = []
    for heading, path in {"known": ("calibration",), "searched": ("calibration", "searched")}.items():
        of = f"heading {heading}"
        for role, name in (("validation", "validation photos"), ("held_out", "held-out photos")):
            rows.append((f"{of}, {name}, error", recall(*path, role, "error", alone="interval")))
            rows.append((f"{of}, {name}, by chance", percent(*path, role, "by_chance")))
            rows.append((f"{of}, {name}, mean told", percent(*path, role, "mean_told")))
            rows.append((f"{of}, {name}, came true", percent(*path, role, "came_true")))
        rows += [
            (
                f"{of}, held-out photos within the {share:.0%} radius",
                recall(*path, "radii_held_out", f"{share:.0%}", "share", alone="interval"),
            )
            for share in RADIUS_SHARES
        ]
        rows += [
            (f"{of}, {label}", recall(*path, *entry, "share", alone="interval"))
            for label, entry in {
                "held-out photos rejected": ("false_rejections",),
                "surroundings left out, rejected": ("surroundings_left_out", "rejected"),
                f"surroundings left out, told {SURE:.0%} or more": (
                    "surroundings_left_out",
                    "told_nine_tenths",
                ),
            }.items()
        ]
    return table_of("Confidence", about, cards, rows)


def not_here(cards: Cards) -> Table:
    """Rejection of photos from elsewhere."""
    about = (
        "Out-of-gallery rejection. A decoy is the photo with east and west exchanged, of a place that does not exist: "
        "the best score of the decoy, over all places and headings, is what a photo gets by chance. The excess is how "
        "far the photo's own best score stands above that; below the threshold, which all but "
        f"{FALSE_REJECTIONS['rendered']:.0%} of the validation photos reach ({FALSE_REJECTIONS['real']:.0%} of real "
        "ones), a photo is rejected as probably not taken in the gallery. False rejections are held-out photos of the "
        "gallery's own city. The last row tells how well both kinds can be told apart, at the same share of false "
        "rejections for every checkpoint; no threshold was chosen there."
    )

    def elsewhere(card: CheckpointCard) -> str:
        found = get(card, "not_in_gallery", "rejected")
        if found is None:
            return NOT_MEASURED
        known = ", which it learned from" if get(card, "not_in_gallery", "in_training") else ""
        return f"{with_interval(found['share'], found['interval'])} of {found['photos']} of {found['dataset']}{known}"

    rows: Rows = [
        ("threshold of the excess", number("not_in_gallery", "least_excess")),
        (
            "false rejections, held-out photos",
            recall("not_in_gallery", "false_rejections_held_out", "share", alone="interval"),
        ),
        ("photos from elsewhere rejected", elsewhere),
        (
            f"the same at {TARGET_FPR:.0%} false rejections of held-out photos",
            recall("not_in_gallery", "rejected_at_the_aim", "share", alone="interval"),
        ),
    ]
    return table_of("Probably not in this gallery", about, cards, rows)
