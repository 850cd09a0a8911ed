"""A made world that is hard for statistics: scenes of shapes on photographs, edits of them, and what is true."""
