"""Apache Kafka: the logs and the dead letters of an installation that runs on several machines."""
