"""Data types that all processes share: jobs, results, bundles, options and errors. Depends on pydantic only."""
