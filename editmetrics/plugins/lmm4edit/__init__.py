"""LMM4Edit (Xu et al., ACM MM 2025): an assessor of edits in three dimensions, by its authors' weights."""
