"""A short chaos run: the harness works, its faults really happen, and nothing is lost."""

import random

import pytest

from tests.chaos.parts import Size
from tests.chaos.run import Options, chaos

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FAULTS = ("kill", "sink_500", "network_cut")


def test_three_faults_happen_and_every_invariant_holds() -> None:
    seed = random.randrange(10**6)
    said: list[str] = [f"python -m tests.chaos --seed {seed}"]  # shown when the test fails
    result = chaos(
        Options(
            seconds=600,
            seed=seed,
            size=Size(brokers=1, workers=1, rate=100, polls_per_s=20),
            names=FAULTS,
            count=len(FAULTS),
            probes=1,
        ),
        say=said.append,
    )
    transcript = "\n".join(said)
    assert result["holds"], transcript
    assert (result["lost"], result["doubled"]) == (0, 0), transcript
    assert {kind: found["happened"] for kind, found in result["faults"].items()} == dict.fromkeys(
        FAULTS, 1
    ), transcript
    assert result["transactions"] > 0
    assert result["poison"] > 0
