"""Pure decisions of delivery: which way, what a reply means, when again, who is told."""
