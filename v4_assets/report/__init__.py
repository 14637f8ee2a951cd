"""What people read: report, page, charts, alerts."""
