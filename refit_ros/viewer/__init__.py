"""People, cameras and how well it all goes, in a browser: a subscriber in a process of its own."""
