"""What a laptop lacks: Kafka, AWS, the source, and the whole stack in one command."""
