"""GenAI-Bench of TIGER-Lab: people's votes of an arena on generated and edited images."""
