"""Unsigned tokens that the embedded broker accepts, in place of those of AWS's signer.

As a program, ``tokens.py LIFE_S MODULE``, it runs ``MODULE.main`` with such tokens and prints a
line for each.
"""

import base64
import importlib
import json
import os
import sys
from collections.abc import Callable

from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-untyped]

from txfeatures.process.clock import SystemClock

MADE = "token made\n"

Signer = Callable[[str], tuple[str, int]]
"""Signature of ``generate_auth_token``: region -> token, expiry in epoch milliseconds."""


def unsigned(life_s: float, *, believed_s: float | None = None) -> Signer:
    """Return a signer whose tokens expire after ``life_s``, but claim ``believed_s`` if given."""

    def sign(region: str) -> tuple[str, int]:
        now = SystemClock().now()
        claims = {"sub": f"worker-in-{region}", "iat": now - 1, "exp": now + life_s}
        token = f"{_part({'alg': 'none'})}.{_part(claims)}."
        return token, round(1000 * (now + (life_s if believed_s is None else believed_s)))

    return sign


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def main() -> int:
    """Run a service with unsigned tokens."""
    sign = unsigned(float(sys.argv[1]))

    def sign_and_print(region: str) -> tuple[str, int]:
        os.write(1, MADE.encode())
        return sign(region)

    MSKAuthTokenProvider.generate_auth_token = sign_and_print
    code: int = importlib.import_module(sys.argv[2]).main()
    return code


if __name__ == "__main__":
    sys.exit(main())
