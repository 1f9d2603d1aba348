"""The steps that the config flow and the subentry flows share, one file each."""
