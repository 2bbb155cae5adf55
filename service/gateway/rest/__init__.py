"""The REST API: routes that translate HTTP to use cases and back."""
