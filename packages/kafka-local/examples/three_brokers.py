"""Lose one broker of three: records are still acknowledged by the other two."""

from tempfile import TemporaryDirectory

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_local import EmbeddedKafka

with TemporaryDirectory() as directory, EmbeddedKafka(directory, brokers=3) as kafka:
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic("payments", 3)])["payments"].result()
    producer = Producer(settings)
    kafka.brokers[0].kill()
    for number in range(100):
        producer.produce("payments", str(number).encode())
    print(producer.flush(), "records left to send without broker 1")
    kafka.brokers[0].start()
