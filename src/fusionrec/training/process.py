"""Sets up the training process: threads, memory and signals."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle


@contextmanager
def defer_interrupts() -> Iterator[Callable[[], None]]:
    """Defers Ctrl-C and SIGTERM, so that no step is left half done.

    The yielded function raises a deferred one as KeyboardInterrupt. Replaces only the default
    handlers, and only in the main thread, which alone receives signals.
    """
    interrupted = threading.Event()

    def pause() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt

    paddle.disable_signal_handler()  # it prints a trace of C++ to stdout
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {s: h for s, h in usual.items() if signal.getsignal(s) is h}
    for number in before:
        signal.signal(number, lambda *_: interrupted.set())
    try:
        yield pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prepare_process(threads: int) -> None:
    """Sets up this process with so many math threads; 0 for one per core, two at most."""
    paddle.base.core.set_num_threads(threads or min(2, os.cpu_count() or 1))
    # With strided views, Paddle uses its slowest kernels for products and softmaxes.
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    # Every step allocates and frees large arrays. By default glibc returns them to the system and
    # faults their pages in again; with memory kept, ReLU of 16 MB takes a seventh of the time.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 2**28)
