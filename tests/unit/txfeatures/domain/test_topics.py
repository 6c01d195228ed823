import pytest

from txfeatures.domain.topics import (
    AGGREGATED,
    DEDUPED,
    FEED,
    LATE,
    MAX_RECORD_BYTES,
    PARTIALS,
    RAW,
    TOPICS,
    Topic,
    dead_letter_topic,
)

BY_NAME = {topic.name: topic for topic in TOPICS}


def test_every_topic_of_the_pipeline_is_declared_once() -> None:
    assert len(BY_NAME) == len(TOPICS)
    assert {RAW, DEDUPED, PARTIALS, AGGREGATED, FEED, LATE} <= BY_NAME.keys()


@pytest.mark.parametrize("name", [RAW, DEDUPED, AGGREGATED])
def test_what_comes_from_outside_a_service_has_a_dead_letter_topic_as_wide(name: str) -> None:
    dead = BY_NAME[dead_letter_topic(name)]
    assert dead.name == f"{name}.dlq"
    assert dead.scales == BY_NAME[name].scales


def test_raw_deduped_and_their_table_scale_together() -> None:
    for name in (RAW, DEDUPED, "dedup-seen-changelog", "aggregator-folds-changelog"):
        assert BY_NAME[name].scales
    for name in (PARTIALS, FEED, "aggregator-merged-changelog"):
        assert not BY_NAME[name].scales


def test_a_topic_keeps_its_records_for_its_retention_in_log_time() -> None:
    config = BY_NAME[RAW].config(keep_forever=False)
    assert config["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert config["cleanup.policy"] == "delete"
    assert config["message.timestamp.type"] == "CreateTime"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_for_a_replay_every_topic_keeps_everything(topic: Topic) -> None:
    assert topic.config(keep_forever=True)["retention.ms"] == "-1"


def test_changelogs_are_compacted_and_never_expire() -> None:
    changelogs = [topic for topic in TOPICS if topic.name.endswith("-changelog")]
    assert len(changelogs) == 3
    for topic in changelogs:
        config = topic.config(keep_forever=False)
        assert (config["cleanup.policy"], config["retention.ms"]) == ("compact", "-1")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_takes_the_largest_record_and_any_date(topic: Topic) -> None:
    config = topic.config(keep_forever=False)
    assert config["max.message.bytes"] == str(MAX_RECORD_BYTES)
    assert config["message.timestamp.after.max.ms"] == str(2**63 - 1)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_with_three_replicas_an_acknowledged_record_survives_the_loss_of_any(topic: Topic) -> None:
    config = topic.config(keep_forever=False, replication=3)
    assert config["min.insync.replicas"] == "2"
    assert config["unclean.leader.election.enable"] == "false"
    assert "min.insync.replicas" not in topic.config(keep_forever=False, replication=2)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_msk_serverless_is_asked_only_for_properties_that_it_documents(topic: Topic) -> None:
    config = topic.config(keep_forever=True, replication=3, kind="serverless")
    # https://docs.aws.amazon.com/msk/latest/developerguide/serverless-config.html
    assert config.keys() <= {
        "cleanup.policy",
        "compression.type",
        "max.message.bytes",
        "message.timestamp.difference.max.ms",
        "message.timestamp.type",
        "retention.bytes",
        "retention.ms",
    }
    assert config["retention.bytes"] == "-1"


def test_express_brokers_set_the_acknowledgements_themselves() -> None:
    config = BY_NAME[RAW].config(keep_forever=False, replication=3, kind="express")
    assert not {"min.insync.replicas", "unclean.leader.election.enable"} & config.keys()
    assert "message.timestamp.after.max.ms" in config
