"""Dashboards and alerts, written down once: Grafana's JSON and Prometheus' rules are made from here.

`.ci/generate_monitoring.py` writes them into the chart; `mailweir up --prometheus` takes the rules.
"""
