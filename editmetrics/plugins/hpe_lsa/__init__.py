"""HPE-LSA: is an image edited, and how good is the edit? Read from the layer of a vision-language model that knows best
("Fine-Grained Human Pose Editing Assessment via Layer-Selective MLLMs", Sun et al., Shanghai Jiao Tong University).

`metric.py` is the metric; `assessor.py` reads one backbone; `labels.py` has the training data, `contrastive.py`
equation 1, `lsa.py` equations 2 to 4, `analysis.py` their application to images, `decoders.py` section III-D.
`fit.py` trains the stages in their order with the settings of `method.py`; `command.py` is `editmetrics lsa`.
"""
