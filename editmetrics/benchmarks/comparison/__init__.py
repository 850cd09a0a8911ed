"""A paper's comparison table: its methods, those that can be computed computed, and each beside the printed numbers.

`paper_table` reads a table as data, `compute` scores and trains its methods, `figures` measures them as the paper does,
`layout` shows them.
"""
