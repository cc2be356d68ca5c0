"""The one place that holds the version: packaging reads it, and so do saved files, without an installed package."""

__version__ = "0.1.0"
