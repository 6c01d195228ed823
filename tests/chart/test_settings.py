"""What a pod is told, read by the services' own settings classes."""

from collections.abc import Mapping
from typing import Any

import pytest

from deploy.helm import chart_settings
from deploy.helm.chart_settings import PROCESSES
from tests.chart.helm import EKS, LOCAL, template
from txfeatures.process.settings import SERVICES, environment_names, load

WORDS = {
    "feature_group": "a-group",
    "url": "https://example.com/",
    "msk_region": "eu-west-1",
    "cors_origins": "https://example.com",
    "oidc_issuer": "https://example.com",
    "bucket_owner": "123456789012",
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/a-key",
}


def component(reader: str) -> str:
    return reader.replace("_", "-")


def sample(name: str, schema: Mapping[str, Any]) -> Any:
    """A value that is legal and differs from the default where it can."""
    default = schema.get("default")
    if name in WORDS:
        return WORDS[name]
    match schema:
        case {"enum": choices}:
            return next((choice for choice in choices if choice != default), default)
        case {"type": "boolean"}:
            return not default
        case {"type": "integer", "maximum": most}:
            return most
        case {"type": "number", "maximum": most}:
            return most
        case {"type": "array"}:
            return default
    return (default or "") + "a" * max(schema.get("minLength", 1), 3)


def samples(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: sample(name, schema) for name, schema in schemas.items()}


def every_setting() -> dict[str, Any]:
    """Values that give every setting of every process."""
    return {
        "settings": {group: samples(found) for group, found in chart_settings.shared().items()},
        "services": {name: {"settings": samples(chart_settings.own(name))} for name in SERVICES},
        **{
            name: {"settings": samples(chart_settings.own(name))}
            for name in PROCESSES
            if name not in SERVICES
        },
    }


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for cls in PROCESSES.values():
        for name in environment_names(cls):
            monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("reader", PROCESSES)
def test_every_value_reaches_the_setting_of_its_name(reader: str) -> None:
    values = every_setting()
    values["aws"] = {"region": "eu-west-1"}
    values["secrets"] = {"existing": "a-secret"}
    values["settings"]["kafka"]["security"] = "tls"
    environment = template(values=values).environment(component(reader))
    given = {name for name in environment if name.startswith("TXF_")}
    owned = {
        f"TXF_{group}_{name}".upper()
        for group in (reader, *chart_settings.readers()[reader])
        for name in chart_settings.CHART_OWNED.get(group, ())
    }
    assert given | owned | set(chart_settings.secret_names()) >= set(
        environment_names(PROCESSES[reader])
    )
    assert given <= set(environment_names(PROCESSES[reader]))


@pytest.mark.parametrize("reader", PROCESSES)
@pytest.mark.parametrize("file", [EKS, LOCAL], ids=lambda path: path.stem)
def test_a_service_starts_with_what_the_shipped_values_give(
    reader: str, file: Any, clean: pytest.MonkeyPatch
) -> None:
    for name, value in template(file).environment(component(reader)).items():
        clean.setenv(name, value)
    assert load(PROCESSES[reader]).model_dump()["log"]["format"] == "json"


def test_large_and_small_numbers_arrive_as_they_were_written(clean: pytest.MonkeyPatch) -> None:
    values = {
        "services": {
            "poller": {"settings": {"spool_max_bytes": 2**40, "interval_s": 0.25}},
            "dedup": {"settings": {"commit_interval_s": 0.01}},
        }
    }
    rendered = template(LOCAL, values=values)
    poller = rendered.environment("poller")
    assert poller["TXF_POLLER_SPOOL_MAX_BYTES"] == str(2**40)
    assert poller["TXF_POLLER_INTERVAL_S"] == "0.25"
    assert rendered.environment("dedup")["TXF_DEDUP_COMMIT_INTERVAL_S"] == "0.01"
    assert rendered.environment("bootstrap")["TXF_BOOTSTRAP_KEEP_FOREVER"] == "true"


def test_pods_are_told_their_own_names_and_only_the_poller_has_a_spool() -> None:
    rendered = template(LOCAL)
    told = {
        name: [
            entry["name"]
            for entry in template["spec"]["containers"][0].get("env", [])
            if "secretKeyRef" not in entry.get("valueFrom", {})
        ]
        for name, template in rendered.pods()
    }
    assert told["StatefulSet/txfeatures-poller"] == ["TXF_POLLER_NAME", "TXF_POLLER_SPOOL_DIR"]
    assert told["StatefulSet/txfeatures-dedup"] == ["TXF_DEDUP_INSTANCE_ID"]
    assert told["StatefulSet/txfeatures-aggregator"] == ["TXF_AGGREGATOR_INSTANCE_ID"]
    assert told["Deployment/txfeatures-api"] == []


def test_the_region_of_msk_is_that_of_everything_else_unless_it_is_given() -> None:
    assert template(EKS).environment("dedup")["TXF_KAFKA_MSK_REGION"] == "eu-west-1"
    other = template(EKS, values={"settings": {"kafka": {"msk_region": "eu-north-1"}}})
    assert other.environment("dedup")["TXF_KAFKA_MSK_REGION"] == "eu-north-1"
