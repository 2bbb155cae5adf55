"""Run all of Mien on one machine with one command."""
