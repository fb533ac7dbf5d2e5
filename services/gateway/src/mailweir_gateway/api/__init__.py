"""The REST API: routes, and what every request passes before it reaches one."""
