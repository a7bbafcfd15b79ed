"""Requests -> answers, as values."""
