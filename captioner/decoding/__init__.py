"""From an encoded photo to sentences: greedy, beam search and sampling."""
