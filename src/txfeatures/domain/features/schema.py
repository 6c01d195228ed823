"""The JSON schema of a declaration, with which editors complete and check one [pure]."""

from typing import Any

from txfeatures.domain.features.building import AGGREGATES
from txfeatures.domain.features.columns import COLUMNS
from txfeatures.domain.features.draft import KEYS, LONGEST_TEXT, NAME, STEPS, WINDOW
from txfeatures.domain.features.parsing import FUNCTIONS, LONGEST
from txfeatures.domain.features.reading import VERSION


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Features of txfeatures",
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "features"],
        "properties": {
            "version": {"const": VERSION, "description": "Version of this format."},
            "features": {
                "type": "array",
                "minItems": 1,
                "description": "The features, in the order of the columns.",
                "items": _feature(),
            },
        },
    }


def _feature() -> dict[str, Any]:
    properties = _properties()
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "description"],
        "properties": {key: properties[key] for key in KEYS},
        "oneOf": [{"required": ["aggregate"]}, {"required": ["expression"]}],
    }


def _properties() -> dict[str, dict[str, Any]]:
    names = ", ".join(COLUMNS)
    return {
        "name": {
            "type": "string",
            "pattern": f"^{NAME}$",
            "description": "Name of the column without its window.",
        },
        "description": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_TEXT,
            "description": "One sentence; {percent} and {window} stand for those of the column.",
        },
        "unit": {"type": "string", "maxLength": LONGEST_TEXT, "description": "Unit of the value."},
        "aggregate": {"enum": list(AGGREGATES), "description": "How transactions are combined."},
        "from": _expression(f"A transaction's contribution, in SQL over its columns: {names}."),
        "where": _expression("Condition for a transaction to contribute; NULL is no."),
        "quantiles": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "integer", "minimum": 1, "maximum": 99},
            "description": "Percents, of the aggregate quantile.",
        },
        "resolution": {
            "enum": list(STEPS),
            "description": "Contributions count in whole steps of it, rounded down. Default: 0.001 "
            "for a quotient, 1 for anything else.",
        },
        "expression": _expression("A number made of other features, by their names."),
        "else": {
            "type": ["number", "null"],
            "description": "Value of a row for which there is none. Default: 0.",
        },
        "windows": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "string", "pattern": f"^{WINDOW}$"},
            "description": "Windows. The only one is 1m, the default.",
        },
    }


def _expression(description: str) -> dict[str, Any]:
    functions = ", ".join(FUNCTIONS)
    return {
        "type": ["string", "number", "boolean"],
        "maxLength": LONGEST,
        "description": f"{description} Functions: {functions}.",
    }
