"""Stage evaluate: how good detections and neighbours are."""
