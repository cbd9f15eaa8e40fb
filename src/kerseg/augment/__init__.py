"""Random changes of training examples, as TensorFlow graphs with stateless seeds.

    rng.py        random numbers that follow from a seed and a name
    geometry.py   scale, window, flip: drawn once, applied to image and label alike
    colour.py     brightness, contrast, saturation, hue: the image alone

Where a new augmentation goes: one that moves pixels takes the same draw for image and label and belongs
beside `geometry`; one that recolours is a function and a row in `colour.TABLE`; one that mixes examples comes
after the batch is made. The order is written once, in `kerseg.data.pipeline`.
"""
