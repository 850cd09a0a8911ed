"""Other toolkits' metrics behind the same door: `pyiqa/NAME`, `piq/NAME`, `torchmetrics/NAME`; see `docs/bridges.md`.

One file a library. Nothing here imports a library before somebody asks for one of its metrics.
"""
