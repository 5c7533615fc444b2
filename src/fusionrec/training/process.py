"""Sets up the training process: device, threads, memory and signals."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle

from fusionrec.errors import TrainingError
from fusionrec.processors import processors


@contextmanager
def defer_interrupts() -> Iterator[Callable[[], None]]:
    """Defers Ctrl-C and SIGTERM, so that no step is left half done.

    The yielded function raises a deferred one as KeyboardInterrupt. Replaces only the default
    handlers, and only in the main thread, which alone receives signals.
    """
    interrupted: list[int] = []  # no Event: its lock would wait for ever for a handler's own frame

    def pause() -> None:
        if interrupted:
            raise KeyboardInterrupt

    paddle.disable_signal_handler()  # it prints a trace of C++ to stdout
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {s: h for s, h in usual.items() if signal.getsignal(s) is h}
    for number in before:
        signal.signal(number, lambda number, _: interrupted.append(number))
    try:
        yield pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def choose_device(asked: str) -> str:
    """The device that trains, ``cpu`` or ``gpu``: ``auto`` is a GPU where Paddle can use one.

    Raises:
        TrainingError: a GPU is asked for, and Paddle cannot use any.
    """
    built = paddle.is_compiled_with_cuda()
    usable = built and paddle.device.cuda.device_count() > 0
    if asked == "gpu" and not usable:
        version = f"PaddlePaddle {paddle.version.full_version}"
        raise TrainingError(
            f"training.device is gpu, and {version} "
            + ("finds no GPU" if built else "was built without CUDA"),
            "look at what nvidia-smi shows and at CUDA_VISIBLE_DEVICES, or train with --device cpu"
            if built
            else "install paddlepaddle-gpu of the same version in place of paddlepaddle, for this "
            "machine's CUDA, or train with --device cpu",
        )
    return "gpu" if usable and asked != "cpu" else "cpu"


def use_threads(number: int) -> None:
    """Lets Paddle compute with so many threads from now on."""
    paddle.base.core.set_num_threads(number)


def usual_threads() -> int:
    """How many threads are used where no trial tells: one per processor, two at most, of which
    even a small network makes use.
    """
    return min(2, processors())


def prepare_process(threads: int, device: str = "cpu") -> None:
    """Sets up this process with so many math threads, 0 for ``usual_threads``, and a device.

    Raises:
        TrainingError: see ``choose_device``.
    """
    place = choose_device(device)
    if place == "gpu":  # of several processes each has its own
        place = f"gpu:{paddle.distributed.ParallelEnv().device_id}"
    paddle.set_device(place)
    use_threads(threads or usual_threads())
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
