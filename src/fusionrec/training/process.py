"""The process that trains: its threads, its memory, and the signals that it hears."""

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
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Holds Ctrl-C and SIGTERM back, so that no step is left half done.

    The function given lets them through, as KeyboardInterrupt. Only Python's and the system's own
    handling is put off, and only in the main thread, which alone hears signals.
    """
    asked = threading.Event()

    def pause() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    paddle.disable_signal_handler()  # it prints a trace of C++ to stdout
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {s: h for s, h in usual.items() if signal.getsignal(s) is h}
    for number in before:
        signal.signal(number, lambda *_: asked.set())
    try:
        yield pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prepare_process(threads: int) -> None:
    """Sets up this process for training.

    Args:
        threads: Paddle's math threads; 0 for one per core, two at most.
    """
    paddle.base.core.set_num_threads(threads or min(2, os.cpu_count() or 1))
    # Strided views leave products and softmaxes to Paddle's slowest kernels.
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    # Large arrays come and go at every step. Left to itself, glibc gives each one back to the
    # system at once and pays for its pages anew; kept, ReLU of 16 MB takes a seventh of the time.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 2**28)
