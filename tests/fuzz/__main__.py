"""Fuzz with new examples for a time: ``python -m tests.fuzz --minutes 10``."""

import argparse
import os
import subprocess
import sys

from tests.fuzz.fuzzing import EXAMPLES
from tests.support.shared_data import REPOSITORY
from txfeatures.process.clock import SystemClock

ROUND_EXAMPLES = 500


def main() -> int:
    """Run rounds of all tests until the time is over or one fails; return pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    end_s = (clock := SystemClock()).monotonic() + 60 * parser.parse_args().minutes
    rounds = 0
    while rounds == 0 or clock.monotonic() < end_s:
        rounds += 1
        code = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n0", "-x", "--timeout=0", "tests/fuzz"],
            cwd=REPOSITORY,
            env={**os.environ, EXAMPLES: str(ROUND_EXAMPLES)},
            check=False,
        ).returncode
        if code:
            return code
    sys.stdout.write(f"{rounds} rounds of {ROUND_EXAMPLES} examples a test, nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
