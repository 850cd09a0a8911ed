"""ImageRewardDB: generated images of one prompt, ranked by people; its test split."""
