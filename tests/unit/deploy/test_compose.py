"""The configuration of the containers in docker-compose.yml, without any container."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka_local.properties import Address, broker_properties

from docs.generate import READERS
from tests.support.shared_data import REPOSITORY
from txfeatures import __version__
from txfeatures.process.settings import PREFIX, SERVICES, environment_names, load

FILES = ("docker-compose.yml", "deploy/compose/replay.yml")
OWN_IMAGE = re.compile(r"txfeatures-(?P<name>[a-z-]+):(?P<version>.+)")


def read(name: str) -> dict[str, Any]:
    """Return the services of a compose file, with the defaults of its variables."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    filled = re.sub(r"\$\{\w+(?::[-?]([^}]*))?\}", lambda found: found[1] or "", text)
    services: dict[str, Any] = yaml.safe_load(filled)["services"]
    return services


BASE = read("docker-compose.yml")


def reader(service: str) -> str | None:
    """Return the service whose settings a container reads, None for foreign images."""
    image = OWN_IMAGE.fullmatch(BASE[service]["image"])
    if image is None or image["name"] == "local":
        return None
    return {"tools": "bootstrap"}.get(image["name"], image["name"].replace("-", "_"))


def environment(file: str, service: str) -> dict[str, str]:
    return {k: str(v) for k, v in read(file)[service].get("environment", {}).items()}


OURS = [
    pytest.param(file, service, reader(service), id=f"{Path(file).stem}-{service}")
    for file in FILES
    for service in read(file)
    if reader(service)
]


def test_every_service_and_bootstrap_are_there() -> None:
    assert {reader(service) for service in BASE} - {None} == {*SERVICES, "bootstrap"}


@pytest.mark.parametrize(("file", "service", "who"), OURS)
def test_every_setting_is_one_that_its_reader_has(file: str, service: str, who: str) -> None:
    given = {name for name in environment(file, service) if name.startswith(PREFIX)}
    assert given <= environment_names(READERS[who]).keys()


@pytest.mark.parametrize(("file", "service", "who"), OURS)
def test_the_values_can_be_loaded(
    file: str, service: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment("docker-compose.yml", service) | environment(file, service)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read_back = load(READERS[who]).model_dump()
    assert read_back["kafka"]["bootstrap_servers"] == "kafka:9092"


def test_no_two_workers_share_a_name() -> None:
    names = [
        value
        for service in BASE
        for name, value in environment("docker-compose.yml", service).items()
        if name.endswith("_INSTANCE_ID")
    ]
    assert len(names) == 6
    assert len(set(names)) == 6


@pytest.mark.parametrize("service", BASE)
def test_every_container_is_confined_and_comes_back_after_a_crash(service: str) -> None:
    container = BASE[service]
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["restart"] == "on-failure"
    if not container["image"].startswith("apache/kafka"):  # writes its configuration at start
        assert container["read_only"] is True


@pytest.mark.parametrize("service", [s for s in BASE if reader(s) in SERVICES])
def test_a_service_starts_after_bootstrap_and_is_waited_for_until_ready(service: str) -> None:
    container = BASE[service]
    assert container["depends_on"]["bootstrap"] == {"condition": "service_completed_successfully"}
    assert container["healthcheck"]["test"] == ["CMD", "healthy", "/readyz"]


def test_images_bear_the_version_of_the_project() -> None:
    for container in BASE.values():
        if image := OWN_IMAGE.fullmatch(container["image"]):
            assert image["version"] == __version__
            assert container["build"]["args"]["VERSION"] == __version__


def test_the_brokers_take_what_the_embedded_one_takes() -> None:
    address = Address(port=1, controller_port=2, internal_port=1)
    embedded = broker_properties(address, overrides={})
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment("docker-compose.yml", "kafka").items()
    }
    of_this_kind = {
        name
        for name in embedded
        if name.startswith(("log.", "message.", "replica.", "producer.", "auto."))
    } - {"log.dirs"}
    assert len(of_this_kind) == 7
    assert {n: given[n] for n in of_this_kind} == {n: embedded[n] for n in of_this_kind}


def test_the_scale_profile_names_every_broker() -> None:
    lines = (REPOSITORY / "deploy/compose/scale.env").read_text().splitlines()
    values = dict(line.split("=") for line in lines if line and not line.startswith("#"))
    brokers = [name for name in BASE if name.startswith("kafka")]
    assert values["BROKERS"] == ",".join(f"{name}:9092" for name in brokers)
    assert int(values["REPLICATION"]) == len(brokers)


def test_every_file_that_is_mounted_is_there() -> None:
    sources = {
        mount.split(":")[0]
        for container in BASE.values()
        for mount in container.get("volumes", [])
        if mount.startswith("./")
    }
    assert {"./deploy/compose/aws.ini", "./deploy/observability/prometheus"} <= sources
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
