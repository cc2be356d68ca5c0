import threading
import time

import pytest
import torch

from sktopo._threads import map_chunks


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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
    assert elsewhere == [2] == [torch.get_num_threads()]


def test_callers_share_the_workers(two_threads):
    names = []

    def caller():
        names.extend(map_chunks(lambda _: threading.current_thread().name, range(16)))

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert len(set(names)) <= 2


def test_few_chunks_are_held_at_a_time(two_threads):
    made = []

    def chunks():
        for i in range(100):
            made.append(i)
            yield i

    results = map_chunks(lambda i: i, chunks())
    next(results)
    assert len(made) <= 6
    results.close()


def test_errors_reach_the_caller(two_threads):
    def fail(i):
        if i == 3:
            raise ValueError("chunk 3")
        return i

    with pytest.raises(ValueError, match="chunk 3"):
        list(map_chunks(fail, range(10)))


def test_one_thread_needs_no_pool(two_threads):
    torch.set_num_threads(1)
    names = set(map_chunks(lambda _: threading.current_thread().name, range(3)))
    assert names == {threading.current_thread().name}
