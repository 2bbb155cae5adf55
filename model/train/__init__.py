"""Parts of training that all recipes share."""
