"""What this machine trains on: mixed precision where there is a GPU, all of them where several."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from .tensorflow_import import keras, tf

FLOAT32, MIXED = "float32", "mixed_float16"
TENSOR_CORES = (7, 0)  # compute capability from which half precision is the faster one


@dataclass(frozen=True)
class Hardware:
    """How networks are built and fed.

    Parameters
    ----------
    policy : str
        Keras' name of the precision that is computed in; weights are float32 in any case.
    strategy : tf.distribute.Strategy, optional
        Spreads every batch over several devices.
    """

    policy: str = FLOAT32
    strategy: Any = None

    @property
    def replicas(self) -> int:
        """Devices that share a batch."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @contextlib.contextmanager
    def scope(self) -> Any:
        """Build and compile networks in here; the precision outside is as it was."""
        before = keras.config.dtype_policy().name
        keras.config.set_dtype_policy(self.policy)
        try:
            with self.strategy.scope() if self.strategy else contextlib.nullcontext():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def batch_size(self, wanted: int) -> int:
        """Return the batch size, made a multiple of the devices: each has the same share."""
        return -(-wanted // self.replicas) * self.replicas

    def train_on_batch(self, network: keras.Model, *arrays: Any) -> dict[str, Any]:
        """Do one step, every device with its share of the batch.

        Parameters
        ----------
        network : keras.Model
            Compiled in `scope`.
        *arrays : ndarray
            Inputs, targets and weights; their length is a multiple of `replicas`.

        Returns
        -------
        dict of str to float
            Loss and metrics of this step alone.
        """
        network.reset_metrics()  # not every Keras does, on one device
        if self.replicas == 1:
            x, target, weight = arrays
            found: dict[str, Any] = network.train_on_batch(x, target, weight, return_dict=True)
            return found
        with self.strategy.scope():  # metrics made inside a replica's step belong to no device
            network._symbolic_build(data_batch=arrays)
        network.make_train_function()
        shares = tuple(self._shared(np.asarray(array)) for array in arrays)
        network.train_function(iter([shares]))
        # what it returned is the mean of the devices', whatever their images weigh
        return {name: float(value) for name, value in network.get_metrics_result().items()}

    def _shared(self, array: Any) -> Any:
        parts = np.split(array, self.replicas)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )


def detect() -> Hardware:
    """Return how to use what is here: plain on a CPU, mixed precision on one GPU, all of several.

    References
    ----------
    P. Micikevicius et al., "Mixed precision training", ICLR 2018.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return Hardware()
    abilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus
    ]
    fast = all(ability is not None and tuple(ability) >= TENSOR_CORES for ability in abilities)
    strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
    return Hardware(MIXED if fast else FLOAT32, strategy)
