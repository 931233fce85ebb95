"""Several devices and mixed precision, tested on CPUs, which every machine has."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from alledge.train.fitting.recipe import FINE_TUNING
from alledge.train.networks.hardware import MIXED, Hardware, detect
from alledge.train.progress import TrainingProgress
from alledge.train.runs.session import TrainOptions

TWO_DEVICES = """
import json
import numpy as np
from alledge.train.networks.tensorflow_import import keras, tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from pathlib import Path
from alledge.train.fitting.training_loop import Fitter, predict
from alledge.train.networks.hardware import Hardware
from alledge.train.fitting.recipe import Recipe
from alledge.train.fitting.targets import FitImages
random = np.random.default_rng(0)
features = random.normal(size=(21, 6)).astype(np.float32)
truth = (features[:, 0] > 0).astype(np.int64)
images = FitImages(np.arange(15), np.arange(15, 21), truth, 2)
recipe = Recipe(epochs=4, batch_size=6, lr=0.05, patience=9)
scores, sizes, histories = [], [], []
for hardware in (Hardware(), Hardware(strategy=tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))):
    with hardware.scope():
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
    fitter = Fitter(network, recipe, 0, hardware)
    state = fitter.fit(images, lambda indices, epoch: features[indices], network.get_weights(),
        epochs=4, state_file=Path(f"state-{hardware.replicas}.npz"), report=lambda row: None)
    scores.append(predict(network, features).tolist())
    sizes.append([hardware.replicas, hardware.batch_size(5)])
    histories.append([[row["loss"], row["accuracy"]] for row in state.history[1:]])
print(json.dumps({"scores": scores, "sizes": sizes, "histories": histories}))
"""


def test_a_cpu_computes_in_float32_on_one_device() -> None:
    assert detect() == Hardware()


def test_two_devices_fit_the_same_network_with_the_same_history_as_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_DEVICES]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["sizes"] == [[1, 5], [2, 6]]
    one, two = (np.array(scores) for scores in result["scores"])
    assert np.allclose(one, two, atol=1e-5)
    assert np.ptp(one) > 0.1
    one, two = (np.array(history) for history in result["histories"])
    assert one.shape == (4, 2)
    assert np.allclose(one, two, atol=1e-5)


def test_mixed_precision_trains_and_leaves_float32_weights_and_scores(
    tiny_order: TrainOptions, tmp_path: Path
) -> None:
    from alledge.runtime.data.datasets import read_dataset
    from alledge.train.data.examples import read_examples
    from alledge.train.data.splits import make_split
    from alledge.train.fitting.fold_training import Trainer
    from alledge.train.fitting.task import TrainingTask
    from alledge.train.networks.tensorflow_import import keras

    examples = read_examples(read_dataset(tiny_order.data), tiny_order.image_settings)
    split = make_split(examples, "grouped", 2, 0)
    recipe = replace(FINE_TUNING, epochs=1, batch_size=8, head_passes=1)
    task = TrainingTask("vgg16", "gap", tiny_order.weights, 0, recipe, examples, split, tmp_path)
    trainer = Trainer(task, TrainingProgress(quiet=True), hardware=Hardware(MIXED))
    assert trainer.network.get_layer("base").layers[1].compute_dtype == "float16"
    result = trainer.score_fold(split.folds[0], "fold 1")
    assert np.isfinite(result["scores"]).all()
    assert {weight.dtype for weight in trainer.network.weights} == {"float32"}
    assert trainer.network.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
