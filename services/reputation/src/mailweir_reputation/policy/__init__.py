"""What is concluded of what was found: pure, so that a test needs neither socket nor clock."""
