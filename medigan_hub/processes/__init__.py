"""Processes of others' code: started and ended as groups, their logs, and what a fork leaves."""
