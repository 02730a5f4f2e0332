"""Several requests to one server at the same time, from threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from vocabtrim_core.serving.engine import Prompt
from vocabtrim_core.serving.measurement import Answer

POLL_SECONDS = 0.25


def send_all(
    generate: Callable[[Prompt, threading.Event], Answer],
    prompts: Sequence[Prompt],
    concurrency: int,
    check: Callable[[], None],
    answered: Callable[[int], None],
) -> tuple[list[Answer], float]:
    """Send prompts from `concurrency` threads, each with one request at a time.

    Args:
        generate: Sends one prompt and waits for its answer; the event is set when it is no longer
            needed.
        prompts: The requests.
        concurrency: Requests at once.
        check: Called while waiting; raises Cancelled.
        answered: Called with the number of answers so far.

    Returns:
        The answers in the order of the prompts, and the wall time in seconds.

    Raises:
        EngineError: A request failed (the first error of all threads).
        Cancelled: From `check`.
    """
    answers: dict[int, Answer] = {}
    failures: list[BaseException] = []
    stop, turn = threading.Event(), threading.Lock()
    waiting = iter(enumerate(prompts))

    def work() -> None:
        try:
            while not stop.is_set():
                with turn:
                    i, prompt = next(waiting, (0, None))
                if prompt is None:
                    return
                answers[i] = generate(prompt, stop)
                answered(len(answers))
        except BaseException as error:  # raised again below, in the calling thread
            failures.append(error)

    # Daemons: a request that hangs must not keep a stopped command from ending.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(concurrency)]
    began = time.perf_counter()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not failures:
                check()
                thread.join(POLL_SECONDS)
        seconds = time.perf_counter() - began
    finally:
        stop.set()
    if failures:
        raise failures[0]
    return [answers[i] for i in range(len(prompts))], seconds
