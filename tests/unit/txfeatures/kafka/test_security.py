import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-untyped]
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pydantic import ValidationError

from txfeatures.domain.errors import FatalError, SettingsError
from txfeatures.kafka import client as kafka
from txfeatures.kafka import streaming
from txfeatures.kafka.client import connection, open_client
from txfeatures.kafka.security import MskTokens, Refusals
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.settings import (
    KafkaSettings,
    StatefulServiceSettings,
    environment_names,
    load,
)

SECRET = "hidden-secret"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment_names(KafkaSettings):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    file = tmp_path / "some.pem"
    file.touch()
    return file


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    regions: list[str] = []

    def generate_auth_token(region: str) -> tuple[str, int]:
        regions.append(region)
        return "token", 1_700_000_900_000

    monkeypatch.setattr(MSKAuthTokenProvider, "generate_auth_token", generate_auth_token)
    return regions


def secured(**options: Any) -> dict[str, Any]:
    """Return what a client is told of security."""
    found = connection(KafkaSettings(**options))
    told = ("security.protocol", "sasl.", "ssl.", "oauth")
    return {name: value for name, value in found.items() if name.startswith(told)}


def test_without_settings_clients_talk_in_plain_text() -> None:
    assert secured() == {}


def test_tls_knows_the_systems_authorities_or_those_of_a_file(pem: Path) -> None:
    assert secured(security="tls") == {"security.protocol": "ssl"}
    assert secured(security="tls", ca_file=pem)["ssl.ca.location"] == str(pem)


def test_mutual_tls_shows_a_certificate(pem: Path) -> None:
    files = {"client_certificate_file": pem, "client_key_file": pem}
    expected = {
        "security.protocol": "ssl",
        "ssl.certificate.location": str(pem),
        "ssl.key.location": str(pem),
    }
    assert secured(security="mtls", **files) == expected
    assert secured(security="mtls", client_key_password=SECRET, **files) == {
        **expected,
        "ssl.key.password": SECRET,
    }


def test_scram_sends_a_name_and_proves_a_password_over_tls() -> None:
    expected = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": SECRET,
    }
    login = {"security": "scram", "sasl_username": "me", "sasl_password": SECRET}
    assert secured(**login) == expected
    assert secured(**login, sasl_mechanism="SCRAM-SHA-256") == {
        **expected,
        "sasl.mechanisms": "SCRAM-SHA-256",
    }


def test_msk_gets_tokens_signed_for_its_region_in_the_clients_own_unit(signed: list[str]) -> None:
    found = secured(security="msk_iam", msk_region="eu-west-1")
    assert found["security.protocol"] == "sasl_ssl"
    assert found["sasl.mechanisms"] == "OAUTHBEARER"
    assert signed == ["eu-west-1"]  # a start without credentials fails at once
    assert found["oauth_cb"]("") == ("token", 1_700_000_900.0)
    assert signed == ["eu-west-1", "eu-west-1"]


def test_the_real_signer_makes_a_token_of_a_quarter_of_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    token, expires_at_s = MskTokens("eu-west-1").sign()
    assert token
    assert SECRET not in token
    assert 1_750_000_000 < expires_at_s < 10_000_000_000  # seconds, not milliseconds


def no_credentials(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))


def test_a_start_without_credentials_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_credentials(monkeypatch, tmp_path)
    with pytest.raises(FatalError, match=r"\(no AWS credentials were found\); give this process"):
        connection(KafkaSettings(security="msk_iam", msk_region="eu-west-1"))


def test_a_profile_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(FatalError, match=r"ProfileNotFound.*nobody"):
        connection(KafkaSettings(security="msk_iam", msk_region="eu-west-1"))


def test_a_token_that_can_not_be_signed_later_is_logged_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    no_credentials(monkeypatch, tmp_path)
    said = logged(monkeypatch)
    with pytest.raises(FatalError):
        MskTokens("eu-west-1")("")
    [(event, fields)] = said
    assert event == "kafka_token_failed"
    assert "no AWS credentials were found" in fields["reason"]


