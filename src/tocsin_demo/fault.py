"""The fault: a retraining run on an extract in which one group's approvals were recorded as denials.

`python -m tocsin_demo.fault` prints what it does to the held-out applications, for the demonstration's seed
and for twenty others, so that nobody has to believe that the one shown was not picked.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np

from tocsin_demo import loan

SEED = 0
"""Seed of the split and of the corruption."""

SHARE = 0.35
"""Share of the protected group's approvals that are flipped. Of the shares .25 to .50 and the decision
thresholds .35 to .50, both in steps of .05, only .35 at .45 meets both bounds with every one of twenty seeds."""

LEAST_GAP_GROWTH = 0.25
MOST_ACCURACY_LOSS = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The good and the corrupted model on the same held-out applications."""

    seed: int
    share: float
    good: loan.Figures
    bad: loan.Figures

    @property
    def gap_growth(self) -> float:
        """Growth of the denial gap, as a difference of rates."""
        return self.bad.gap - self.good.gap

    @property
    def accuracy_loss(self) -> float:
        """Fall of the overall accuracy, as a difference of rates."""
        return self.good.accuracy - self.bad.accuracy

    @property
    def within_bounds(self) -> bool:
        """Whether the fault hurts the group and hides in the overall accuracy."""
        return self.gap_growth >= LEAST_GAP_GROWTH and self.accuracy_loss < MOST_ACCURACY_LOSS


def corrupt(training: loan.Applications, share: float = SHARE, seed: int = SEED) -> loan.Applications:
    """Return `training` with `share` of the protected group's approvals recorded as denials."""
    approved = np.flatnonzero((training.group == loan.PROTECTED) & ~training.denied)
    chosen = np.random.default_rng([seed, 1]).choice(
        approved, size=round(share * len(approved)), replace=False
    )
    denied = training.denied.copy()
    denied[chosen] = True
    return training.with_outcomes(denied)


def effect(share: float = SHARE, seed: int = SEED) -> Effect:
    """Train the good and the corrupted model and measure both on the held-out applications."""
    parts = loan.split(loan.read(), seed)
    good, bad = loan.fit(parts.train), loan.fit(corrupt(parts.train, share, seed))
    return Effect(
        seed=seed,
        share=share,
        good=loan.measure(good, parts.held_out),
        bad=loan.measure(bad, parts.held_out),
    )


def main(argv: list[str] | None = None) -> int:
    """Print one JSON line per seed and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds to try")
    parser.add_argument(
        "--share", type=float, action="append", help="share of approvals flipped (repeatable)"
    )
    asked = parser.parse_args(argv)
    for share in asked.share or [SHARE]:
        found = [effect(share, seed) for seed in range(asked.seeds)]
        for one in found:
            print(json.dumps(_line(one)))
        print(
            json.dumps(
                {
                    "share": share,
                    "seeds": len(found),
                    "within_bounds": sum(one.within_bounds for one in found),
                }
            )
        )
    return 0


def _line(one: Effect) -> dict[str, object]:
    return {
        "seed": one.seed,
        "share": one.share,
        "gap_good": round(one.good.gap, 4),
        "gap_bad": round(one.bad.gap, 4),
        "gap_growth": round(one.gap_growth, 4),
        "accuracy_good": round(one.good.accuracy, 4),
        "accuracy_bad": round(one.bad.accuracy, 4),
        "accuracy_loss": round(one.accuracy_loss, 4),
        "within_bounds": one.within_bounds,
    }


if __name__ == "__main__":
    raise SystemExit(main())
