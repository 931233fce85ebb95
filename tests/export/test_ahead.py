"""Conversions that are begun before their results are needed."""

import threading

import pytest

from alledge.export.ahead import ConversionsAhead
from alledge.export.convert.jobs import JobRunner


@pytest.fixture
def jobs(tmp_path):
    with JobRunner(tmp_path) as runner:
        yield runner


def test_waiting_for_a_format_waits_for_its_tasks_only(jobs):
    done, onnx_may_go = [], threading.Event()

    def onnx():
        onnx_may_go.wait()
        done.append("onnx")

    ahead = ConversionsAhead(jobs, [("tflite", lambda: done.append("tflite")), ("onnx", onnx)])
    ahead.wait("tflite")
    assert done == ["tflite"]
    onnx_may_go.set()
    ahead.wait()
    assert done == ["tflite", "onnx"]


def test_a_task_that_fails_is_finished_and_the_others_are_done(jobs):
    done = []

    def fail():
        raise ValueError("no such graph")

    ahead = ConversionsAhead(jobs, [("tflite", fail), ("tflite", lambda: done.append(1))])
    ahead.wait("tflite")
    assert done == [1]


def test_two_tasks_are_done_at_once(jobs):
    both = threading.Barrier(2, timeout=20)
    tasks = [("tflite", both.wait), ("onnx", both.wait), ("openvino", lambda: None)]
    ahead = ConversionsAhead(jobs, tasks, at_once=2)
    ahead.use_all_threads()
    ahead.wait()
    assert not both.broken


def test_nothing_ahead_is_finished_at_once():
    ConversionsAhead().wait()
