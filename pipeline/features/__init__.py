"""From pairs to feature files: images, captions and tags into vectors, and their reduction."""
