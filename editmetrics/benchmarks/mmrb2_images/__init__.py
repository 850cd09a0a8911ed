"""Multimodal RewardBench 2: pairs of generated and of edited images, and which experts prefer."""
