"""One file per command word. Each has ``add_arguments(parser)`` and ``run(options) -> int`` (the exit code)."""
