"""One feed over time: when it is asked, what is kept of it, and what is believed."""
