//! Hold the page of a made-up run to what it must be.
