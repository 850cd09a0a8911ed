"""NTIRE 2026 X-AIGC challenge, track 2: image editing, in and out of distribution."""
