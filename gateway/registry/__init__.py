"""Devices, cases, units, users: the facts that people enter."""
