"""What lies in files, read from their directories alone: nothing is ever unpacked."""
