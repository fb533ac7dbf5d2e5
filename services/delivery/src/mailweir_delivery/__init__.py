"""Takes accepted mail to its next hop, retries, and bounces."""
