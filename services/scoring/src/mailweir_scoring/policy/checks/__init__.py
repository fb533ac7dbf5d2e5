"""What is looked for in a message, one module per aspect."""
