"""The Helm chart rendered without a cluster, as typed objects."""
