"""What a service process stands on: lifecycle, gRPC, bus, body store, config watch."""
