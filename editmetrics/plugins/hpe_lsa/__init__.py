"""HPE-LSA: is an image edited, and how good is the edit? Read from the layer of a vision-language model that knows best
("Fine-Grained Human Pose Editing Assessment via Layer-Selective MLLMs", Sun et al., Shanghai Jiao Tong University).

`metric.py` is the metric; `assessor.py` what is read of one backbone; `labels.py` the training data; `contrastive.py`
equation 1; `lsa.py` equations 2 to 4, and `analysis.py` the same over images; `decoders.py` section III-D; `fit.py` the
training in its order, and `method.py` what the paper leaves open of it.
"""
