"""Raw events: read, judged, compared with those that are stored, computed into features, written."""
