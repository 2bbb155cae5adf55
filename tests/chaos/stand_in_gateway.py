"""Run a gateway that obeys orders to kill or stop itself at a step."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from service.gateway import app, composition
from service.queue.admission import Admission
from service.queue.jobs import Jobs
from tests.chaos.orders import carry_out

_ORDERS = Path(os.environ["CHAOS_ORDERS"])


class ObedientAdmission(Admission):
    """Obey after an upload's room was reserved."""

    async def reserve(self, *what: Any) -> Any:
        found = await super().reserve(*what)
        carry_out(_ORDERS, "reserved")
        return found


class ObedientJobs(Jobs):
    """Obey before and after a job is queued."""

    async def submit(self, *what: Any, **more: Any) -> Any:
        carry_out(_ORDERS, "uploaded")
        found = await super().submit(*what, **more)
        carry_out(_ORDERS, "accepted")
        return found


if __name__ == "__main__":
    composition.Admission = ObedientAdmission  # type: ignore[misc]
    composition.Jobs = ObedientJobs  # type: ignore[misc]
    sys.exit(app.main())
