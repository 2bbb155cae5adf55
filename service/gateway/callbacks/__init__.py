"""Callbacks: webhooks (Standard Webhooks) that report the end of an analysis."""
