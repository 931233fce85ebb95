"""Precision and devices for training: mixed precision on fast GPUs, and several GPUs at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tensorflow_import import keras, tf

FLOAT32, MIXED = "float32", "mixed_float16"
TENSOR_CORES = (7, 0)  # compute capability from which half precision is faster than float32


@dataclass(frozen=True)
class Hardware:
    """The precision and the devices that networks are trained with.

    Parameters
    ----------
    policy : str
        Keras' name of the precision of computations. Weights are always float32.
    strategy : tf.distribute.Strategy, optional
        Distributes every batch over several devices.
    """

    policy: str = FLOAT32
    strategy: Any = None

    @property
    def replicas(self) -> int:
        """Number of devices that share a batch."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Build and compile networks inside this context. It restores the previous precision."""
        previous = keras.config.dtype_policy().name
        keras.config.set_dtype_policy(self.policy)
        try:
            with self.strategy.scope() if self.strategy else contextlib.nullcontext():
                yield
        finally:
            keras.config.set_dtype_policy(previous)

    def batch_size(self, size: int) -> int:
        """Return the next multiple of the number of devices, so that all have equal shares.

        Examples
        --------
        >>> Hardware().batch_size(5)
        5
        """
        return -(-size // self.replicas) * self.replicas

    def train_on_batch(self, network: keras.Model, *arrays: NDArray[Any]) -> dict[str, float]:
        """Do one training step, with a share of the batch on every device.

        Parameters
        ----------
        network : keras.Model
            Compiled in `scope`.
        *arrays : ndarray
            Inputs, targets and sample weights. Their length is a multiple of `replicas`.

        Returns
        -------
        dict of str to float
            Loss and metrics of this step.
        """
        network.reset_metrics()  # some versions of Keras do not do this for one device
        if self.replicas == 1:
            x, target, weight = arrays
            metrics: dict[str, float] = network.train_on_batch(x, target, weight, return_dict=True)
            return metrics
        with self.strategy.scope():  # metrics created inside a replica's step have no device
            network._symbolic_build(data_batch=arrays)
        network.make_train_function()
        shares = tuple(self._distribute(np.asarray(array)) for array in arrays)
        network.train_function(iter([shares]))
        # the result of the function is the mean over the devices and ignores sample weights
        return {name: float(value) for name, value in network.get_metrics_result().items()}

    def _distribute(self, array: NDArray[Any]) -> Any:
        parts = np.split(array, self.replicas)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )


def detect() -> Hardware:
    """Return the hardware of this machine.

    A CPU computes in float32. A GPU with tensor cores uses mixed precision. Several GPUs share
    every batch.

    References
    ----------
    P. Micikevicius et al., "Mixed precision training", ICLR 2018.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Hardware()
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus
    ]
    fast = all(tuple(capability or ()) >= TENSOR_CORES for capability in capabilities)
    strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
    return Hardware(MIXED if fast else FLOAT32, strategy)
