import re
import threading
import time

import pytest
import torch
from settings import threads

from sktopo import _threads
from sktopo._threads import map_chunks, run_alone, scratch


@pytest.fixture
def two_threads():
    with threads(2):
        yield


def test_results_come_in_order(two_threads):
    def late(i):
        time.sleep(0.002 * (i % 3))
        return i

    assert list(map_chunks(late, range(20))) == list(range(20))


def test_workers_compute_alone_and_nobody_else_does(two_threads):
    seen = set(map_chunks(lambda _: (torch.get_num_threads(), threading.current_thread().name), range(16)))
    assert {threads for threads, _ in seen} == {1}
    assert threading.current_thread().name not in {name for _, name in seen}
    elsewhere = []
    stranger = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    stranger.start()
    stranger.join()
    assert elsewhere == [2]
    assert torch.get_num_threads() == 2


def test_mkl_computes_alone_in_a_worker_whatever_the_process_says(two_threads):
    def limits():
        return re.findall(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())

    here = limits()
    assert all(map_chunks(lambda _: limits() in ([], ["1"]), range(16)))
    assert run_alone(limits) in ([], ["1"])
    assert here in ([], ["2"])
    assert limits() == here


def test_chunks_are_taken_by_no_more_threads_than_there_are(two_threads):
    def where(_):
        time.sleep(0.01)
        return threading.current_thread().name

    def called():
        return threading.current_thread().name, list(map_chunks(where, range(12)))

    caller, names = run_alone(called)
    assert len(names) == 12
    assert len(set(names)) == 2
    assert caller in names


@pytest.mark.parametrize("bad", [0, 1, 5, 19])
def test_an_error_in_a_chunk_reaches_the_caller(two_threads, bad):
    def fail(i):
        time.sleep(0.002)
        if i == bad:
            raise IndexError(f"chunk {i}")
        return i

    with pytest.raises(IndexError, match=f"chunk {bad}"):
        list(map_chunks(fail, range(20)))


def test_an_error_between_chunks_reaches_the_caller(two_threads):
    def chunks():
        yield from range(7)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(map_chunks(lambda i: i, chunks()))


def test_an_abandoned_run_ends(two_threads, monkeypatch):
    def interrupted(self, timeout=None):
        raise KeyboardInterrupt

    begun, ended = threading.Event(), threading.Event()

    def run():
        begun.wait(10)
        try:
            while True:
                list(map_chunks(lambda _: time.sleep(0.001), range(4)))
        finally:
            ended.set()

    with monkeypatch.context() as patched:
        patched.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_alone(run)
    begun.set()
    assert ended.wait(10)


def test_callers_share_the_workers(two_threads):
    names = set()

    def caller():
        names.update(map_chunks(lambda _: threading.current_thread().name, range(16)))

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    helpers = {name for name in names if "run" not in name}
    assert len(helpers) <= 1
    assert len(names - helpers) <= 4


def test_few_chunks_are_held_at_a_time(two_threads):
    made = []

    def chunks():
        for i in range(100):
            made.append(i)
            yield i

    def begin():
        results = map_chunks(lambda i: i, chunks())
        next(results)
        results.close()

    run_alone(begin)
    assert len(made) <= 6


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_slow_first_chunk_holds_the_others_up(n):
    begun = []

    def slow(i):
        begun.append(i)
        if i == 0:
            time.sleep(0.2)
            assert len(begun) <= 2 * n
        return i

    with threads(n):
        assert list(map_chunks(slow, range(60))) == list(range(60))


def test_an_error_of_its_own_that_says_timeout_reaches_the_caller():
    def late():
        raise TimeoutError("the disk")

    with threads(2), pytest.raises(TimeoutError, match="the disk"):
        run_alone(late)


def test_a_caller_waits_as_long_as_it_takes(monkeypatch):
    monkeypatch.setattr(_threads, "HEEDING", 0.01)
    with threads(2):
        assert run_alone(lambda: time.sleep(0.2) or "done") == "done"


def test_one_thread_needs_no_pool():
    with threads(1):
        names = set(map_chunks(lambda _: threading.current_thread().name, range(3)))
    assert names == {threading.current_thread().name}


def test_a_thread_keeps_no_large_memory():
    like = torch.empty(0)
    large, another = (scratch("rows", 64, 100_000, like) for _ in range(2))
    assert large.shape == (64, 100_000)
    assert large.data_ptr() != another.data_ptr()
    assert scratch("rows", 10, 10, like).data_ptr() == scratch("rows", 5, 5, like).data_ptr()


def test_memory_from_inference_mode_serves_afterwards():
    like = torch.empty(0)
    with torch.inference_mode():
        scratch("there and back", 3, 3, like)
    assert scratch("there and back", 3, 3, like).fill_(1).sum() == 9
