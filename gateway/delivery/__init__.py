"""Decision -> Delivery -> Receipt: the outbox, the envelope and one file per centre dialect."""
