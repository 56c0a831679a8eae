"""Makes reports: reads what a report needs within a read scope, and applies its rule."""
