"""Mailweir on a real Kubernetes: the cluster tool, a release of the chart, clients with chosen addresses."""
