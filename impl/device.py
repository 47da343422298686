"""Where tensors live, and the switches that make a run repeatable there."""

import ctypes
import os

import torch

DEVICES = ("auto", "cpu", "cuda")
# Parameters of mallopt, and the largest mmap threshold that every glibc takes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, LARGEST = -1, -3, 1 << 25


def resolve(name: str) -> torch.device:
    """Device named ``auto`` (CUDA where present, else CPU), ``cpu`` or ``cuda``.

    Raises ValueError for any other name, and for ``cuda`` where torch sees no CUDA device.
    """
    if name not in DEVICES:
        raise ValueError(f"device is {name!r}; allowed: {', '.join(DEVICES)}")
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ValueError("device is 'cuda' but torch sees no CUDA device; allowed here: auto, cpu")
    return torch.device("cuda" if present and name != "cpu" else "cpu")


def deterministic(device: torch.device) -> None:
    """Makes results on ``device`` a function of the inputs: no TF32, no atomics, one CPU thread.

    cuBLAS reads its workspace setting when the first handle is created, so call this before any CUDA work.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    # The same as use_deterministic_algorithms, which loads the compiler to tell it: a second in every process.
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    torch.set_deterministic_debug_mode("error")
    torch.set_num_threads(1)
    if device.type == "cuda":
        # The older pair of flags: every torch from 2.6 accepts it, and newer ones translate it.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def keep_memory(limit: int = 1 << 30) -> bool:
    """Lets glibc keep ``limit`` bytes of freed memory for the next tensors; whether it does, and False elsewhere.

    Torch takes and frees megabytes in every step on a CPU. Given back and taken again, each page costs a page fault:
    for a deep model up to ten in a replicate's step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return mallopt is not None and bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, limit))


def describe(device: torch.device) -> dict[str, str | int]:
    """What a result depends on besides its inputs: torch, processor, instruction set, threads."""
    facts: dict[str, str | int] = {
        "torch": torch.__version__,
        "device": device.type,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"device_name": properties.name, "multiprocessors": properties.multi_processor_count}
    return facts
