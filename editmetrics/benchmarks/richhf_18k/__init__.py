"""RichHF-18K: generated images rated in four respects."""
