"""Which engine models ran on, as the log says it."""

import logging

from ..inference import session


class Engines(logging.Handler):
    """Takes from the log which engine each model runs on."""

    def __init__(self) -> None:
        """Starts with none."""
        super().__init__(logging.INFO)
        self.seen: dict[str, str] = {}

    @classmethod
    def watched(cls) -> "Engines":
        """Returns one that has begun to listen; nothing of it is shown any more."""
        engines = cls()
        session.logger.addHandler(engines)
        session.logger.setLevel(logging.INFO)
        session.logger.propagate = False
        return engines

    def emit(self, record: logging.LogRecord) -> None:
        """Remembers the engine that a session was opened on."""
        model, _, engine = record.getMessage().partition(" runs on ")
        if engine:
            self.seen[model] = engine

    def __str__(self) -> str:
        """Returns all engines so far, each once."""
        return "; ".join(sorted(set(self.seen.values())))
