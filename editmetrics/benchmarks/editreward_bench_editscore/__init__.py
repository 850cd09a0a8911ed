"""EditReward-Bench of EditScore: pairs of edits, and which of them experts prefer in three respects."""
