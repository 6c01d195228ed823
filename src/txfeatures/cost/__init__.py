"""The monthly cost of a deployment, from dated rates and measured footprints."""
