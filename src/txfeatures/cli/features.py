"""``txfeatures features``: print the declared features."""

import typer

from txfeatures.domain.features import FEATURES


def features() -> None:
    """Print the declared features: name, type, unit, meaning."""
    width = max(len(feature.name) for feature in FEATURES)
    for feature in FEATURES:
        typer.echo(
            f"{feature.name:<{width}}  {feature.type:<10}  {feature.unit:<13}  "
            f"{feature.description}"
        )
