"""Videos and animations: decoded to a few frames, cut into scenes, told as a short story."""
