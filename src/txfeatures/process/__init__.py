"""Parts of every process: settings, logs, metrics, traces, clock, AWS clients, runtime."""
