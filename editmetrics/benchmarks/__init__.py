"""The papers' data sets: local copies read, checked and described, and metrics judged by each paper's protocol.

Nothing is downloaded. `catalogue` lists the data sets, `load` reads and checks a copy of one, `evaluation` compares
scores with its ratings; all that is particular to a data set is in a folder of its own.
`qbench` asks questions on images.
"""
