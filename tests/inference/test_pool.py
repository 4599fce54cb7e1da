"""The work of one callback on all cores."""

import threading

import pytest

from vsvqe.inference import pool


@pytest.fixture
def cores(monkeypatch):
    """Makes the machine one of four cores."""
    pool._threads.cache_clear()
    monkeypatch.setattr(pool, "thread_count", lambda wanted: 4)
    yield
    pool._threads.cache_clear()


def fail() -> None:
    raise ValueError("a job failed")


@pytest.mark.parametrize("callers", [1, 2, 4, 8])
def test_results_come_in_order(cores, callers):
    assert list(pool.side_by_side([lambda i=i: i * i for i in range(20)], callers)) == [
        i * i for i in range(20)
    ]


def test_jobs_run_at_the_same_time_where_cores_are_idle(cores):
    # Each waits for all the others.
    together = threading.Barrier(4, timeout=10)
    places = pool.side_by_side([together.wait] * 4, callers=2)
    assert sorted(places) == [0, 1, 2, 3]


def test_callers_that_keep_all_cores_busy_do_their_own_work(cores):
    threads = pool.side_by_side([threading.get_ident] * 8, callers=4)
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("callers", [1, 4])
def test_what_a_job_raises_is_raised(cores, callers):
    with pytest.raises(ValueError, match="a job failed"):
        pool.side_by_side([lambda: None, fail], callers)
