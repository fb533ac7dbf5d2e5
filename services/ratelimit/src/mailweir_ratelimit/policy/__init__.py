"""What the service decides, as pure functions: buckets, keys, quotas, notices, bans."""
