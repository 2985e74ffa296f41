"""What tests share: worlds, servers, programs, waiting, and how a run of tests is organized.

Here: `worlds` (a platform with data, streams, models), `servers` (real ones on 127.0.0.1),
`programs` (processes to kill or stop), `waiting`, the order and place in which test files run, the
file system of temporary folders, what is built once for all workers.
Not here: what results must be (`fraud_platform_tests.oracles`), tests.
"""
