"""`mailweir doctor`: what a machine needs to run Mailweir well, each check with its remedy."""
