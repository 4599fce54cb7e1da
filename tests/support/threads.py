"""How many threads do something at the same time."""

import threading
import time


class AtOnce:
    """Takes a moment, and counts who else is there.

    Attributes:
        most: Of those that were there at the same time.
    """

    def __init__(self) -> None:
        self.most = 0
        self._lock, self._now = threading.Lock(), 0

    def spend(self, seconds: float) -> None:
        """Stays for a while."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(seconds)
        with self._lock:
            self._now -= 1
