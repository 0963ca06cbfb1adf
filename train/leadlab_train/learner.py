"""One optimizer step, and all that a training must remember between two of them."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from leadlab_train.errors import CheckpointError
from leadlab_train.optimizer import FitSettings, build_optimizer, set_learning_rate

Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch")


class Step(NamedTuple):
    """Loss and gradient norm of one step: scalars that may still be on their way on a GPU."""

    loss: Tensor
    gradient: Tensor


class Learner(Generic[Model]):
    """A model, its optimizer, its averaged weights and the number of steps done.

    Parameters
    ----------
    model
        Fitted in place.
    settings
        Rates, with the length in steps.
    network
        What a loss calls in place of the model, over the same parameters: compiled, or spread over
        processes. The model itself by default.
    autocast
        Compute in bfloat16 where torch deems it safe.
    """

    def __init__(
        self,
        model: Model,
        settings: FitSettings,
        network: nn.Module | None = None,
        autocast: bool = False,
    ) -> None:
        self.model, self.settings, self.done = model, settings, 0
        self.averaged = _average(model, settings.average)
        self._network: Any = model if network is None else network
        self._autocast = autocast
        self._optimizer = build_optimizer(model, settings)
        self._parameters = [p for group in self._optimizer.param_groups for p in group["params"]]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self._parameters[0].device
        return device

    @property
    def result(self) -> Model:
        """What the training has come to: the averaged weights if there are any."""
        if self.averaged is None:
            return self.model
        return cast("Model", self.averaged.module)

    def step(self, batch: Batch, loss_of: Callable[[Model, Batch], Tensor]) -> Step:
        """Take one step down the gradient of ``loss_of(network, batch)``."""
        set_learning_rate(self._optimizer, self.settings.learning_rate_at(self.done))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
            loss = loss_of(self._network, batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self.settings.clip_norm or torch.inf
        gradient = nn.utils.clip_grad_norm_(self._parameters, limit)
        self._optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.done += 1
        return Step(loss.detach(), gradient)

    def is_finite(self) -> bool:
        """Tell whether every weight that learns is a number."""
        return all(bool(parameter.isfinite().all()) for parameter in self._parameters)

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that the next step depends on, by name."""
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        if self.averaged is not None:
            average = self.averaged.state_dict()
            tensors |= {f"average/{name}": value for name, value in average.items()}
        for number, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in moments.items()}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor], done: int) -> None:
        """Continue where :meth:`state` was taken, after ``done`` steps.

        Raises
        ------
        CheckpointError
            The tensors are those of another network or of other settings.
        """
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
        try:
            for key, value in tensors.items():
                part, _, name = key.partition("/")
                parts[part][name] = value
            self.model.load_state_dict(parts["model"])
            if self.averaged is not None:
                self.averaged.load_state_dict(parts["average"])
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in parts["optimizer"].items():
                number, _, name = key.partition("/")
                moments.setdefault(int(number), {})[name] = value
            groups = self._optimizer.state_dict()["param_groups"]
            self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint is of another network or other settings: {error}. Remedy: go on "
                "with the recipe that the run began with"
            ) from error
        self.done = done


def _average(model: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]
    return averaged.eval()
