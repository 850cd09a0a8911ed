"""LMM4LMM: perception, correspondence and yes/no answers of generated images (Wang et al., ICCV 2025)."""
