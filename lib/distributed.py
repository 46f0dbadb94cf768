"""Several processes that share one job, as torchrun starts them; in a process of its own everything here is a no-op."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn


PATIENCE = timedelta(days=7)  # ranks wait while the first one hashes or writes; torchrun ends them if it dies


def join() -> torch.device:
    """Join the other processes of torchrun, if there are any, and give the device of this one."""
    local = int(os.environ.get("LOCAL_RANK", 0))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local % torch.cuda.device_count()) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if "RANK" in os.environ and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    return device


def leave() -> None:
    """Part from the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def ranks() -> int:
    """How many processes share the job."""
    return dist.get_world_size() if dist.is_initialized() else 1


def from_first(make: Callable):
    """What `make()` gives on rank 0, on every rank; a ValueError or OSError there is raised on every rank."""
    box = [None]
    if rank() == 0:
        try:
            box = [make()]
        except (ValueError, OSError) as error:
            box = [error]
    if ranks() > 1:
        dist.broadcast_object_list(box)
    if isinstance(box[0], Exception):
        raise box[0]
    return box[0]


def summed(values: Tensor) -> Tensor:
    """Sum over the ranks, in place."""
    if ranks() > 1:
        dist.all_reduce(values)
    return values


def averaged(module: nn.Module) -> nn.Module:
    """The module with its gradients averaged over the ranks after each backward pass."""
    if ranks() == 1:
        return module
    # static: a weight that the loss never uses is found once, not looked for in every pass
    return nn.parallel.DistributedDataParallel(module, static_graph=True)


def gathered(own: Tensor, lengths: list[int]) -> Iterator[Tensor]:
    """On rank 0 the tensors (lengths[rank], ...) of all ranks in order, one at a time; the others send theirs."""
    if rank() > 0:
        if len(own):
            dist.send(own.contiguous(), 0)
        return
    yield own
    for source, length in enumerate(lengths[1:], 1):
        if length == 0:
            continue
        other = own.new_empty(length, *own.shape[1:])
        dist.recv(other, source)
        yield other
