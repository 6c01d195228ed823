from pathlib import Path

from kafka_local.security import ListenerSecurity

PEM = Path("/keys/broker.pem")
PASSWORD = "hidden-password"
OURS = "listener.name.clients."


def test_encryption_alone_asks_clients_for_nothing() -> None:
    security = ListenerSecurity(key_and_certificate=PEM)
    assert security.protocol == "SSL"
    assert security.format_arguments() == []
    assert security.properties() == {
        f"{OURS}ssl.keystore.type": "PEM",
        f"{OURS}ssl.keystore.location": str(PEM),
        f"{OURS}connections.max.reauth.ms": "0",
    }


def test_clients_may_have_to_show_a_certificate() -> None:
    security = ListenerSecurity(key_and_certificate=PEM, client_authorities=Path("/keys/ca.pem"))
    properties = security.properties()
    assert security.protocol == "SSL"
    assert properties[f"{OURS}ssl.client.auth"] == "required"
    assert properties[f"{OURS}ssl.truststore.location"] == "/keys/ca.pem"


def test_passwords_and_tokens_may_be_taken_side_by_side_for_a_while() -> None:
    security = ListenerSecurity(
        key_and_certificate=PEM, users={"me": PASSWORD}, takes_tokens=True, session_ms=10_000
    )
    properties = security.properties()
    assert security.protocol == "SASL_SSL"
    assert properties[f"{OURS}sasl.enabled.mechanisms"] == "SCRAM-SHA-512,OAUTHBEARER"
    assert properties[f"{OURS}connections.max.reauth.ms"] == "10000"
    assert "ScramLoginModule required;" in properties[f"{OURS}scram-sha-512.sasl.jaas.config"]
    assert "OAuthBearerLoginModule" in properties[f"{OURS}oauthbearer.sasl.jaas.config"]
    assert security.format_arguments() == [
        f"--add-scram=SCRAM-SHA-512=[name=me,password={PASSWORD}]"
    ]


def test_passwords_show_neither_in_the_brokers_settings_nor_in_a_repr() -> None:
    security = ListenerSecurity(key_and_certificate=PEM, users={"me": PASSWORD})
    assert PASSWORD not in str(security.properties())
    assert PASSWORD not in repr(security)
