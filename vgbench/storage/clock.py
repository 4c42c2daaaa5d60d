"""Wall and CPU time of the stages of a run."""

import time

from vgbench.storage.record_types import Times


class Clock:
    """Wall and CPU time (user + system, all threads) since the last lap."""

    def __init__(self, stage: str) -> None:
        """Start."""
        self.stage = stage
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Times:
        """Return the time since the last call, or since the start."""
        wall, cpu = time.perf_counter(), time.process_time()
        spent = Times(seconds=wall - self._wall, cpu_seconds=cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        return spent
