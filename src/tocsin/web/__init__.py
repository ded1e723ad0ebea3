"""The web: JSON API, intake addresses, pages; nothing here decides, it asks the engine."""
