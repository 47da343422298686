"""Models broken on purpose, room by room: what `test_broken_models` plants before it lets an experiment measure."""
