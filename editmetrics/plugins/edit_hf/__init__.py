"""EditHF (Xu et al., 2026): an assessor of edits in three dimensions, by its authors' weights."""
