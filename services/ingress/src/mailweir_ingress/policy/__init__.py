"""What the ingress decides, as pure functions: facts and rules in, decisions out."""
