"""Dashboard: draws what a fleet is doing; `imgpipe.monitor` gathers it."""
