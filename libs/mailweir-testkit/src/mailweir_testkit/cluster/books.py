"""The books of a run in the cluster: made again until all has arrived, or time is up."""

import time
from collections.abc import Sequence
from typing import Final

from mailweir_testkit.cluster.release import OutsideSink, Release
from mailweir_testkit.load import Fate
from mailweir_testkit.reckoning import Reckoning, outstanding, reckon

PAUSE_SECONDS: Final = 2.0


def settled(release: Release, hop: OutsideSink, fates: Sequence[Fate], seconds: float) -> Reckoning:
    """Return what does not add up once nothing is outstanding, or after so many seconds."""
    end = time.monotonic() + seconds
    refs = {fate.ref for fate in fates if fate.ref}
    while True:
        records = {ref: row for ref, row in release.records().items() if ref in refs}
        mails = [mail for mail in hop.mails if mail.ref in refs]
        made = reckon(fates, mails, records)
        done = not outstanding(fates, mails, records) and not made.unrecorded
        if done or time.monotonic() > end:
            return made
        time.sleep(PAUSE_SECONDS)
