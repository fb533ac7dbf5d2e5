"""`mailweir score`: the pipeline over files, without any service."""
