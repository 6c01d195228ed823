"""The parts of the chart that repeat the code, read without helm."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from deploy.helm import chart_settings, generate
from deploy.helm.schema import schema
from docs.generate import SHARED
from txfeatures.cli.group import subcommands
from txfeatures.process.settings import SERVICES, environment_names

Json = dict[str, Any]


def values_schema(*path: str) -> Json:
    """Return the schema of the value at a path of names."""
    found: Json = schema()
    for name in path:
        found = found["properties"][name]
    return found


def objects(found: Json, path: str = "values") -> Iterator[tuple[str, Json]]:
    """Yield each schema of an object in ``found``, with its path."""
    if found.get("type") == "object":
        yield path, found
    for name, child in found.get("properties", {}).items():
        yield from objects(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), dict):
            yield from objects(found[name], f"{path}[]")


def settable(reader: str) -> set[str]:
    """Return the environment names that values can set for a process."""
    path = ("services", reader) if reader in SERVICES else (reader,)
    own = values_schema(*path, "settings")
    names = {f"TXF_{reader}_{name}".upper() for name in own["properties"]}
    for shared in chart_settings.readers()[reader]:
        found = values_schema("settings", shared)["properties"]
        names |= {f"TXF_{shared}_{name}".upper() for name in found}
    return names


def owned(reader: str) -> set[str]:
    """Return the environment names that the chart sets by itself."""
    return {
        f"TXF_{group}_{name}".upper()
        for group in (reader, *chart_settings.readers()[reader])
        for name in chart_settings.CHART_OWNED.get(group, ())
    }


def defined(values: Mapping[str, Any], found: Json, path: str = "values") -> Iterator[str]:
    """Yield the values that are not in the schema."""
    for name, value in values.items():
        known = found.get("properties", {})
        if name not in known and found.get("additionalProperties") is False:
            yield f"{path}.{name}"
        elif isinstance(value, Mapping) and name in known:
            yield from defined(value, known[name], f"{path}.{name}")


def test_the_generated_files_are_those_in_the_chart() -> None:
    assert generate.GENERATED.stale() == [], f"run `{generate.GENERATED.command}`"


@pytest.mark.parametrize("reader", chart_settings.PROCESSES)
def test_every_setting_of_a_process_is_a_value_a_secret_or_the_charts_own(reader: str) -> None:
    names = environment_names(chart_settings.PROCESSES[reader]).keys()
    secrets = set(chart_settings.secret_names()) & names
    assert settable(reader) | owned(reader) | secrets == names
    assert not settable(reader) & (owned(reader) | secrets)


def test_every_command_that_the_chart_runs_exists() -> None:
    commands = set(subcommands())
    assert set(chart_settings.PROCESSES) - set(SERVICES) <= commands


def test_no_secret_is_a_value() -> None:
    assert "TXF_KAFKA_SASL_PASSWORD" in chart_settings.secret_names()
    assert "TXF_POLLER_API_CODE" in chart_settings.secret_names()
    keys = values_schema("secrets", "external", "keys")["properties"]
    assert set(chart_settings.secret_names()) <= keys.keys()


def test_every_shared_group_is_a_value() -> None:
    groups = {str(group.model_config["env_prefix"]) for group in SHARED.values()}
    assert {f"TXF_{name}_".upper() for name in values_schema("settings")["properties"]} == groups


def test_the_schema_is_closed_at_every_level() -> None:
    for path, found in objects(schema()):
        extra = found.get("additionalProperties", True)
        typed = isinstance(extra, dict) and "type" in extra
        assert extra is False or typed, f"{path} takes anything"


def test_bounds_and_meaning_of_a_setting_reach_the_schema() -> None:
    found = values_schema("services", "poller", "settings")["properties"]["interval_s"]
    assert found == {
        "description": "Seconds from the start of a poll to the next; 0 polls without a pause.",
        "type": "number",
        "minimum": 0,
        "maximum": 3600,
        "default": 1.0,
    }


@pytest.mark.parametrize("name", ["values.yaml", "values-eks.yaml", "values-local.yaml"])
def test_the_values_files_hold_only_what_the_schema_knows(name: str) -> None:
    values = yaml.safe_load((generate.CHART / name).read_text())
    assert list(defined(values, schema())) == []


def test_the_chart_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((generate.CHART / "Chart.yaml").read_text())
    package = (generate.CHART.parents[2] / "src" / "txfeatures" / "__init__.py").read_text()
    assert f'__version__ = "{chart["appVersion"]}"' in package
