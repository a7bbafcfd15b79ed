"""Alarm -> Decision: which centre answers, which unit can be there first."""
