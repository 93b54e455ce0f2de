//! Run the flowstill command line.
fn main() {}
