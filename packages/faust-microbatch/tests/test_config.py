import pytest

from faust_microbatch import Config, MicrobatchError
from faust_microbatch.engine.config import RESERVED
from microbatch_support.apps import CONFIG


def test_the_settings_of_each_client_follow_from_the_config() -> None:
    config = Config(
        group="g",
        bootstrap_servers="b:1",
        instance_id="i",
        max_record_bytes=20_000_000,
        librdkafka={"security.protocol": "ssl"},
    )
    member, reader, producer = config.member(), config.reader(), config.producer("g-i")
    assert member["group.instance.id"] == "i"
    assert member["partition.assignment.strategy"] == "range"
    assert producer["transactional.id"] == "g-i"
    assert producer["message.max.bytes"] == reader["max.partition.fetch.bytes"] == 20_000_000
    for settings in (member, reader, producer, config.client()):
        assert settings["security.protocol"] == "ssl"
        assert settings["bootstrap.servers"] == "b:1"
    assert "group.instance.id" not in CONFIG.member()


@pytest.mark.parametrize("client", ["member", "reader"])
def test_sources_and_changelogs_are_read_committed_and_never_committed_by_a_client(
    client: str,
) -> None:
    properties = getattr(CONFIG, client)()
    assert properties["isolation.level"] == "read_committed"
    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False


def test_a_transaction_is_soon_tried_again_after_the_markers_of_the_last_one() -> None:
    assert Config(group="g", bootstrap_servers="b:1").producer("t")["retry.backoff.ms"] == 10


def test_an_offset_that_is_gone_is_never_reset_in_silence() -> None:
    assert CONFIG.member()["auto.offset.reset"] == "error"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_property_on_which_exactly_once_rests_is_refused(name: str) -> None:
    with pytest.raises(MicrobatchError, match=f"must not set {name}"):
        Config(group="g", bootstrap_servers="b:1", librdkafka={name: "x"})


def test_a_configs_text_shows_no_password() -> None:
    config = Config(group="g", bootstrap_servers="b:1", librdkafka={"sasl.password": "hidden"})
    assert "hidden" not in repr(config)
