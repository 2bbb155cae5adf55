"""Turn video into clips of faces; the entry points are `read_clips` and `watch_clips` in `service.vision.clips`."""
