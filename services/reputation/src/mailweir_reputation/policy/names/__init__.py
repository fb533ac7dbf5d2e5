"""Names: of clients, of those they greet with, and the domains they send for."""
