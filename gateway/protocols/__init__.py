"""Bytes <-> meaning: one file per device protocol, one row each in the table below."""
