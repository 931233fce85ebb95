"""Fixtures of the export tests."""

import pytest

from alledge.export.convert.worker_pool import WorkerPool

RUN = WorkerPool.run


@pytest.fixture
def real_worker_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps of exports as production does, not in forks of a warm process."""
    monkeypatch.setattr(WorkerPool, "run", RUN)
