"""The papers' data sets: local copies read, checked and described, and metrics judged by each paper's protocol.

Nothing is downloaded. `catalogue` lists the data sets, `load` reads and checks a copy of one, `evaluation` compares
scores with its ratings; a file each holds what is particular to one data set.
"""
