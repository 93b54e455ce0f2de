"""Tell how busy the machine is with other work: a peer's OpenMP threads suffer from it far more than ours."""

import pathlib
import time


def spent() -> tuple[int, int]:
    """Ticks that the cores have worked, and ticks in all."""
    stat = pathlib.Path("/proc/stat")
    if not stat.exists():
        return 0, 0
    user, nice, system, idle, wait, *rest = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
    worked = user + nice + system + sum(rest)
    return worked, worked + idle + wait


def busy(seconds: float = 0.5) -> float:
    """The share of all cores that works while this process sleeps; 0 where nothing tells."""
    worked, total = spent()
    time.sleep(seconds)
    worked_after, total_after = spent()
    return (worked_after - worked) / max(1, total_after - total)
