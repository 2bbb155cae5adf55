"""What the processes agree on: jobs, results, bundles, options and errors. Depends on pydantic only."""
