"""Generator of the client's typed rows: ``python -m clients.generate [--check]``.

The client is installed without the services, so it can't import their declaration. Its row is
written from the declaration, and a test fails if it is stale.
"""

from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import typer

from deploy.generated import Generated
from txfeatures.domain.features import REQUIRED, Feature, default

COMMAND = "python -m clients.generate"
TYPES = {"Integral": "int", "Fractional": "float", "String": "str"}
WIDTH = 100
INDENT = " " * 4


def declared() -> str:
    """Return the text of declared.py: required features first, in the order of declaration."""
    features = sorted(default().features, key=lambda feature: feature.name not in REQUIRED)
    head = f'''"""The declared features, written by `{COMMAND}`; do not edit."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFeatures:
    """The declared features; None where the row is older than the feature."""
'''
    fields = "".join("\n".join(_field(feature)) + "\n" for feature in features)
    types = "".join(f'{INDENT}"{f.name}": {TYPES[f.type]},\n' for f in default().features)
    names = [feature.name for feature in default().features if feature.name in REQUIRED]
    required = "".join(f'{INDENT * 2}"{name}",\n' for name in names)
    return (
        f"{head}\n{fields}\n\n"
        f"TYPES: Mapping[str, type] = {{\n{types}}}\n"
        '"""Type of each feature, in the order of declaration."""\n\n'
        f"REQUIRED = frozenset(\n{INDENT}{{\n{required}{INDENT}}}\n)\n"
        '"""Features that every row has."""\n'
    )


def _field(feature: Feature) -> Iterator[str]:
    kind = TYPES[feature.type]
    yield f"{INDENT}{feature.name}: {kind if feature.name in REQUIRED else f'{kind} | None = None'}"
    unit = f" Unit: {feature.unit}." if feature.unit else ""
    error = f" Error: {feature.error}." if feature.error else ""
    text = f'"""{feature.description}{unit}{error}"""'
    yield from wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


GENERATED = Generated(
    command=COMMAND,
    directory=Path(__file__).parent / "python/src/txfeatures/client",
    files=lambda: {"declared.py": declared()},
)

if __name__ == "__main__":
    typer.run(GENERATED.main)
