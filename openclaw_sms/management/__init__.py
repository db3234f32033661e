"""The commands, in the reference channel's own words."""
