from tempfile import TemporaryDirectory

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_local import EmbeddedKafka

with TemporaryDirectory() as directory, EmbeddedKafka(directory) as kafka:
    settings = {"bootstrap.servers": kafka.bootstrap_servers}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic("greetings", 1)])["greetings"].result()
    producer = Producer(settings)
    producer.produce("greetings", b"hello")
    print(producer.flush(), "records left to send")
