"""`mailweir up`: a nats-server and all services on one machine, supervised."""