def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Return a list that fills with what is logged."""
    said: list[tuple[str, dict[str, str]]] = []

    class Log:
        def error(self, event: str, **fields: str) -> None:
            said.append((event, fields))

    monkeypatch.setattr("txfeatures.kafka.security.log", Log())
    return said


@pytest.mark.parametrize(
    ("security", "code", "advice"),
    [
        ("scram", KafkaError._AUTHENTICATION, "TXF_KAFKA_SASL_PASSWORD"),
        ("scram", KafkaError._SSL, "TXF_KAFKA_CA_FILE"),
        ("tls", KafkaError._SSL, "TXF_KAFKA_CA_FILE"),
        ("tls", KafkaError._AUTHENTICATION, "TXF_KAFKA_SECURITY"),
        ("mtls", KafkaError._SSL, "TXF_KAFKA_CLIENT_CERTIFICATE_FILE"),
        ("msk_iam", KafkaError._AUTHENTICATION, "kafka-cluster:Connect"),
        ("plaintext", KafkaError._SSL, "TXF_KAFKA_SECURITY"),
    ],
)
def test_a_refusal_names_the_settings_to_look_at(
    monkeypatch: pytest.MonkeyPatch, security: str, code: int, advice: str
) -> None:
    said = logged(monkeypatch)
    given: dict[str, Any] = {"security": security, "bootstrap_servers": "b:1"}
    refusals = Refusals(KafkaSettings.model_construct(**given))
    timed_out = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    sentence = refusals.message(timed_out, lambda _: refusals(KafkaError(code, "the reason")))
    assert sentence.startswith("Kafka at b:1 can't be used (the reason); ")
    assert advice in sentence
    [(event, fields)] = said
    assert event == "kafka_refused"
    assert advice in fields["advice"]


def test_brokers_that_are_away_are_told_apart_from_those_that_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = logged(monkeypatch)
    refusals = Refusals(KafkaSettings(bootstrap_servers="b:1"))
    refusals(KafkaError(KafkaError._SSL, "long ago"))

    def poll(_: float) -> None:
        refusals(KafkaError(KafkaError._TRANSPORT, "connection refused"))
        refusals(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))

    assert refusals.message(TimeoutError("too late"), poll) == (
        "Kafka at b:1 does not answer (too late); check TXF_KAFKA_BOOTSTRAP_SERVERS and "
        "TXF_KAFKA_SECURITY"
    )
    assert [event for event, _ in said] == ["kafka_refused"]


def test_a_refusal_is_logged_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    said = logged(monkeypatch)
    clock = ManualClock()
    refusals = Refusals(KafkaSettings(), clock)
    for _ in range(25):  # a second apart
        refusals(KafkaError(KafkaError._SSL, "refused"))
        clock.wait(threading.Event(), 1.0)
    assert len(said) == 3


@pytest.mark.parametrize("kind", [Producer, AdminClient])
def test_a_certificate_that_is_none_is_refused_with_the_reason(
    kind: Callable[[dict[str, Any]], object], pem: Path
) -> None:
    properties = connection(KafkaSettings(security="tls", ca_file=pem))
    with pytest.raises(FatalError, match=r"ssl\.ca\.location.*check the files and passwords"):
        open_client(kind, properties)


def test_a_client_that_gets_no_token_says_where_the_reason_stands() -> None:
    def kind(_: dict[str, Any]) -> object:
        raise KafkaException(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "no token in 10 s"))

    with pytest.raises(FatalError, match=r"no token in 10 s.*kafka_token_failed"):
        open_client(kind, {})


def test_dedup_and_aggregator_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_KAFKA_SECURITY", "scram")
    monkeypatch.setenv("TXF_KAFKA_SASL_USERNAME", "me")
    monkeypatch.setenv("TXF_KAFKA_SASL_PASSWORD", SECRET)
    app = streaming.create_app("dedup", StatefulServiceSettings(), metrics=Metrics("dedup"))
    config = app.microbatch
    for properties in (config.client(), config.member(), config.reader(), config.producer("t")):
        assert properties["security.protocol"] == "sasl_ssl"
        assert properties["sasl.password"] == SECRET
    assert SECRET not in repr(config)


def refusal(monkeypatch: pytest.MonkeyPatch, **environ: object) -> str:
    for name, value in environ.items():
        monkeypatch.setenv(f"TXF_KAFKA_{name.upper()}", str(value))
    with pytest.raises(SettingsError) as caught:
        load(StatefulServiceSettings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("security", "needed"),
    [
        ("mtls", "client_certificate_file and client_key_file"),
        ("scram", "sasl_username and sasl_password"),
        ("msk_iam", "msk_region"),
    ],
)
def test_what_a_way_needs_is_demanded(
    monkeypatch: pytest.MonkeyPatch, security: str, needed: str
) -> None:
    said = refusal(monkeypatch, security=security)
    assert said == f"TXF_KAFKA_*: Value error, security {security} needs {needed}"


@pytest.mark.parametrize("name", ["sasl_username", "sasl_password", "client_key_password"])
def test_what_would_be_passed_over_is_refused_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said = refusal(monkeypatch, **{name: SECRET})
    assert said.startswith(f"TXF_KAFKA_*: Value error, {name} goes with security ")
    assert said.endswith(", not plaintext; unset one of the two")
    assert SECRET not in said


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = refusal(monkeypatch, security="tls", ca_file=tmp_path / "none.pem")
    assert said == (f"TXF_KAFKA_CA_FILE='{tmp_path}/none.pem': Value error, there is no such file")


def test_a_region_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, security="msk_iam", msk_region="Ireland")
    assert said.startswith("TXF_KAFKA_MSK_REGION='Ireland': ")


def test_secrets_do_not_show_in_a_refusal_or_in_the_settings() -> None:
    with pytest.raises(ValidationError) as caught:
        KafkaSettings(security="tls", sasl_password=SECRET)
    assert SECRET not in str(caught.value)
    login = {"security": "scram", "sasl_username": "me", "sasl_password": SECRET}
    settings = KafkaSettings.model_validate(login)
    assert SECRET not in repr(settings)
    assert SECRET not in json.dumps(settings.model_dump(mode="json"))


def test_the_log_of_clients_goes_where_ours_goes() -> None:
    assert kafka.connection(KafkaSettings())["logger"] is logging.getLogger("librdkafka")


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "eusc-de-east-1", "us-isob-east-1", "cn-north-1"]
)
def test_a_region_of_any_partition_of_aws_is_accepted(region: str) -> None:
    assert KafkaSettings(security="msk_iam", msk_region=region).msk_region == region


def test_with_iam_a_client_reconnects_as_seldom_as_small_brokers_of_msk_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MSKAuthTokenProvider, "generate_auth_token", lambda _: ("token", 1))
    found = connection(KafkaSettings(security="msk_iam", msk_region="eu-west-1"))
    assert found["reconnect.backoff.ms"] == 1000
    assert connection(KafkaSettings())["reconnect.backoff.ms"] == 250
