"""The bytes of a photo to pixels: in a process of its own, for a photo is a stranger's file."""
