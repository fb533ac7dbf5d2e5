"""What delivery's ports are made of: SMTP and LMTP sessions, Maildirs, the DNS, and memory."""
