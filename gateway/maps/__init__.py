"""Extract -> base map: tiles that the console draws without internet."""
