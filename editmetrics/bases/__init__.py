"""Base classes for metrics: an author writes what is special about a metric, its base does the rest.

`full_reference.FullReference` compares two images, `network.NetworkMetric` runs a network, `set_metric.SetMetric`
compares two sets, `judge.JudgeMetric` asks a chat model, and `assessor.AssessorMetric` trains a vision-language model.
"""
