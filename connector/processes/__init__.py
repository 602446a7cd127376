"""The processes: one command for all of them, the supervisor, web server, worker, scheduler and their jobs."""
