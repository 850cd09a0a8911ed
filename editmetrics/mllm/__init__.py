"""Shared parts of learned assessors: backbones, prompts, read-outs, heads, adapters, checkpoints, training."""
