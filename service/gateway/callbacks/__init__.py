"""Callbacks: whoever asked for one is told when an analysis has ended, by Standard Webhooks."""
