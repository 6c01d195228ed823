"""Forecast the median fee rate of the next minute, and learn from each minute that becomes final.

Usage: python examples/online_model.py [MINUTES]    (default: until Ctrl-C)

The address of the api is in TXFEATURES_URL, by default that of `make demo`. For each final minute a
line shows the forecast that was made before it began, what came, and the mean error so far beside
that of the simplest forecast, "as the minute before". Fee rates are in sat/vB.
"""

import sys
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from txfeatures.client import Features, Row

MINUTE = timedelta(minutes=1)
FORGETTING = 0.98
"""Weight of a minute beside the one after it: the model follows a market that changes."""
FIRST_DOUBT = 0.1
"""Variance of the first weights: how quickly the first minutes move them."""

Vector = npt.NDArray[np.float64]


def inputs(row: Row) -> Vector:
    """Return what the forecast depends on, on a scale near 1: vector of 4."""
    known = (row.fee_rate_p50_1min, row.fee_rate_p90_1min, row.total_nb_trx_1min)
    return np.array([1.0, *np.log1p([value or 0.0 for value in known])])


def target(row: Row) -> float:
    """Return what is forecast, as the model sees it."""
    return float(np.log1p(row.fee_rate_p50_1min or 0.0))


class Model:
    """Recursive least squares with forgetting; it begins with "as the minute before"."""

    def __init__(self) -> None:
        self.weights = np.array([0.0, 1.0, 0.0, 0.0])
        self._doubt = np.eye(4) * FIRST_DOUBT

    def forecast(self, row: Row) -> float:
        """Return the median fee rate of the minute after ``row``, sat/vB."""
        return float(np.expm1(inputs(row) @ self.weights))

    def learn(self, before: Row, row: Row) -> None:
        """Learn that ``row`` came after ``before``."""
        x = inputs(before)
        gain = self._doubt @ x / (FORGETTING + x @ self._doubt @ x)
        self.weights += gain * (target(row) - x @ self.weights)
        self._doubt = (self._doubt - np.outer(gain, x @ self._doubt)) / FORGETTING


def final_rows(features: Features) -> Generator[Row, None, None]:
    """Yield the final rows that the api remembers, then each as it becomes known."""
    newest = features.latest()
    known = features.rows(newest.minute - timedelta(hours=12), newest.minute)
    yield from (row for row in known if row.is_final)
    with closing(features.stream(after=known[-1] if known else newest)) as rows:
        yield from (row for row in rows if row.is_final)


def main(minutes: int | None) -> None:
    """Forecast ``minutes`` minutes, then end."""
    model, before, errors = Model(), None, []
    with Features() as features, closing(final_rows(features)) as rows:
        for row in rows:
            if before is not None and row.minute == before.minute + MINUTE:
                forecast, came = model.forecast(before), row.fee_rate_p50_1min or 0.0
                errors.append((abs(forecast - came), abs((before.fee_rate_p50_1min or 0.0) - came)))
                model_error, simple_error = np.mean(errors, axis=0)
                print(
                    f"{row.tx_minute}  forecast {forecast:6.2f}  came {came:6.2f}  "
                    f"mean error {model_error:.2f}, as the minute before {simple_error:.2f}",
                    flush=True,
                )
                model.learn(before, row)
                if len(errors) == minutes:
                    return
            before = row


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
