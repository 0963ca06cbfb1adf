"""ECGFounder's fine-tuning as it was published, written anew to be measured beside leadlab's.

The arithmetic is that of ``leadlab_train.net1d`` and ``leadlab_edge.signal``; what it costs is the
published code's: the padding of every convolution at run time, also where it is none; Swish in two
operations; squeeze-excitation by einsum; channels grown between two transpositions; a Dataset that
designs its filters anew and filters in every item; Adam one step after the other, each waiting for
its loss. The items come from the same cohort files as leadlab's, one window at a time: the store is
not what is compared.

PKUDigitalHealth/ECGFounder (MIT), NEJM AI 2025; the masked loss is AnyECG-Lab's, arXiv 2510.22301.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from signal_path import published as published_chain
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from leadlab_train.cohort import Cohort

KERNEL, GROUP = 16, 16
STEM, STAGES, BLOCKS = 64, (64, 160, 160, 400, 400, 1024, 1024), (2, 2, 2, 3, 3, 4, 4)
LEARNING_RATE, WEIGHT_DECAY = 1e-4, 1e-5


class PublishedWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows by number: read, filtered and standardised one at a time.

    Parameters
    ----------
    cohort
        Where raw windows and labels are.
    rows
        ``(n,)`` the windows to offer.
    """

    def __init__(self, cohort: Cohort, rows: NDArray[np.int64]):
        self._cohort, self._rows = cohort, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return a window ``(1, 5000)`` float32 and its labels ``(n_labels,)`` float32."""
        row = self._rows[index : index + 1]
        raw_mv = self._cohort.read_mv(row).astype(np.float64)  # what reading WFDB gives
        labels = self._cohort.labels[self._cohort.draw_of(row)[0]]
        x = torch.from_numpy(published_chain(raw_mv)).float()
        return x, torch.from_numpy(labels.astype(np.float32))


def published_batches(
    cohort: Cohort, batch: int, workers: int, device: torch.device
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return a loader of random training windows without end, the rest at torch's defaults."""
    windows = PublishedWindows(cohort, cohort.rows("train"))
    endless = RandomSampler(windows, replacement=True, num_samples=2**40)
    pin = device.type == "cuda"
    return DataLoader(windows, batch, sampler=endless, num_workers=workers, pin_memory=pin)


def published_step(
    weights: Mapping[str, Tensor], device: torch.device
) -> Callable[[tuple[Tensor, Tensor]], float]:
    """Return the optimizer step: a batch to its loss, waited for. float32 and eager."""
    network = PublishedNet1D(len(weights["dense.bias"]))
    network.load_state_dict(weights)
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def step(batch: tuple[Tensor, Tensor]) -> float:
        x, labels = (part.to(device) for part in batch)
        mask = (labels != -1).float()
        loss = F.binary_cross_entropy_with_logits(network(x), labels.clamp(min=0), reduction="none")
        loss = (mask * loss).sum() / (mask.sum() + 1e-8)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


class _Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class _SameConv(nn.Module):
    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv1d(n_in, n_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[-1]
        n_out = (length + self.stride - 1) // self.stride
        total = max(0, (n_out - 1) * self.stride + self.kernel - length)
        x = F.pad(x, (total // 2, total - total // 2), "constant", 0)
        y: Tensor = self.conv(x)
        return y


class _SamePool(nn.Module):
    def __init__(self, kernel: int):
        super().__init__()
        self.kernel, self.pool = kernel, nn.MaxPool1d(kernel)

    def forward(self, x: Tensor) -> Tensor:
        total = self.kernel - 1
        y: Tensor = self.pool(F.pad(x, (total // 2, total - total // 2), "constant", 0))
        return y


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, *, halve: bool, first: bool):
        super().__init__()
        self.first, self.halve, self.growth = first, halve, n_out - n_in
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm1d(n) for n in (n_in, n_out, n_out))
        self.swish = _Swish()
        self.conv1 = _SameConv(n_in, n_out, 1)
        self.conv2 = _SameConv(n_out, n_out, KERNEL, 2 if halve else 1, groups=n_out // GROUP)
        self.conv3 = _SameConv(n_out, n_out, 1)
        self.se_fc1, self.se_fc2 = nn.Linear(n_out, n_out // 2), nn.Linear(n_out // 2, n_out)
        self.pool = _SamePool(2) if halve else None

    def forward(self, x: Tensor) -> Tensor:
        identity, out = x, x
        if not self.first:
            out = self.swish(out)
        out = self.conv1(out)
        out = self.conv2(self.swish(out))
        out = self.conv3(self.swish(out))
        scale = self.se_fc2(self.swish(self.se_fc1(out.mean(-1))))
        out = torch.einsum("abc,ab->abc", out, torch.sigmoid(scale))
        if self.pool is not None:
            identity = self.pool(identity)
        if self.growth:
            before = self.growth // 2
            identity = identity.transpose(-1, -2)
            identity = F.pad(identity, (before, self.growth - before), "constant", 0)
            identity = identity.transpose(-1, -2)
        out += identity
        return out


class _Stage(nn.Module):
    def __init__(self, n_in: int, n_out: int, n_blocks: int, *, first: bool):
        super().__init__()
        self.block_list = nn.ModuleList(
            _Block(n_out if j else n_in, n_out, halve=j == 0, first=first and j == 0)
            for j in range(n_blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block_list:
            x = block(x)
        return x


class PublishedNet1D(nn.Module):
    """The full-width network; state dicts of ``leadlab_train.net1d`` load strictly.

    Batch norm is built and never applied, as in the release.
    """

    def __init__(self, n_labels: int, leads: int = 1):
        super().__init__()
        self.first_conv = _SameConv(leads, STEM, KERNEL, 2)
        self.first_bn, self.swish = nn.BatchNorm1d(STEM), _Swish()
        self.stage_list = nn.ModuleList()
        n_in = STEM
        for n_out, n_blocks in zip(STAGES, BLOCKS, strict=True):
            self.stage_list.append(_Stage(n_in, n_out, n_blocks, first=not self.stage_list))
            n_in = n_out
        self.dense = nn.Linear(n_in, n_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(batch, n_labels)`` of windows ``(batch, leads, time)``."""
        out = self.swish(self.first_conv(x))
        for stage in self.stage_list:
            out = stage(out)
        logits: Tensor = self.dense(out.mean(-1))
        return logits
