"""The pure part: facts in, findings and a verdict out."""
