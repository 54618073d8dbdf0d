//! Benchmarks of the conformance suite and the reference server.
