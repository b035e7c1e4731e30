"""What the business means: source events, domain events, aggregates, rules, ports. No I/O, no clock, no chance."""
