"""Shared and small: what every txfeatures service uses, without knowledge of any of them."""

__version__ = "0.1.0"
