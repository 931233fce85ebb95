"""Fixtures of the export tests."""

import pytest

from alledge.export.convert import jobs

RUN_WORKER = jobs.run_worker


@pytest.fixture
def new_process_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps of exports as production does, not in forks of a warm process."""
    monkeypatch.setattr(jobs, "run_worker", RUN_WORKER)
