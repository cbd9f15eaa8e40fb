"""Random changes of training examples, as TensorFlow graphs with stateless seeds.

    rng.py        random numbers that follow from a seed and a name
    cropping.py   around which pixel a crop lies: `TABLE` of ways to weigh the classes
    geometry.py   scale, window, flips and quarter turns: drawn once, applied to image and label alike
    warp.py       rotation, shear, elastic deformation: the same, by `TABLE` of what moves points
    colour.py     brightness, contrast, saturation, hue: the image alone, by `TABLE` of affine maps
    effects.py    gamma, blur, noise, JPEG artefacts: the image alone, by `TABLE`
    erase.py      cutout: image and label
    mixing.py     copy-paste, mosaic, ClassMix, CutMix: members of a batch, by `TABLE`

A new augmentation is a function and its line in the table of its kind, and a field of
`kerseg.augment.options.Augment` of the same name. The order of the kinds is written once, in
`kerseg.data.reading.augmented`. What is off leaves no operation in the graph.
"""
