"""What learned assessors share: backbones and prompts, read-outs, heads, adapters, checkpoints, training."""
