"""Write checkpoints with TF-Slim's own nets, and what those nets make of an image.

    python slim_reference.py FOLDER

A process of its own, because TF-Slim needs TensorFlow 1's graphs and warns of everything it uses. The nets have an
eighth of their channels, which changes nothing in how they are wired: whole, VGG16 alone takes gigabytes.
"""

import importlib
import os
import pkgutil
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tf_keras.src.legacy_tf_layers as legacy_layers

# tf_slim looks for them where tf_keras had them before 2.16.
sys.modules["tf_keras.legacy_tf_layers"] = legacy_layers
for module in pkgutil.iter_modules(legacy_layers.__path__):
    full = importlib.import_module(f"{legacy_layers.__name__}.{module.name}")
    sys.modules[f"tf_keras.legacy_tf_layers.{module.name}"] = full

import tf_slim  # noqa: E402
from tf_slim.nets import resnet_utils, resnet_v2, vgg  # noqa: E402

v1 = tf.compat.v1
FEWER = 8
"""Times fewer channels than published."""
SIZES = [(96, 128), (97, 75)]
"""Even and odd, in pixels."""
VGG_SIZES = [(224, 224), (241, 231)]
"""fc6 needs seven by seven pixels at stride 32."""
VGG_MEAN = (123.68, 116.78, 103.94)
STRIDES = {"resnet_v2_50": (8, 16, 32), "resnet_v2_101": (16,), "resnet_v2_152": (8,)}


def sample(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (1, height, width, 3)).astype("float32")


def narrow() -> None:
    """Give TF-Slim's functions fewer channels; they are written into them."""
    block, root, conv = resnet_v2.resnet_v2_block, resnet_utils.conv2d_same, vgg.layers.conv2d

    def narrow_block(scope: str, base_depth: int, **options: int) -> resnet_utils.Block:
        return block(scope, base_depth=base_depth // FEWER, **options)

    def narrow_root(x: tf.Tensor, depth: int, *arguments: int, scope: str, **options: int) -> tf.Tensor:
        # A block's convolutions have the block's depth.
        return root(x, depth // FEWER if scope == "conv1" else depth, *arguments, scope=scope, **options)

    @tf_slim.add_arg_scope
    def narrow_conv(x: tf.Tensor, depth: int, *arguments: object, **options: object) -> tf.Tensor:
        return conv(x, depth if options["scope"] == "fc8" else depth // FEWER, *arguments, **options)

    resnet_v2.resnet_v2_block, resnet_utils.conv2d_same = narrow_block, narrow_root
    vgg.layers = SimpleNamespace(**vars(vgg.layers) | {"conv2d": narrow_conv})


def assign_all(running: v1.Session) -> None:
    """Give every variable values as a trained net's, also those that start at zero or one."""
    random, values = np.random.default_rng(0), {}
    for variable in v1.global_variables():
        shape, last = variable.shape.as_list(), variable.op.name.rsplit("/", 1)[-1]
        noise = random.normal(size=shape)
        value = {
            "weights": noise * np.sqrt(2 / max(1, np.prod(shape[:-1]))),
            "gamma": 1 + 0.1 * noise,
            "moving_variance": np.exp(0.2 * noise),
        }.get(last, 0.1 * noise)
        values[variable.initializer.inputs[1]] = value
    # At once: TensorFlow 1 plans each new set of operations anew.
    running.run([variable.initializer for variable in v1.global_variables()], values)


def session() -> v1.Session:
    """Return a session that does not optimise what runs once or twice."""
    config = v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return v1.Session(config=config)


def resnet(name: str, folder: Path, version: int) -> None:
    with tf.Graph().as_default(), session() as running:
        image, fetched = v1.placeholder(tf.float32, (1, None, None, 3)), {}
        for stride in STRIDES[name]:
            with tf_slim.arg_scope(resnet_v2.resnet_arg_scope()):
                net, ends = getattr(resnet_v2, name)(
                    image / 127.5 - 1,
                    is_training=False,
                    global_pool=False,
                    output_stride=stride,
                    reuse=bool(fetched),
                )
            fetched[str(stride)] = net
            if stride == 32:
                for block, unit in ((1, 2), (2, 3), (3, 5)):
                    fetched[f"block{block}"] = ends[f"{name}/block{block}/unit_{unit}/bottleneck_v2"]
        assign_all(running)
        results = {}
        for size in SIZES:
            values = running.run(fetched, {image: sample(*size)})
            results |= {f"{key} {size[0]}x{size[1]}": value for key, value in values.items()}
        np.savez(folder / f"{name}.npz", **results)
        save(running, folder / f"{name}.ckpt", version)


def vgg16(folder: Path) -> None:
    with tf.Graph().as_default(), session() as running:
        image = v1.placeholder(tf.float32, (1, None, None, 3))
        with tf_slim.arg_scope(vgg.vgg_arg_scope()):
            _, ends = vgg.vgg_16(image - VGG_MEAN, is_training=False, spatial_squeeze=False)
        v1.train.create_global_step()
        assign_all(running)
        results = {}
        for size in VGG_SIZES:
            for end in ("pool3", "pool4", "pool5", "fc7"):
                value = running.run(ends[f"vgg_16/{end}"], {image: sample(*size)})
                results[f"{end} {size[0]}x{size[1]}"] = value
        np.savez(folder / "vgg_16.npz", **results)
        save(running, folder / "vgg_16.ckpt", 2)


def save(running: v1.Session, path: Path, version: int) -> None:
    writer = {1: v1.train.SaverDef.V1, 2: v1.train.SaverDef.V2}[version]
    v1.train.Saver(write_version=writer).save(running, str(path), write_meta_graph=False, write_state=False)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    narrow()
    for number, resnet_name in enumerate(STRIDES):
        resnet(resnet_name, target, version=1 + number % 2)
    vgg16(target)
