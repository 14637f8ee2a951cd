"""Which version is live: gates, the decision, orders, the sensor, the switch and its history."""
