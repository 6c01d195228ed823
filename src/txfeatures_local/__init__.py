"""What a laptop lacks: an embedded Kafka, a local AWS, the source and the whole stack in one command."""
