"""Log in with a password over TLS; needs the extra ``tls``."""

from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka.admin import AdminClient

from kafka_local import EmbeddedKafka, ListenerSecurity
from kafka_local.certificates import Authority

with TemporaryDirectory() as directory:
    authority = Authority(Path(directory), "authority")
    security = ListenerSecurity(
        key_and_certificate=authority.broker(), users={"alice": "wonderland"}
    )
    with EmbeddedKafka(Path(directory, "kafka"), security=security) as kafka:
        admin = AdminClient(
            {
                "bootstrap.servers": kafka.bootstrap_servers,
                "security.protocol": "sasl_ssl",
                "ssl.ca.location": str(authority.file),
                "sasl.mechanisms": "SCRAM-SHA-512",
                "sasl.username": "alice",
                "sasl.password": "wonderland",
            }
        )
        print("brokers:", sorted(admin.list_topics(timeout=10).brokers))
