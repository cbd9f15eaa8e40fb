"""Reading ahead and writing behind: order, errors, and that it is ahead and behind."""

import threading
import time

import pytest

from kerseg.core.ahead import Behind, ahead


def test_all_items_in_order_from_another_thread():
    threads = set()

    def items():
        for item in range(20):
            threads.add(threading.current_thread())
            yield item

    assert list(ahead(items())) == list(range(20))
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_as_far_ahead_as_said_and_no_farther():
    taken = []

    def items():
        for item in range(10):
            taken.append(item)
            yield item

    stream = ahead(items(), 3)
    assert next(stream) == 0
    time.sleep(0.05)
    assert taken == [0, 1, 2, 3]
    stream.close()
    assert len(taken) <= 4


def test_an_error_comes_in_its_turn():
    def items():
        yield 1
        raise ValueError("broken")

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_work_behind_is_done_in_order_and_waited_for():
    done = []

    def work(number):
        time.sleep(0.002)
        done.append((number, threading.current_thread() is threading.main_thread()))

    with Behind(2) as behind:
        for number in range(10):
            behind.do(work, number)
    assert done == [(number, False) for number in range(10)]


def test_work_that_fails_is_said_and_the_rest_left():
    done = []

    def work(number):
        if number == 1:
            raise OSError("no room")
        done.append(number)

    with pytest.raises(OSError, match="no room"), Behind(1) as behind:
        for number in range(10):
            behind.do(work, number)
    assert len(done) < 9


def test_what_fails_in_the_block_leaves_waiting_work():
    started, done = threading.Event(), []

    def work():
        started.set()
        time.sleep(0.02)
        done.append(1)

    with pytest.raises(KeyError), Behind(9) as behind:
        for _ in range(5):
            behind.do(work)
        started.wait()
        raise KeyError
    assert len(done) == 1
