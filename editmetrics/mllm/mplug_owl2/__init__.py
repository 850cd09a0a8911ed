"""mPLUG-Owl2, the base of Q-Align and DeQA-Score, which transformers does not have.

`vision` and `language` are its network, `loading` makes it of a published folder, `family` is its place among the
families of backbones. Source: Ye et al., mPLUG-Owl2, CVPR 2024, arXiv:2311.04257.
"""
