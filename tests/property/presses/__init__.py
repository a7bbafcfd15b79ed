"""Presses with company: one file a protocol that has bits, flags or several events in a frame.

Each gives ``press``, a strategy for the frames of one connection of which the last one says SOS beside anything else that
the format can say at the same time.
"""

Messages = tuple[str, list[bytes]]
"Transport and the frames of one connection."
