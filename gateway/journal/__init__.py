"""The record of everything: format and recovery (``record``), order and batching (``groups``)."""
