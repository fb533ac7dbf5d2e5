"""What tests share: real NATS, DNS from zone text, SMTP dialogues, a sink, builders."""
