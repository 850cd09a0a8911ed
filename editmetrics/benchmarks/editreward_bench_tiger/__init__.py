"""EditReward-Bench of TIGER-Lab: two, three or four edits of an instruction, ranked by experts."""
