"""From a video file to clips of its faces; the entrance is `service.vision.clips.read_clips`."""
