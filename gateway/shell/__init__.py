"""Trio and the world."""
