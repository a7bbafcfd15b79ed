"""The gateway between a hidden alarm button and the emergency centre."""

__version__ = "0.1.0"
