"""Questionnaires: what clients are asked, in versions that stay as they were used, and the sheets of their answers."""
