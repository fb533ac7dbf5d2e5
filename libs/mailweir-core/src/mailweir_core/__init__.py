"""Pure values every part of Mailweir speaks in: ids, clock, networks, outcomes, reasons, decisions."""
