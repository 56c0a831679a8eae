"""Values of logs: ids, times, partitions, JSON, devices."""
