from kafka_local.properties import (
    MAX_MESSAGE_BYTES,
    MAX_RECORD_BYTES,
    broker_properties,
    format_properties,
)


def test_both_listeners_are_on_the_loopback_interface_and_the_controller_votes_for_itself() -> None:
    properties = broker_properties(port=21_000, controller_port=21_001, overrides={})
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:21000,CONTROLLER://127.0.0.1:21001"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21000"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:21001"


def test_a_record_of_10_mb_fits_with_room_to_spare() -> None:
    properties = broker_properties(port=1, controller_port=2, overrides={})
    assert int(properties["message.max.bytes"]) == MAX_MESSAGE_BYTES > MAX_RECORD_BYTES
    assert properties["replica.fetch.max.bytes"] == properties["message.max.bytes"]


def test_the_callers_settings_win() -> None:
    properties = broker_properties(
        port=1, controller_port=2, overrides={"log.retention.ms": "5", "num.io.threads": "2"}
    )
    assert properties["log.retention.ms"] == "5"
    assert properties["num.io.threads"] == "2"


def test_a_properties_file_escapes_what_java_would_read_otherwise() -> None:
    text = format_properties({"a.b": "plain", "path": "C:\\ümläut\n", "emoji": "\N{FIRE}"})
    assert text == "a.b=plain\npath=C:\\\\\\u00fcml\\u00e4ut\\n\nemoji=\\ud83d\\udd25\n"
