"""The engine on librdkafka; it imports no Faust."""
