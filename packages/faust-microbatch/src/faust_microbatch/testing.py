"""Tests of an app without a broker."""
