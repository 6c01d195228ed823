"""A data scientist's SageMaker Studio: created, inspected, and deleted without remains."""
