"""Every open lead scored and ranked by every version."""
