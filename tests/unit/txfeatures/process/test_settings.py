import pytest
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import (
    AwsSettings,
    KafkaSettings,
    LogSettings,
    ServiceSettings,
    StatefulServiceSettings,
    environment_names,
    load,
)


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Brokers.")
    remember_s: int = Field(default=100, ge=60, le=200, description="How long.")
    grace_s: int = Field(default=10, ge=0, le=200, description="How much longer.")

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        if self.grace_s > self.remember_s:
            raise ValueError("grace_s must not exceed remember_s")
        return self


class StatefulSettings(StatefulServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {
        *environment_names(Settings),
        *environment_names(AwsSettings),
        *environment_names(StatefulSettings),
    }:
        monkeypatch.delenv(name, raising=False)


def refusal(monkeypatch: pytest.MonkeyPatch, **environ: str) -> list[str]:
    """Return the sentences with which a start in this environment is refused."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    return str(caught.value).split("; ")


def test_an_empty_environment_means_the_defaults() -> None:
    settings = load(Settings)
    assert (settings.remember_s, settings.http_port) == (100, 8080)
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.log == LogSettings(format="json", level="info")


def test_the_services_own_and_the_shared_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", "60")
    monkeypatch.setenv("TXF_DEDUP_HTTP_PORT", "0")
    monkeypatch.setenv("TXF_KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    monkeypatch.setenv("TXF_LOG_FORMAT", "text")
    settings = load(Settings)
    assert (settings.remember_s, settings.http_port) == (60, 0)
    assert settings.kafka.bootstrap_servers == "a:1,b:2"
    assert settings.log.format == "text"


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(Settings).remember_s = 61  # type: ignore[misc]


def test_an_unknown_name_is_refused_and_told_where_the_names_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refusal(monkeypatch, TXF_DEDUP_REMEMBER="60", TXF_KAFKA_SERVERS="a:1") == [
        "TXF_DEDUP_REMEMBER is not a setting",
        "see docs/reference/settings.md for the names",
        "TXF_KAFKA_SERVERS is not a setting",
        "see docs/reference/settings.md for the names",
    ]


def test_a_name_without_a_known_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, TXF_DEDUPE_REMEMBER_S="60")[0] == (
        "TXF_DEDUPE_REMEMBER_S is not a setting"
    )


def test_names_of_other_services_and_of_groups_it_does_not_read_are_tolerated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TXF_POLLER_URL", "TXF_AGGREGATOR_X", "TXF_FS_WRITER_X", "TXF_API_X",
                 "TXF_BOOTSTRAP_PARTITIONS", "TXF_AWS_BUCKET", "TXF_TRACING_X",
                 "OTHER_NAME"):  # fmt: skip
        monkeypatch.setenv(name, "1")
    assert load(Settings).remember_s == 100


def test_every_wrong_value_gets_a_sentence_the_groups_and_the_services_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = refusal(
        monkeypatch,
        TXF_DEDUP_REMEMBER_S="1",
        TXF_DEDUP_HTTP_PORT="http",
        TXF_LOG_LEVEL="loud",
        TXF_KAFKA_BOOTSTRAP_SERVERS="",
    )
    assert sorted(sentence.partition(":")[0] for sentence in found) == [
        "TXF_DEDUP_HTTP_PORT='http'",
        "TXF_DEDUP_REMEMBER_S='1'",
        "TXF_KAFKA_BOOTSTRAP_SERVERS=''",
        "TXF_LOG_LEVEL='loud'",
    ]
    assert "TXF_DEDUP_REMEMBER_S='1': Input should be greater than or equal to 60" in found


def test_settings_that_do_not_go_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, TXF_DEDUP_GRACE_S="150") == [
        "TXF_DEDUP_*: Value error, grace_s must not exceed remember_s"
    ]


@pytest.mark.parametrize("value", ["{}", '{"bootstrap_servers": "a:1"}', "nonsense"])
def test_a_group_can_not_be_set_as_a_whole(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert refusal(monkeypatch, TXF_DEDUP_KAFKA=value)[0] == "TXF_DEDUP_KAFKA is not a setting"


def test_a_shared_group_can_be_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AWS_BUCKET", "mine")
    assert load(AwsSettings).bucket == "mine"


def test_a_secret_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AWS_ROLE_ARN", "arn:hidden")
    settings = load(AwsSettings)
    assert "hidden" not in repr(settings)
    assert settings.role_arn.get_secret_value() == "arn:hidden"


def test_the_names_that_are_read_are_listed_with_their_fields() -> None:
    names = environment_names(Settings)
    assert {
        "TXF_DEDUP_REMEMBER_S", "TXF_DEDUP_HTTP_PORT", "TXF_KAFKA_BOOTSTRAP_SERVERS",
        "TXF_LOG_LEVEL",
    } <= names.keys()  # fmt: skip
    assert "TXF_DEDUP_KAFKA" not in names
    assert all(field.description for field in names.values())


def test_a_worker_with_state_is_nameless_and_commits_ten_times_a_second() -> None:
    settings = load(StatefulSettings)
    assert (settings.instance_id, settings.commit_interval_s) == (None, 0.1)
    assert settings.kafka == KafkaSettings()


def test_a_worker_with_state_takes_a_name_and_another_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TXF_DEDUP_INSTANCE_ID", "dedup-0.blue_1")
    monkeypatch.setenv("TXF_DEDUP_COMMIT_INTERVAL_S", "0.01")
    settings = load(StatefulSettings)
    assert (settings.instance_id, settings.commit_interval_s) == ("dedup-0.blue_1", 0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSTANCE_ID", ""),
        ("INSTANCE_ID", "a b"),
        ("INSTANCE_ID", "a\n"),
        ("INSTANCE_ID", "a" * 201),
        ("COMMIT_INTERVAL_S", "0"),
        ("COMMIT_INTERVAL_S", "10.5"),
        ("COMMIT_INTERVAL_S", "nan"),
    ],
)
def test_a_name_or_a_pace_out_of_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TXF_DEDUP_{name}", value)
    with pytest.raises(SettingsError, match=f"^TXF_DEDUP_{name}="):
        load(StatefulSettings)
